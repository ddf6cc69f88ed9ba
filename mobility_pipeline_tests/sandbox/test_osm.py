import json

import pytest
import requests

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.sandbox.osm import Servers

SERVERS = Servers()


def test_both_servers_know_the_same_relations() -> None:
    """Every relation has its place, and its box is that of its ways."""
    places = {p["osm_id"] for p in SERVERS.places if p["osm_type"] == "relation"}
    assert places == {relation["id"] for relation in SERVERS.overpass["elements"]}
    for relation in SERVERS.overpass["elements"]:
        nodes = [n for m in relation["members"] for n in m.get("geometry", [])]
        inside = relation["bounds"]
        assert all(inside["minlat"] <= n["lat"] <= inside["maxlat"] for n in nodes)
        assert all(inside["minlon"] <= n["lon"] <= inside["maxlon"] for n in nodes)


@pytest.mark.parametrize(
    ("question", "words"),
    [("rel(1);out;", "parse error"), ("", "parse error"), ('"', "parse error")],
)
def test_wrong_question_is_400_with_a_page(
    sandbox: Sandbox, question: str, words: str
) -> None:
    """Like the real one: a web page that says what is wrong."""
    url = f"{sandbox.osm_url}/api/interpreter"
    answer = requests.post(url, {"data": question or " "}, timeout=5)
    assert answer.status_code == 400
    assert words in answer.text
    assert answer.text.startswith("<?xml")


def test_status_page_is_text(sandbox: Sandbox) -> None:
    """The page has the lines of the real one."""
    page = requests.get(f"{sandbox.osm_url}/api/status", timeout=5).text
    assert "2 slots available now." in page


def test_faults_are_taken_one_by_one(sandbox: Sandbox) -> None:
    """A queue of wrong answers, then right ones; reset clears it."""
    fields = {"q": "Nairobi", "countrycodes": "ke", "limit": "5"}
    sandbox.set_osm_faults(nominatim=[503, [429, 2]])
    answers = [
        requests.get(f"{sandbox.osm_url}/search", fields, timeout=5) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [503, 429, 200]
    assert answers[1].headers["Retry-After"] == "2"
    (place,) = json.loads(answers[2].text)
    assert place["display_name"] == "Nairobi County, Kenya"
    assert isinstance(place["lat"], str)
