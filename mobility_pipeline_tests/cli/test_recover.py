"""`mobility recover` and `jobs quota`, over real HTTP."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import read_settings
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline.vendor.records import CityDayState, JobState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.cli.grid import add_cities
from mobility_pipeline_tests.conftest import CITIES, Answer, Workplace


def _recover(
    workplace: Workplace, start: date, end: date, *more: str, **variables: str
) -> Answer:
    span = ("--from", start.isoformat(), "--to", end.isoformat())
    return workplace.run("recover", *span, "--json", *more, **variables)


def _missing(answer: Answer) -> dict[str, list[str]]:
    """Return reason -> dates, of every city."""
    reasons: dict[str, list[str]] = {}
    for missing in answer.document["missing"]:
        reasons.setdefault(missing["reason"], []).append(missing["date"])
    return reasons


def test_missing_days_of_all_cities_are_one_job(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """One city lacks a day another has: one job, and afterwards nothing is missing."""
    first = newest - timedelta(days=2)
    workplace.request(first, first, "--city", CITIES[0])
    answer = _recover(workplace, first, newest)
    assert answer.code == 0, answer.stderr
    (job,) = answer.document["jobs"]
    assert job | {"job_id": ""} == {
        "job_id": "",
        "feed": "pings_full",
        "cities": 2,
        "from": first.isoformat(),
        "to": newest.isoformat(),
        "state": "SUCCESS",
    }
    assert answer.document.keys() == {"jobs", "landed", "skipped", "missing"}
    assert (answer.document["landed"], answer.document["skipped"]) == (5, 1)
    assert answer.document["missing"] == []
    again = _recover(workplace, first, newest)
    assert (again.code, again.document["jobs"], again.document["skipped"]) == (0, [], 6)
    assert len(sandbox.jobs()) == 2


def test_day_not_delivered_is_missing_and_not_asked_for_before_its_time(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Exit 1 and one line that says when; the run itself has not failed."""
    sandbox.set_vendor_faults(undelivered_dates=[newest.isoformat()])
    assert _recover(workplace, newest, newest).code == 1
    answer = _recover(workplace, newest, newest)
    assert (answer.code, answer.document["jobs"]) == (1, [])
    assert _missing(answer) == {"not_delivered": [newest.isoformat()] * 2}
    assert "2 city-days not_delivered: asked for again from" in answer.stderr
    assert "city-days are missing" not in answer.stderr
    assert len(sandbox.jobs()) == 1
    sandbox.set_vendor_faults(undelivered_dates=[])
    assert workplace.request(newest, newest).document["landed"] == 2


@pytest.mark.parametrize(
    ("faults", "reason"),
    [({"fail_jobs": 9}, "job_failed"), ({"corrupt_dates": None}, "rejected")],
)
def test_failed_and_rejected_days_are_asked_once_more_then_given_up(
    sandbox: Sandbox, workplace: Workplace, newest: date, faults: Any, reason: str
) -> None:
    """Three recoveries buy two jobs; the third says that a person has to look."""
    filled = {
        name: [newest.isoformat()] if value is None else value
        for name, value in faults.items()
    }
    sandbox.set_vendor_faults(**filled)
    answers = [_recover(workplace, newest, newest) for _ in range(3)]
    assert [answer.code for answer in answers] == [1, 1, 1]
    assert len(sandbox.jobs()) == 2
    assert _missing(answers[2]) == {reason: [newest.isoformat()] * 2}
    assert "given up after 2 attempts" in answers[2].stderr


