"""`mobility api`: keys, and a server of its own."""

import re
import socket

import requests

from mobility_pipeline.resources.clients import open_api_keys
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.conftest import CITIES, Workplace
from mobility_pipeline_tests.waiting import wait_until


def test_a_key_is_shown_once(workplace: Workplace) -> None:
    """On stdout alone, for pipes; the list names it and does not hold it."""
    made = workplace.run("api", "keys", "create", "desk", "--scope", "read")
    key = made.stdout.strip()
    assert re.fullmatch("mobility_[0-9a-f]{64}", key)
    assert key not in made.stderr
    listed = workplace.run("api", "keys", "list", "--json")
    (known,) = listed.document["keys"]
    assert (known["name"], known["scope"]) == ("desk", "read")
    assert key not in listed.stdout
    assert workplace.run("api", "keys", "revoke", "desk").code == 0
    assert workplace.run("api", "keys", "list", "--json").document == {"keys": []}


def test_mistakes_are_one_line(workplace: Workplace) -> None:
    """A key that is there, one that is not, and settings that are wrong."""
    create = ("api", "keys", "create", "desk", "--scope", "read")
    workplace.run(*create)
    assert workplace.run(*create).code == 2
    assert workplace.run("api", "keys", "revoke", "x").code == 2
    for variables, words in (
        ({"API_RATE_LIMIT": "often"}, "API_RATE_LIMIT"),
        ({"ANALYTICS_DEVICE_LISTS": "true"}, "ANALYTICS_PSEUDONYM_SECRET"),
    ):
        answer = workplace.run("api", "--port", "1", **variables)
        assert answer.code == 2
        assert words in answer.stderr
        assert "Traceback" not in answer.stderr


def test_serving(workplace: Workplace) -> None:
    """A process answers which cities there are, and why they have no data."""
    settings = read_settings(workplace.environment)
    key = workplace.run("api", "keys", "create", "x", "--scope", "read").stdout.strip()
    assert open_api_keys(settings).find(key)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, headers = f"http://127.0.0.1:{port}", {"X-API-Key": key}
    process = workplace.start("api", "--port", str(port))
    try:
        wait_until(lambda: _is_up(url))
        cities = requests.get(f"{url}/v1/cities", headers=headers, timeout=20).json()
        query = {"city": CITIES[0], "from": "2025-06-11", "to": "2025-06-11"}
        empty = requests.get(f"{url}/v1/presence", query, headers=headers, timeout=20)
    finally:
        process.terminate()
        _, stderr = process.communicate(timeout=30)
    assert [city["city"] for city in cities["data"]["items"]] == sorted(CITIES)
    assert empty.status_code == 404
    assert empty.json()["detail"]["reasons"] == {"2025-06-11": "not_requested"}
    assert "Traceback" not in stderr


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/openapi.json", timeout=5).ok
    except requests.ConnectionError:
        return False
