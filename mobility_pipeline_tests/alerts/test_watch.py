"""What is found wrong in a real ledger."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mobility_pipeline.alerts.episodes import follow
from mobility_pipeline.alerts.message import write_notification
from mobility_pipeline.alerts.outlook import Outlook
from mobility_pipeline.alerts.problems import Assessment
from mobility_pipeline.alerts.watch import Watch, assess
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.registry import Cities, RefusedCity
from mobility_pipeline.errors import StorageError
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.records import CityDayState, JobState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.world import FIRST, FULL, days_of, make_cities

CITIES = make_cities(3)
NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
NEWEST = FIRST + timedelta(days=3)
OFF = Outlook(None, NOW + timedelta(hours=14), None)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


def _cities(cities: dict[str, City], *refused: RefusedCity) -> Cities:
    return Cities(by_key=cities, refused=refused)


def _assess(ledger: Ledger, *refused: RefusedCity, found: bool = True) -> Assessment:
    watch = Watch(("pings_full",), FIRST, NEWEST, OFF)
    known = _cities(CITIES if found else {}, *refused)
    return assess(watch, ledger, lambda: known, (), NOW)


def _buy(ledger: Ledger, *offsets: int) -> int:
    wanted = {day for city in ("c0", "c1", "c2") for day in days_of(city, *offsets)}
    request = JobRequest(FULL, FIRST, NEWEST, tuple(CITIES.values()))
    ref = ledger.add_planned(request, wanted, NOW).ref
    ledger.mark_submitting(ref, NOW)
    ledger.mark_submitted(ref, f"job-{ref}", NOW)
    return ref


def test_a_failed_job_a_lost_day_and_what_is_on_its_way(ledger: Ledger) -> None:
    """Day 0 failed by its job, day 1 is overdue by city, days 2 and 3 are requested."""
    failed, opened = _buy(ledger, 0), _buy(ledger, 2, 3)
    reason = "FAILED: out of credit"
    ledger.close_job(failed, JobState.FAILED, CityDayState.JOB_FAILED, reason, NOW)
    assessment = _assess(ledger)
    assert [(p.subject, p.reason, p.city_days) for p in assessment.problems] == [
        ("country/c0", "not_requested", 1),
        ("country/c1", "not_requested", 1),
        ("country/c2", "not_requested", 1),
        (f"vendor job job-{failed}", "job_failed", 3),
    ]
    assert assessment.on_their_way == {"pings_full": ledger.pending(opened)}


def test_what_was_delivered_or_is_empty_is_no_problem(ledger: Ledger) -> None:
    """Nor is a refresh that failed: the older delivery is there."""
    ref = _buy(ledger, 0, 1, 2, 3)
    states = {
        day: (
            CityDayState.EMPTY if day.city == "country/c0" else CityDayState.DELIVERED
        )
        for day in ledger.pending(ref)
    }
    ledger.settle(ref, {day: (state, "") for day, state in states.items()}, NOW)
    assert _assess(ledger).problems == ()
    again = _buy(ledger, 0)
    ledger.close_job(again, JobState.FAILED, CityDayState.JOB_FAILED, "", NOW)
    assert _assess(ledger).problems == ()


def test_a_failed_job_is_opened_and_closed_once_whatever_happens_between(
    ledger: Ledger,
) -> None:
    """Failed, asked for again, delivered: one opened, one closed."""
    told: list[str] = []
    delivered = _buy(ledger, 1, 2, 3)
    result = (CityDayState.DELIVERED, "")
    ledger.settle(delivered, dict.fromkeys(ledger.pending(delivered), result), NOW)
    failed = _buy(ledger, 0)
    alerts = []
    for step in range(4):
        if step == 1:
            ledger.close_job(failed, JobState.FAILED, CityDayState.JOB_FAILED, "", NOW)
        elif step == 2:
            again = _buy(ledger, 0)
        elif step == 3:
            ledger.settle(again, dict.fromkeys(ledger.pending(again), result), NOW)
        changes = follow(alerts, _assess(ledger), NOW)
        told += [f"opened {alert.problem.subject}" for alert in changes.opened]
        told += [f"closed {alert.problem.subject}" for alert in changes.closed]
        alerts = [*changes.open]
    assert told == [
        f"opened vendor job job-{failed}",
        f"closed vendor job job-{failed}",
    ]


def test_a_registry_that_cannot_be_read_is_the_problem(ledger: Ledger) -> None:
    """What is missing is not known then: nothing is over, and that is said."""

    def fail() -> Cities:
        raise StorageError("S3 was not reached")

    watch = Watch(("pings_full",), FIRST, NEWEST, OFF)
    open_alerts = follow((), _assess(ledger), NOW).opened
    assessment = assess(watch, ledger, fail, (), NOW)
    changes = follow(open_alerts, assessment, NOW)
    (alert,) = changes.opened
    assert "S3 was not reached" in alert.problem.what
    assert (changes.closed, len(changes.kept)) == ((), 3)
    (empty,) = _assess(ledger, found=False).problems
    assert "no active city" in empty.what


def test_a_refused_city_is_a_problem_and_keeps_its_alerts(ledger: Ledger) -> None:
    """A typing error in its file repairs none of its days."""
    open_alerts = follow((), _assess(ledger), NOW).opened
    wrong = RefusedCity("country/c1", ("radius_m is missing",))
    known = _cities({k: c for k, c in CITIES.items() if k != "country/c1"}, wrong)
    watch = Watch(("pings_full",), FIRST, NEWEST, OFF)
    changes = follow(open_alerts, assess(watch, ledger, lambda: known, (), NOW), NOW)
    assert [alert.problem.reason for alert in changes.opened] == ["city_refused"]
    assert changes.closed == ()


_FILL = """
WITH RECURSIVE
  city(c) AS (SELECT 0 UNION ALL SELECT c + 1 FROM city WHERE c < 999),
  day(d) AS (SELECT 0 UNION ALL SELECT d + 1 FROM day WHERE d < 364)
INSERT INTO city_days (feed, city, date, state, reason, attempts, updated_at)
SELECT 'pings_full', 'country/c' || c, date('2024-05-01', '+' || d || ' days'),
  CASE WHEN (c + d) % 50 = 0 THEN 'not_delivered' ELSE 'delivered' END,
  '', 1, '2024-06-01 12:00:00.000000'
FROM city, day
"""


def test_a_thousand_cities_over_a_year_are_quick(tmp_path: Path) -> None:
    """365,000 city-days, one in 50 missing: a few seconds, the notification included."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    with open_database(url).write() as connection:
        connection.execute(sa.text(_FILL))
    one = CITIES["country/c0"]
    cities = {f"country/c{n}": replace(one, key=f"country/c{n}") for n in range(1000)}
    newest = FIRST + timedelta(days=364)
    watch = Watch(("pings_full",), FIRST, newest, OFF)
    started = time.process_time()
    known = _cities(cities)
    assessment = assess(watch, open_ledger(url), lambda: known, (), NOW)
    changes = follow((), assessment, NOW)
    write_notification(changes, "uid", NOW)
    took_s = time.process_time() - started
    assert (len(changes.opened), sum(p.city_days for p in assessment.problems)) == (
        1000,
        365_000 // 50,
    )
    assert took_s < 8