def test_day_deferred_by_the_quota_is_asked_for_when_there_is_some(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Nothing to wait for: the next recovery with a quota buys it."""
    answer = _recover(workplace, newest, newest, VERASET_MONTHLY_JOBS="0")
    assert (answer.code, set(_missing(answer))) == (1, {"deferred_quota"})
    again = _recover(workplace, newest, newest, VERASET_MONTHLY_JOBS="1")
    assert (again.code, again.document["landed"]) == (0, 2)
    assert "1 of 1 vendor jobs" in again.stderr
    assert len(sandbox.jobs()) == 1


def test_job_left_open_is_landed_and_not_bought_again(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """What a request did not wait for to the end, a recovery does."""
    sandbox.set_vendor_faults(hold_seconds=4)
    workplace.request(newest, newest, VERASET_POLL_TIMEOUT_MINUTES="0.005")
    answer = _recover(workplace, newest, newest)
    assert (answer.code, answer.document["landed"]) == (0, 2)
    assert len(sandbox.jobs()) == 1


def test_max_jobs_leaves_the_smaller_window_and_says_so(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """Of a day of one city and two days of two, the second is bought; exit 1."""
    day, between, first = (newest - timedelta(days=days) for days in (3, 2, 1))
    short = {"VERASET_MAX_DAYS": "2"}
    workplace.request(day, day, "--city", CITIES[0])
    workplace.request(between, between)
    limit = ("--max-jobs", "1")
    dry = _recover(workplace, day, newest, "--dry-run", *limit, **short).document
    assert dry == {
        "jobs": [
            {
                "feed": "pings_full",
                "cities": sorted(CITIES),
                "from": first.isoformat(),
                "to": newest.isoformat(),
            }
        ],
        "wanted_city_days": 4,
        "surplus_city_days": 0,
        "quota_left": None,
    }
    assert len(sandbox.jobs()) == 2
    answer = _recover(workplace, day, newest, *limit, **short)
    assert (answer.code, answer.document["landed"]) == (1, 4)
    assert answer.document["missing"] == [
        {"city": CITIES[1], "date": day.isoformat(), "reason": "not_requested"}
    ]
    assert "left over" in answer.stderr
    assert len(sandbox.jobs()) == 3


def test_three_lost_windows_of_39_cities_are_three_jobs(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """3 jobs by hand, 3 × 31 × 39 = 3,627 city-days, no surplus.

    39 cities fit one job, each window of 31 days fits one, and the 50 days between two
    are in the lake.
    """
    place = make_workplace({})
    for key in CITIES:
        (place.cities / f"{key}.geojson").unlink()
    add_cities(place, 39)
    start = date(2025, 1, 1)
    lost = [start + timedelta(days=day) for day in range(193) if day % 81 < 31]
    assert len(lost) == 3 * 31
    known = {start + timedelta(days=day) for day in range(193)} - set(lost)
    _record_delivered(place, known)
    end = start + timedelta(days=192)
    answer = _recover(place, start, end, "--dry-run", VERASET_MONTHLY_JOBS="4")
    assert answer.code == 0, answer.stderr
    spans = [(job["from"], job["to"]) for job in answer.document["jobs"]]
    assert spans == [
        ("2025-01-01", "2025-01-31"),
        ("2025-03-23", "2025-04-22"),
        ("2025-06-12", "2025-07-12"),
    ]
    assert {len(job["cities"]) for job in answer.document["jobs"]} == {39}
    assert answer.document["wanted_city_days"] == 3627
    assert answer.document["surplus_city_days"] == 0
    assert answer.document["quota_left"] == 3


def _record_delivered(place: Workplace, days: set[date]) -> None:
    """Record days of every city as delivered by one job of this month."""
    settings = read_settings(place.environment)
    now = datetime.now(UTC)
    cities = tuple(open_registry(settings).load().active.values())
    wanted = {CityDay(city.key, day) for city in cities for day in days}
    request = JobRequest(FEEDS["pings_full"], min(days), max(days), cities)
    with closing(open_ledger(settings.ledger_url)) as ledger:
        job = ledger.add_planned(request, wanted, now)
        ledger.mark_submitted(job.ref, "job-1", now)
        ledger.mark_status(job.ref, JobState.SUCCESS, now)
        delivered = (CityDayState.DELIVERED, "")
        ledger.settle(job.ref, dict.fromkeys(wanted, delivered), now)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--from", "2025-02-01", "--to", "2025-01-01"), "reversed"),
        (("--from", "2025-02-30", "--to", "2025-03-01"), "not a day"),
        (("--from", "2025-01-01", "--to", "2025-01-02", "--feed", "nothing"), "unknown feed"),
        (("--from", "2025-01-01", "--to", "2025-01-02", "--max-jobs", "0"), "--max-jobs"),
        (("--from", "2025-01-01", "--to", "2025-01-02", "--max-jobs", "two"), "--max-jobs"),
        (("--from", "2025-01-01"), "--to"),
        (("--from", "2025-01-01", "--to", "2025-01-02"), "VERASET_API_KEY"),
    ],
)  # fmt: skip
def test_impossible_recovery_is_refused_before_anything_is_sent(
    make_workplace: Callable[[dict[str, str]], Workplace],
    options: tuple[str, ...],
    says: str,
) -> None:
    """Exit code 2, one line that says what to do, one JSON document, no traceback."""
    answer = make_workplace({}).run("recover", *options, "--json")
    assert answer.code == 2
    assert says in answer.document["error"]["message"]
    assert "Traceback" not in answer.stderr


def test_quota_shows_jobs_and_area_days_of_the_month(
    sandbox: Sandbox, workplace: Workplace, newest: date
) -> None:
    """2 cities × 3 days by one job of five are 3 area-days each; 80 % is not reached."""
    limit = {"VERASET_MONTHLY_JOBS": "5"}
    workplace.request(newest - timedelta(days=2), newest, **limit)
    answer = workplace.run("jobs", "quota", "--json", **limit)
    assert answer.code == 0
    assert answer.document == {
        "month": f"{datetime.now(UTC):%Y-%m}",
        "jobs_used": 1,
        "jobs_allowed": 5,
        "jobs_left": 4,
        "area_days": [
            {"feed": "pings_full", "city": city, "area_days": 3}
            for city in sorted(CITIES)
        ],
        "warning": None,
    }
    human = workplace.run("jobs", "quota", VERASET_MONTHLY_JOBS="1")
    assert "1 vendor job used, 0 left" in human.stdout
    assert "1 of 1 vendor jobs" in human.stderr
