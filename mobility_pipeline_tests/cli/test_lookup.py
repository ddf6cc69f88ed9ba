"""`mobility cities lookup`: candidates, one boundary, and a city made of it."""

import json
from typing import Any

import pytest

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.conftest import Workplace


def lookup(place: Workplace, *arguments: str) -> tuple[int, Any]:
    """Run the verb with --json."""
    answer = place.run("cities", "lookup", *arguments, "--json")
    assert "Traceback" not in answer.stderr
    return answer.code, answer.document


@pytest.mark.parametrize("country", ["TR", "Turkey", "turkiye", "Türkiye"])
def test_candidates_are_listed(workplace: Workplace, country: str) -> None:
    """By code or any spelling of the country; both levels are shown."""
    code, document = lookup(workplace, "Esenler", "--country", country)
    assert code == 0
    assert [found["admin_level"] for found in document["candidates"]] == [6, 8]


def test_table_is_for_people(workplace: Workplace) -> None:
    """Without --json there is a table with ids, levels, areas and places."""
    answer = workplace.run("cities", "lookup", "أبها", "--country", "SA")
    assert answer.code == 0
    for words in ("relation/9400006", "أبها (Abha)", "'Asir Province", "OpenStreetMap"):
        assert words in answer.stdout


def test_nothing_found_says_so(workplace: Workplace) -> None:
    """No candidate is exit 1 with an empty list."""
    answer = workplace.run("cities", "lookup", "Atlantis", "--country", "KE", "--json")
    assert (answer.code, answer.document) == (1, {"candidates": []})
    assert "no boundary for 'Atlantis' in Kenya" in answer.stderr


def test_boundary_is_shown_and_added(workplace: Workplace) -> None:
    """First area and vertices; with --add a city in the registry, once."""
    chosen = ("Melbourne", "--country", "AU", "--osm-id", "relation/9700006")
    code, document = lookup(workplace, *chosen)
    assert (code, document["name"], "added" in document) == (0, "Melbourne", False)
    assert document["vertices"] > 10
    code, document = lookup(workplace, *chosen, "--add", "--state", "Victoria")
    assert (code, document["added"]) == (0, "australia/victoria/melbourne")
    stored = json.loads(
        (workplace.cities / "australia/victoria/melbourne.geojson").read_text()
    )
    assert stored["properties"]["time_zone"] == "Australia/Melbourne"
    assert "relation/9700006" in stored["properties"]["source"]
    code, document = lookup(workplace, *chosen, "--add", "--state", "Victoria")
    assert (code, "exists" in document["error"]["message"]) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Esenler"], "--country"),
        (["--country", "TR"], "NAME"),
        (["Esenler", "--country", "Atlantis"], "no country's code or English name"),
        (["Esenler", "--country", "TR", "--level", "0"], "--level"),
        (["Esenler", "--country", "TR", "--level", "six"], "--level"),
        (["Esenler", "--country", "TR", "--add"], "go with --osm-id"),
        (
            ["Esenler", "--country", "TR", "--osm-id", "relation/1", "--state", "x"],
            "go with --add",
        ),
        (["Esenler", "--country", "TR", "--osm-id", "first"], "is not an id"),
        (["Burnaby", "--country", "CA", "--osm-id", "relation/9500018"], "not closed"),
        (
            ["Esenler", "--country", "CA", "--osm-id", "relation/9300006"],
            "geometry is in Türkiye, not in Canada",
        ),
        (["Esenler", "--country", "TR", "--point", "41.05", "28.9"], "Saudi Arabia"),
        (["", "--country", "TR"], "is blank"),
    ],
)
def test_mistake_is_one_sentence(
    workplace: Workplace, arguments: list[str], words: str
) -> None:
    """Wrong usage is exit 2 with words."""
    code, document = lookup(workplace, *arguments)
    assert code == 2
    assert words in document["error"]["message"]


def test_busy_server_is_exit_1(workplace: Workplace, sandbox: Sandbox) -> None:
    """A server that wants us to come later is not "nothing there"."""
    sandbox.set_osm_faults(overpass=[[429, 600]])
    code, document = lookup(workplace, "Esenler", "--country", "TR")
    assert (code, document["error"]["type"]) == (1, "MapServerError")
    assert "come again in 600 s" in document["error"]["message"]
