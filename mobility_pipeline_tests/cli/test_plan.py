"""`mobility plan`: what it would take, and what it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from mobility_pipeline_tests.cli.grid import add_cities
from mobility_pipeline_tests.conftest import CITIES, Answer, Workplace


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user without vendor, key, role or bucket: planning needs none."""
    return make_workplace({})


def _plan(
    place: Workplace, start: str, end: str, *more: str, **variables: str
) -> Answer:
    options = ("--feed", "pings_full", "--from", start, "--to", end, "--json")
    return place.run("plan", *options, *more, **variables)


@pytest.mark.parametrize(
    ("cities", "days", "jobs"), [(250, 40, 4), (200, 31, 1), (201, 31, 2), (1, 32, 2)]
)
def test_jobs_are_as_few_as_the_contract_allows(
    place: Workplace, cities: int, days: int, jobs: int
) -> None:
    """ceil(cities / 200) × ceil(days / 31) jobs, without surplus."""
    for key in CITIES:
        (place.cities / f"{key}.geojson").unlink()
    add_cities(place, cities)
    start = date(2025, 1, 20)
    end = start + timedelta(days=days - 1)
    answer = _plan(place, start.isoformat(), end.isoformat())
    assert answer.code == 0, answer.stderr
    assert len(answer.document["jobs"]) == jobs
    assert answer.document["wanted_city_days"] == cities * days
    assert answer.document["surplus_city_days"] == 0
    assert answer.document["quota_left"] is None
    longest = max(
        (date.fromisoformat(job["to"]) - date.fromisoformat(job["from"])).days + 1
        for job in answer.document["jobs"]
    )
    assert longest <= 31
    assert max(len(job["cities"]) for job in answer.document["jobs"]) <= 200


def test_quota_left_is_shown(place: Workplace) -> None:
    """The plan says how many jobs the month still has."""
    answer = _plan(place, "2025-01-01", "2025-01-02", VERASET_MONTHLY_JOBS="12")
    assert answer.document["quota_left"] == 12
    assert not answer.stderr


def test_plan_that_takes_the_last_of_the_quota_is_warned_of(place: Workplace) -> None:
    """One job of one: nothing is left afterwards, and the table says what was used."""
    answer = place.run(
        *("plan", "--feed", "pings_full", "--from", "2025-01-01", "--to", "2025-01-02"),
        VERASET_MONTHLY_JOBS="1",
    )
    assert "1 of 1 vendor jobs: 0 left" in answer.stderr
    assert "0 jobs and 0 area-days used this month, quota left: 1" in answer.stdout


def test_city_is_expected_from_its_first_day(place: Workplace) -> None:
    """Days before `first_date` are not wanted."""
    path = place.cities / f"{CITIES[0]}.geojson"
    feature = json.loads(path.read_text())
    feature["properties"]["first_date"] = "2025-01-03"
    path.write_text(json.dumps(feature))
    answer = _plan(place, "2025-01-01", "2025-01-04")
    assert answer.document["wanted_city_days"] == 4 + 2


def test_invalid_city_is_named_with_every_problem_and_others_go_on(
    place: Workplace,
) -> None:
    """One bad area neither stops the others nor goes unseen."""
    path = place.cities / f"{CITIES[0]}.geojson"
    feature = json.loads(path.read_text())
    feature["geometry"] = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}
    feature["properties"]["time_zone"] = "Mars/Olympus"
    path.write_text(json.dumps(feature))
    answer = _plan(place, "2025-01-01", "2025-01-02")
    assert [job["cities"] for job in answer.document["jobs"]] == [[CITIES[1]]]
    assert CITIES[0] in answer.stderr
    assert "Mars/Olympus" in answer.stderr
    chosen = _plan(place, "2025-01-01", "2025-01-02", "--city", CITIES[0])
    assert chosen.code == 2
    assert "Mars/Olympus" in chosen.document["error"]["message"]


_TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
_YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--feed", "pings_full", "--from", "2025-02-01", "--to", "2025-01-01"), "reversed"),
        (("--feed", "pings_full", "--from", "2025-02-30", "--to", "2025-03-01"), "not a day"),
        (("--feed", "pings_full", "--from", "20250201", "--to", "2025-03-01"), "not a day"),
        (("--feed", "pings_full", "--from", "2025-01-01", "--to", _TOMORROW), "not yet"),
        (("--feed", "pings_full", "--from", "2025-01-01", "--to", _YESTERDAY), "not yet"),
        (("--feed", "pings_full", "--from", "2020-01-01", "--to", "2025-01-01"), "before"),
        (("--feed", "movement/job/trips", "--from", "2025-01-01", "--to", "2025-01-01"),
         "pings_trips"),
        (("--feed", "nothing", "--from", "2025-01-01", "--to", "2025-01-01"), "unknown feed"),
        (("--feed", "pings_full", "--from", "2025-01-01", "--to", "2025-01-01",
          "--city", "atlantis"), "atlantis"),
        (("--feed", "pings_full", "--from", "2025-01-01"), "--to"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["plan", "request"])
def test_impossible_request_is_refused_before_anything_is_sent(
    place: Workplace, verb: str, options: tuple[str, ...], says: str
) -> None:
    """Exit code 2, one line that says what to do, one JSON document, no traceback."""
    answer = place.run(verb, *options, "--json", VERASET_API_URL="http://127.0.0.1:9")
    assert answer.code == 2
    assert says in answer.document["error"]["message"]
    assert "\n" not in answer.document["error"]["message"]
    assert "Traceback" not in answer.stderr


def test_request_without_key_or_bucket_names_the_variable(place: Workplace) -> None:
    """What is missing is named before anything is sent."""
    day = date(2025, 1, 1)
    assert "VERASET_API_KEY" in place.request(day, day).document["error"]["message"]
    answer = place.request(day, day, VERASET_API_KEY="synthetic")
    assert answer.code == 2
    assert "S3_BUCKET" in answer.document["error"]["message"]


def test_registry_without_any_city_is_refused(place: Workplace) -> None:
    """A request for no area would buy the world."""
    for key in CITIES:
        (place.cities / f"{key}.geojson").unlink()
    answer = _plan(place, "2025-01-01", "2025-01-02")
    assert answer.code == 2
    assert "cities add" in answer.document["error"]["message"]
