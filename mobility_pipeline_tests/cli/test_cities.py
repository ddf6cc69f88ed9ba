"""`mobility cities`: list, add, import, export, retire."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from mobility_pipeline_tests.conftest import CITIES, Workplace

_SQUARE = {
    "type": "Feature",
    "properties": {},
    "geometry": {
        "type": "Polygon",
        "coordinates": [[[42.4, 18.1], [42.6, 18.1], [42.6, 18.3], [42.4, 18.1]]],
    },
}
_LEGACY: list[dict[str, Any]] = [
    {
        "city_id": "0d1f5a52-0000-4000-8000-000000000001",
        "country": "Saudi Arabia",
        "state_province": "'Asir",
        "city": "Abha",
        "polygon_geojson": _SQUARE,
        "notification_email": "nobody@example.invalid",
    },
    {
        "country": "Chile",
        "state_province": "",
        "city": "Santiago",
        "latitude": "-33.45",
        "longitude": "-70.66",
        "radius_meters": "15000",
    },
    {
        "country": "Chile",
        "state_province": "",
        "city": " Santiago ",
        "latitude": "-33.40",
        "longitude": "-70.60",
        "radius_meters": 9000,
    },
    {
        "country": "Dominican Republic",
        "state_province": "",
        "city": "Santiago",
        "latitude": "19.45",
        "longitude": "-70.69",
        "radius_meters": 8000,
    },
    {
        "country": "Mexico",
        "state_province": "Querétaro",
        "city": "Querétaro",
        "latitude": "north",
        "longitude": "-100.39",
        "radius_meters": 8000,
    },
]


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user without any account."""
    return make_workplace({})


def test_import_gives_valid_unique_keys_and_a_report(place: Workplace) -> None:
    """Duplicate names, string coordinates, blank states and 'Asir: design § 4.4."""
    file = place.home / "cities.json"
    file.write_text(json.dumps(_LEGACY))
    answer = place.run("cities", "import", str(file), "--json")
    assert answer.code == 1
    assert sorted(answer.document["imported"]) == [
        "chile/santiago",
        "dominican_republic/santiago",
        "saudi_arabia/asir/abha",
    ]
    names = [refused["name"] for refused in answer.document["refused"]]
    assert len(names) == 2
    problems = [refused["problems"] for refused in answer.document["refused"]]
    assert all(problems)
    stored = json.loads((place.cities / "saudi_arabia/asir/abha.geojson").read_text())
    assert stored["properties"]["state_province"] == "'Asir"
    assert stored["properties"]["legacy_prefix"] == "saudi_arabia/'asir/abha"
    assert "example.invalid" not in json.dumps(stored)
    listed = place.run("cities", "list", "--json")
    assert (listed.code, len(listed.document["cities"])) == (0, 2 + 3)


def test_import_into_a_registry_that_is_not_there_makes_it(place: Workplace) -> None:
    """The first import creates the folder."""
    file = place.home / "cities.json"
    file.write_text(json.dumps(_LEGACY[:1]))
    elsewhere = str(place.home / "new" / "cities")
    answer = place.run(
        "cities", "import", str(file), "--json", MOBILITY_CITIES=elsewhere
    )
    assert (answer.code, answer.document["refused"]) == (0, [])


@pytest.mark.parametrize("content", ["", "{", "3", '{"cities": []}', "[3, null]"])
def test_import_of_what_is_no_city_list_is_no_traceback(
    place: Workplace, content: str
) -> None:
    """Wrong files are refused in one line, wrong records by number."""
    file = place.home / "cities.json"
    file.write_text(content)
    answer = place.run("cities", "import", str(file), "--json")
    assert answer.code in (1, 2)
    assert "Traceback" not in answer.stderr
    if answer.code == 1:
        assert len(answer.document["refused"]) == 2
    else:
        assert answer.document["error"]["message"]


