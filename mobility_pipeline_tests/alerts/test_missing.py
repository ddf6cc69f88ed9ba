"""Which problems missing city-days make: each reason, by hand."""

from datetime import date, datetime, timedelta

import pytest

from mobility_pipeline.alerts.missing import find_missing_problems
from mobility_pipeline.alerts.outlook import Outlook
from mobility_pipeline.alerts.problems import Problem, ask_command
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import (
    CityDayRecord,
    CityDayState,
    JobState,
    Missing,
    VendorJob,
)
from mobility_pipeline_tests.alerts.made import ALL_OFF, ALL_ON, NEWEST, NOW, make_days

REQUESTED_UNTIL = NEWEST - timedelta(days=2)


def _job(ref: int, state: JobState) -> VendorJob:
    return VendorJob(
        ref=ref,
        feed="pings_full",
        endpoint="movement/job/pings",
        start=NEWEST,
        end=NEWEST,
        areas=(),
        request_sha256="",
        body={},
        job_id=f"job-{ref}",
        state=state,
        bucket=None,
        folder_path=None,
        error=None,
        planned_at=NOW,
        submitting_at=NOW,
        submitted_at=NOW,
        finished_at=None,
    )


JOBS = {1: _job(1, JobState.RUNNING), 2: _job(2, JobState.FAILED)}


def _record(
    day: CityDay,
    state: CityDayState,
    *,
    ref: int | None = None,
    attempts: int = 1,
    at: datetime = NOW,
    reason: str = "",
    before: CityDayState | None = None,
) -> tuple[CityDay, CityDayRecord]:
    return day, CityDayRecord(state, reason, ref, at, attempts, before)


def _find(
    days: list[CityDay],
    *records: tuple[CityDay, CityDayRecord],
    outlook: Outlook = ALL_ON,
) -> tuple[list[Problem], frozenset[CityDay]]:
    known = dict(records)
    return find_missing_problems(
        "pings_full",
        [Missing(day, [city], known.get(CityDay(city, day))) for city, day in days],
        JOBS,
        outlook,
        requested_until=REQUESTED_UNTIL,
        now=NOW,
    )


def test_a_failed_job_is_one_problem_for_all_its_cities() -> None:
    """51 cities × 2 days of one job are one problem with 102 city-days."""
    days = [day for n in range(51) for day in make_days(f"c/{n:02}", 3, 4)]
    said = "FAILED: out of credit"
    failed = [_record(day, CityDayState.JOB_FAILED, ref=2, reason=said) for day in days]
    (problem,), _ = _find(days, *failed)
    assert problem.key == ("pings_full", "days", "vendor job job-2", "job_failed")
    assert (problem.city_days, len(problem.days)) == (102, 51)
    assert problem.what == "failed at the vendor: FAILED: out of credit"
    assert "`mobility jobs show job-2`" in problem.by_person


def test_days_of_one_city_are_ranges() -> None:
    """Days without a job to blame are one problem of their city, by reason."""
    days = [*make_days("c/a", 10, 11, 12, 20), *make_days("c/b", 10)]
    problems, _ = _find(days)
    assert [(found.subject, found.reason) for found in problems] == [
        ("c/a", "not_requested"),
        ("c/b", "not_requested"),
    ]
    assert problems[0].days == {
        "c/a": (
            (date(2025, 2, 21), date(2025, 2, 21)),
            (date(2025, 3, 1), date(2025, 3, 3)),
        )
    }


def test_what_was_never_bought_is_asked_for_by_recovery_for_all_cities_at_once() -> (
    None
):
    """City by city it would be as many vendor jobs; what failed is asked for by name."""
    days = {"c/a": ((date(2025, 2, 21), date(2025, 3, 3)),)}
    span = "--from 2025-02-21 --to 2025-03-03"
    for reason in ("not_requested", "deferred_quota"):
        command = ask_command("pings_full", reason, days)
        assert command == f"mobility recover --feed pings_full {span}"
    command = ask_command("pings_full", "rejected", days)
    assert command == f"mobility request --feed pings_full --city c/a {span}"


def test_days_that_the_daily_load_is_about_to_ask_for_are_no_problem() -> None:
    """Nobody asked for the newest day and two before it: one of three is overdue."""
    (problem,), _ = _find(make_days("c/a", 0, 1, 2))
    assert problem.days == {"c/a": ((date(2025, 3, 11), date(2025, 3, 11)),)}


