"""Tests of `vendor.recovery`: each rule by hand, and the fewest jobs for known holes."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.planner import Limits, PlannedJob, plan_jobs, surplus
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState
from mobility_pipeline.vendor.recovery import Recovery, choose_city_days, keep_largest
from mobility_pipeline_tests.vendor.world import FIRST, days_of

NOW = datetime(2025, 3, 20, 12, 0, tzinfo=UTC)
(DAY,) = days_of("c0", 0)
State = CityDayState


def record(
    state: CityDayState,
    attempts: int = 1,
    age: timedelta = timedelta(0),
    *,
    before: CityDayState | None = None,
) -> CityDayRecord:
    """Return what the ledger says of DAY, recorded `age` ago."""
    return CityDayRecord(
        state=state,
        reason="because",
        job_ref=7,
        updated_at=NOW - age,
        attempts=attempts,
        previous_state=before,
    )


def choose(known: CityDayRecord | None, live_refs: tuple[int, ...] = ()) -> Recovery:
    """Choose for DAY alone."""
    records = {} if known is None else {DAY: known}
    return choose_city_days([DAY], records, live_refs, NOW)


@pytest.mark.parametrize("state", [None, State.NOT_REQUESTED, State.DEFERRED_QUOTA])
def test_what_was_never_bought_is_asked_for_at_once(state: CityDayState | None) -> None:
    """Not requested and deferred need no waiting."""
    recovery = choose(record(state, 0) if state else None)
    assert (recovery.to_ask, recovery.left_alone) == ({DAY}, {})


@pytest.mark.parametrize(
    ("attempts", "days"), [(1, 1), (2, 3), (3, 7), (4, 14)], ids=str
)
def test_day_not_delivered_is_asked_again_when_its_wait_is_over(
    attempts: int, days: int
) -> None:
    """After 1, 3, 7 and 14 days, to the second."""
    wait = timedelta(days=days)
    assert choose(record(State.NOT_DELIVERED, attempts, wait)).to_ask == {DAY}
    early = choose(record(State.NOT_DELIVERED, attempts, wait - timedelta(seconds=1)))
    assert early.to_ask == set()
    until = f"asked for again from {NOW + timedelta(seconds=1):%F %R} UTC"
    assert early.waiting == {DAY: (State.NOT_DELIVERED, until)}
    ((state, detail),) = early.left_alone.values()
    assert (state, detail) == (
        State.NOT_DELIVERED,
        "asked for again from 2025-03-20 12:00 UTC",
    )


def test_day_not_delivered_five_times_is_given_up() -> None:
    """The first attempt and four more: nothing is asked any more, however long ago."""
    known = record(State.NOT_DELIVERED, 5, timedelta(days=400))
    recovery = choose(known)
    assert (recovery.to_ask, recovery.waiting) == (set(), {})
    ((state, detail),) = recovery.given_up.values()
    assert state is State.NOT_DELIVERED
    assert "given up after 5 attempts (because)" in detail


@pytest.mark.parametrize("state", [State.JOB_FAILED, State.REJECTED])
def test_failed_and_rejected_are_asked_once_more(state: CityDayState) -> None:
    """At once after the first attempt; after the second it is a person's turn."""
    assert choose(record(state, 1)).to_ask == {DAY}
    again = choose(record(state, 2))
    assert (again.to_ask, again.given_up.keys()) == (set(), {DAY})


def test_what_is_requested_and_open_is_not_asked_for() -> None:
    """It is on its way; nobody buys it twice."""
    recovery = choose(record(State.REQUESTED), live_refs=(7,))
    assert recovery.to_ask == set()
    assert recovery.on_their_way.keys() == {DAY}


@pytest.mark.parametrize(
    ("before", "is_asked"), [(None, True), (State.ERASED, False)], ids=str
)
def test_what_waits_for_a_dead_job_stands_as_before(
    before: CityDayState | None, is_asked: bool
) -> None:
    """A job that can deliver nothing does not keep a day from being asked for."""
    recovery = choose(record(State.REQUESTED, before=before), live_refs=(8,))
    assert (DAY in recovery.to_ask) is is_asked
    assert (DAY in recovery.erased) is not is_asked


@pytest.mark.parametrize("state", [State.DELIVERED, State.EMPTY])
def test_what_the_lake_holds_is_in_no_place(state: CityDayState) -> None:
    """Neither a delivered day, nor one whose newer delivery is awaited or was lost."""
    for known in (record(state), record(State.REQUESTED, before=state)):
        for live in ((), (7,)):
            assert choose(known, live) == Recovery()


def test_erased_is_never_asked_for() -> None:
    """It is named, and left alone."""
    recovery = choose(record(State.ERASED))
    assert (recovery.to_ask, recovery.erased) == (
        set(),
        {DAY: (State.ERASED, "because")},
    )


def lost_windows(cities: int) -> set[CityDay]:
    """Return three windows of 31 days, 100 days apart, for each city."""
    offsets = [start + day for start in (0, 100, 200) for day in range(31)]
    return {day for city in range(cities) for day in days_of(f"c{city}", *offsets)}


def test_three_lost_windows_of_39_cities_are_three_jobs() -> None:
    """3 jobs by hand, 3 × 39 × 31 = 3,627 city-days, none of them surplus.

    31 days fit one job, and so do 39 cities (≤ 200); no job reaches two windows, as they
    lie further apart than 31 days.
    """
    lost = lost_windows(39)
    assert len(lost) == 3627
    recovery = choose_city_days(lost, {}, (), NOW)
    planned = plan_jobs(recovery.to_ask, Limits())
    assert len(planned) == 3
    assert {len(job.cities) for job in planned} == {39}
    assert surplus(planned, lost) == 0


def test_single_days_within_a_window_share_its_job() -> None:
    """A window of c0 and one day each of c1 and c2 within it are one job.

    By hand: 3 cities × 31 days = 93 city-days, of which 31 + 2 are wanted: 60 surplus.
    """
    lost = days_of("c0", *range(31)) | days_of("c1", 4) | days_of("c2", 30)
    (job,) = plan_jobs(choose_city_days(lost, {}, (), NOW).to_ask, Limits())
    assert (job.city_days, surplus([job], lost)) == (93, 60)


def job_of(start: int, end: int, *cities: str) -> PlannedJob:
    """Return a planned job; days are counted from FIRST."""

    def day(offset: int) -> date:
        return FIRST + timedelta(days=offset)

    return PlannedJob(tuple(f"country/{city}" for city in cities), day(start), day(end))


def test_jobs_that_cover_most_are_kept() -> None:
    """Of jobs that cover 1, 4 and 2 wanted city-days two are kept: 4 and 2; one is left."""
    jobs = [job_of(0, 9, "c0"), job_of(40, 43, "c0"), job_of(80, 89, "c0", "c1")]
    one, four = days_of("c0", 5), days_of("c0", 40, 41, 42, 43)
    two = days_of("c0", 80) | days_of("c1", 89)
    kept, left = keep_largest(jobs, one | four | two, 2)
    assert (kept, left) == (jobs[1:], one)


@pytest.mark.parametrize("max_jobs", [None, 1, 2])
def test_enough_jobs_leave_nothing(max_jobs: int | None) -> None:
    """Without a limit, or with one that suffices, all are kept."""
    jobs = [job_of(0, 0, "c0")]
    assert keep_largest(jobs, days_of("c0", 0), max_jobs) == (jobs, frozenset())