def test_added_city_gets_its_key_from_its_names(place: Workplace) -> None:
    """A Feature without key becomes a city under the slugs of its names."""
    properties = {
        "country": "Côte d'Ivoire",
        "state_province": "",
        "city": "Abidjan",
        "iso_country_code": "CI",
        "time_zone": "Africa/Abidjan",
        "status": "active",
        "source": "synthetic",
        "radius_m": 12000,
    }
    point = {"type": "Point", "coordinates": [-4.02, 5.35]}
    feature = {"type": "Feature", "properties": properties, "geometry": point}
    file = place.home / "new.geojson"
    file.write_text(json.dumps(feature))
    answer = place.run("cities", "add", str(file), "--json")
    assert answer.document == {"added": "cote_d_ivoire/abidjan"}
    again = place.run("cities", "add", str(file), "--json")
    assert again.code == 2
    assert "exists" in again.document["error"]["message"]


def _feature(city: str, country: str, position: list[float]) -> dict[str, Any]:
    properties = {
        "country": country,
        "state_province": "",
        "city": city,
        "iso_country_code": "KE",
        "time_zone": "Africa/Nairobi",
        "status": "active",
        "source": "synthetic",
        "radius_m": 2000,
    }
    point = {"type": "Point", "coordinates": position}
    return {"type": "Feature", "properties": properties, "geometry": point}


@pytest.mark.parametrize(
    ("position", "words"),
    [
        ([60.0, -4.05], "geometry is in the ocean, not in Kenya"),
        ([-123.1, 49.25], "geometry is in Canada, not in Kenya"),
    ],
)
def test_city_elsewhere_is_kept_and_told(
    place: Workplace, position: list[float], words: str
) -> None:
    """A city in the sea or in another country is added, and it says where it is."""
    file = place.home / "new.geojson"
    file.write_text(json.dumps(_feature("Mombasa", "Kenya", position)))
    answer = place.run("cities", "add", str(file), "--json")
    assert answer.code == 0
    assert words in answer.stderr


def test_swapped_city_is_refused(place: Workplace) -> None:
    """What is in its country only the other way round is not added."""
    file = place.home / "new.geojson"
    file.write_text(json.dumps(_feature("Mombasa", "Kenya", [-4.05, 39.66])))
    answer = place.run("cities", "add", str(file), "--json")
    assert answer.code == 2
    message = answer.document["error"]["message"]
    assert "is in Spain, not in Kenya" in message
    assert "look swapped" in message


def test_country_is_written_as_in_the_registry(place: Workplace) -> None:
    """A second spelling of a country makes no second country."""
    file = place.home / "new.geojson"
    file.write_text(
        json.dumps(_feature("Mombasa", "Republic of Kenya", [39.66, -4.05]))
    )
    answer = place.run("cities", "add", str(file), "--json")
    assert answer.document == {"added": "kenya/mombasa"}


def test_retired_city_is_not_asked_for_and_stays_listed(place: Workplace) -> None:
    """Retiring ends requests; the file stays."""
    assert place.run("cities", "retire", CITIES[0], "--json").code == 0
    options = ("--feed", "pings_full", "--from", "2025-01-01", "--to", "2025-01-01")
    plan = place.run("plan", *options, "--json").document
    assert [job["cities"] for job in plan["jobs"]] == [[CITIES[1]]]
    chosen = place.run("plan", *options, "--city", CITIES[0], "--json")
    assert (chosen.code, "retired" in chosen.stdout) == (2, True)
    states = {
        city["key"]: city["status"]
        for city in place.run("cities", "list", "--json").document["cities"]
    }
    assert states == {CITIES[0]: "retired", CITIES[1]: "active"}
    unknown = place.run("cities", "retire", "atlantis", "--json")
    assert (unknown.code, "atlantis" in unknown.stdout) == (2, True)


def test_export_holds_every_city(place: Workplace) -> None:
    """GeoJSON and CSV name the same cities."""
    collection = json.loads(place.run("cities", "export").stdout)
    keys = [feature["properties"]["key"] for feature in collection["features"]]
    rows = list(
        csv.DictReader(
            io.StringIO(place.run("cities", "export", "--format", "csv").stdout)
        )
    )
    assert keys == [row["key"] for row in rows] == sorted(CITIES)