@pytest.mark.parametrize(
    ("state", "ref", "before", "is_on_its_way"),
    [
        (CityDayState.REQUESTED, 1, None, True),
        (CityDayState.REQUESTED, 1, CityDayState.JOB_FAILED, True),
        (CityDayState.ERASED, None, None, False),
    ],
)
def test_what_is_open_or_erased_is_no_problem(
    state: CityDayState,
    ref: int | None,
    before: CityDayState | None,
    is_on_its_way: bool,
) -> None:
    """A requested day is on its way while its job may deliver; an erased one is not."""
    (day,) = make_days("c/a", 5)
    problems, on_their_way = _find([day], _record(day, state, ref=ref, before=before))
    assert problems == []
    assert on_their_way == (frozenset({day}) if is_on_its_way else frozenset())


def test_a_requested_day_whose_job_is_gone_stands_as_before() -> None:
    """Its job failed without it: what was not delivered still is not."""
    (day,) = make_days("c/a", 5)
    before = CityDayState.NOT_DELIVERED
    gone = _record(day, CityDayState.REQUESTED, ref=2, before=before)
    (problem,), _ = _find([day], gone)
    assert (problem.subject, problem.reason) == ("c/a", "not_delivered")


@pytest.mark.parametrize(
    ("offset", "state", "attempts", "outlook", "by_itself", "by_person"),
    [
        (
            5,
            CityDayState.NOT_DELIVERED,
            5,
            ALL_ON,
            "The daily load asks for them at 2025-03-21 02:00 UTC.",
            "Ask the vendor",
        ),
        (
            40,
            CityDayState.NOT_DELIVERED,
            2,  # asked again after 3 days, at recovery's next start after that
            ALL_ON,
            "Recovery asks for them again from 2025-03-23 10:00 UTC on.",
            "Nothing yet.",
        ),
        (
            40,
            CityDayState.NOT_DELIVERED,
            5,
            ALL_ON,
            "Nothing asks for them any more: given up.",
            "Ask the vendor",
        ),
        (
            40,
            CityDayState.NOT_DELIVERED,
            2,
            ALL_OFF,
            "Nothing asks for them: recover_missing_days_schedule is off.",
            "Switch recover_missing_days_schedule on",
        ),
        (
            40,
            CityDayState.REJECTED,
            1,
            ALL_ON,
            "Recovery asks for them at 2025-03-21 06:00 UTC.",
            "Tell the vendor",
        ),
        (
            40,
            CityDayState.JOB_FAILED,
            2,
            ALL_ON,
            "Nothing asks for them any more: given up.",
            "Look at `mobility jobs list`",
        ),
        (
            5,
            CityDayState.DEFERRED_QUOTA,
            0,
            ALL_ON,
            "The daily load asks for them at 2025-03-21 02:00 UTC.",
            "Where VERASET_MONTHLY_JOBS is the limit, raise it",
        ),
    ],
)
def test_each_reason_says_what_will_happen_and_what_to_do(
    offset: int,
    state: CityDayState,
    attempts: int,
    outlook: Outlook,
    by_itself: str,
    by_person: str,
) -> None:
    """By the age of the day, the attempts so far and the schedules that are on."""
    (day,) = make_days("c/a", offset)
    (problem,), _ = _find(
        [day], _record(day, state, attempts=attempts), outlook=outlook
    )
    assert problem.reason == state.value
    assert problem.by_itself == by_itself
    if (offset, attempts) != (5, 5):  # the daily load asks, whoever gave up
        assert problem.by_person.startswith(by_person)


def test_a_problem_began_when_the_ledger_learned_of_it() -> None:
    """The earliest of its days counts."""
    days = make_days("c/a", 5, 6)
    earlier = NOW - timedelta(days=3)
    state = CityDayState.NOT_DELIVERED
    (problem,), _ = _find(
        days, _record(days[0], state), _record(days[1], state, at=earlier)
    )
    assert problem.since == earlier


def test_shares_of_one_problem_are_counted() -> None:
    """Of 4 days 1 is in the daily load's reach, 1 waits and 2 are given up."""
    days = make_days("c/a", 5, 40, 41, 42)
    attempts = dict(zip(days, (1, 4, 5, 6), strict=True))
    records = [
        _record(day, CityDayState.NOT_DELIVERED, attempts=count)
        for day, count in attempts.items()
    ]
    (problem,), _ = _find(days, *records)
    assert problem.by_itself == (
        "The daily load asks for 1 of them at 2025-03-21 02:00 UTC. "
        "Recovery asks for 1 of them again from 2025-04-03 10:00 UTC on. "
        "Nothing asks for 2 of them any more: given up."
    )
