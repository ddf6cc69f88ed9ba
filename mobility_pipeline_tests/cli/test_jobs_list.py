"""`mobility jobs list`: 90 days of vendor jobs from the ledger, newest first."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import read_settings
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.records import JobState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.conftest import CITIES, Workplace

DAY = date(2025, 1, 1)
NOW = datetime.now(UTC)


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user who has four jobs: of 100, 80, 2 and 0 days ago."""
    workplace = make_workplace({})
    with closing(
        open_ledger(read_settings(workplace.environment).ledger_url)
    ) as ledger:
        for number, (days, feed, state) in enumerate(
            [
                (100, "pings_full", JobState.SUCCESS),
                (80, "pings_full", JobState.FAILED),
                (2, "pings_trips", JobState.SUCCESS),
            ]
        ):
            at = NOW - timedelta(days=days, minutes=30)
            ref = _add(ledger, workplace, feed, DAY + timedelta(days=number), at)
            ledger.mark_submitted(ref, f"job-{days}", at)
            ledger.mark_status(ref, state, at + timedelta(minutes=90, seconds=5))
        _add(ledger, workplace, "pings_full", DAY + timedelta(days=9), NOW)
    return workplace


def _add(
    ledger: Ledger, place: Workplace, feed: str, day: date, planned_at: datetime
) -> int:
    cities = open_registry(read_settings(place.environment)).load().active
    request = JobRequest(FEEDS[feed], day, day, tuple(cities.values()))
    wanted = {CityDay(city, day) for city in cities}
    return ledger.add_planned(request, wanted, planned_at).ref


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ((), [None, "job-2", "job-80"]),
        (("--days", "365"), [None, "job-2", "job-80", "job-100"]),
        (("--days", "3"), [None, "job-2"]),
        (("--state", "success"), ["job-2"]),
        (("--state", "FAILED", "--days", "79"), []),
        (("--feed", "pings_full"), [None, "job-80"]),
        (("--feed", "pings_trips", "--state", "SUCCESS"), ["job-2"]),
    ],
)
def test_jobs_are_listed_newest_first_by_choice(
    place: Workplace, options: tuple[str, ...], found: list[str | None]
) -> None:
    """90 days without a choice; age, state and feed each narrow it down."""
    answer = place.run("jobs", "list", "--json", *options)
    assert answer.code == 0, answer.stderr
    assert [job["job_id"] for job in answer.document["jobs"]] == found


def test_job_says_its_size_its_age_and_how_long_the_vendor_took(
    place: Workplace,
) -> None:
    """One of 2 days and 30 minutes ago took 90 minutes; one not sent waits for nothing."""
    unsent, sent, _ = place.run("jobs", "list", "--json").document["jobs"]
    day = (DAY + timedelta(days=2)).isoformat()
    age = int((datetime.now(UTC) - NOW).total_seconds()) + (2 * 24 * 60 + 30) * 60
    assert age - 60 <= sent.pop("age_s") <= age
    assert sent == {
        "job_id": "job-2",
        "feed": "pings_trips",
        "cities": len(CITIES),
        "from": day,
        "to": day,
        "state": "SUCCESS",
        "planned_at": (NOW - timedelta(days=2, minutes=30)).isoformat(),
        "wait_s": 90 * 60 + 5,
    }
    assert (unsent["state"], unsent["wait_s"]) == ("PLANNED", None)
    table = place.run("jobs", "list").stdout
    assert "3 vendor jobs in 90 days" in table
    assert "2 d 0 h" in table
    assert "1 h 30 min" in table


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--days", "0"), "--days"),
        (("--days", "-3"), "--days"),
        (("--days", "many"), "--days"),
        (("--days", "99999999999"), "--days"),
        (("--state", "LOST"), "--state"),
        (("--feed", "nothing"), "unknown feed"),
    ],
)
def test_impossible_choice_is_one_line(
    make_workplace: Callable[[dict[str, str]], Workplace],
    options: tuple[str, ...],
    says: str,
) -> None:
    """Exit code 2 and what is wrong."""
    answer = make_workplace({}).run("jobs", "list", "--json", *options)
    assert (answer.code, "Traceback" in answer.stderr) == (2, False)
    assert says in answer.document["error"]["message"]
