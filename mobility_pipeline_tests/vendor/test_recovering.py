"""Tests of recovery against a vendor on a real socket, on both storages."""

import dataclasses
from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import pytest
from shapely.geometry import box

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.planner import Limits
from mobility_pipeline.vendor.preview import preview_jobs
from mobility_pipeline.vendor.records import CityDayState, JobState
from mobility_pipeline.vendor.submission import (
    Submitted,
    request_city_days,
)
from mobility_pipeline_tests.vendor.fake_vendor import FakeVendor, Fault
from mobility_pipeline_tests.vendor.world import FULL, Clock, days_of, make_cities

CITIES = make_cities(3)
ONE = days_of("c0", 0)
State = CityDayState

Recover = Callable[..., Submitted]


@pytest.fixture
def recover(ledger: Ledger, client: VerasetClient, clock: Clock) -> Recover:
    """Recover city-days with everything else set up."""

    def run(
        wanted: Collection[CityDay],
        *,
        cities: dict[str, City] = CITIES,
        max_jobs: int | None = None,
        asked_since: datetime | None = None,
        is_explicit: bool = False,
    ) -> Submitted:
        return request_city_days(
            ledger,
            client,
            FULL,
            cities,
            wanted,
            Limits(),
            None,
            now=clock.now,
            sleep=clock.sleep,
            asked_since=asked_since,
            recover=not is_explicit,
            max_jobs=max_jobs,
        )

    return run


def end(
    ledger: Ledger, asked: Submitted, clock: Clock, state: CityDayState
) -> Submitted:
    """Let every job succeed, and every city-day that waits for it end in a state."""
    for job in asked.jobs:
        ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
        pending = ledger.pending(job.ref)
        ledger.settle(job.ref, dict.fromkeys(pending, (state, "so")), clock.now())
    return asked


def test_day_the_vendor_never_delivers_is_asked_for_five_times(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """Recovered every day for 60 days: on days 0, 1, 4, 11 and 25, then given up."""
    start = clock.time
    for _ in range(60):
        before = len(vendor.submits)
        end(ledger, recover(ONE), clock, State.NOT_DELIVERED)
        if len(vendor.submits) > before:
            clock.slept_s.append((clock.time - start).days)
        clock.time += timedelta(days=1)
    assert clock.slept_s == [0, 1, 4, 11, 25]
    ((state, detail),) = recover(ONE).left_alone.values()
    assert (state, "given up after 5" in detail) == (State.NOT_DELIVERED, True)


def test_explicit_request_ignores_what_recovery_waits_for(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """A person asks at once, also for what was given up."""
    end(ledger, recover(ONE), clock, State.NOT_DELIVERED)
    assert recover(ONE).jobs == ()
    assert len(recover(ONE, is_explicit=True).jobs) == 1
    assert len(vendor.submits) == 2


def test_explicit_requests_bring_giving_up_no_nearer(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """After a week of daily loads in vain, recovery asks after 1, 3, 7 and 14 days."""
    for _ in range(7):
        end(ledger, recover(ONE, is_explicit=True), clock, State.NOT_DELIVERED)
        clock.time += timedelta(days=1)
    start, bought = clock.time, len(vendor.submits)
    for _ in range(60):
        end(ledger, recover(ONE), clock, State.NOT_DELIVERED)
        if len(vendor.submits) > bought:
            clock.slept_s.append((clock.time - start).days)
            bought = len(vendor.submits)
        clock.time += timedelta(days=1)
    assert clock.slept_s == [0, 3, 10, 24]
    assert recover(ONE).left_alone.keys() == ONE


def test_attempts_count_for_each_reason_of_its_own(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """Not delivered twice, a job that fails is asked once more, and 1 day is waited then."""
    waits = (State.NOT_DELIVERED, 1), (State.NOT_DELIVERED, 3), (State.JOB_FAILED, 0)
    for number, (state, days) in enumerate((*waits, (State.NOT_DELIVERED, 1))):
        end(ledger, recover(ONE), clock, state)
        assert len(vendor.submits) == number + 1
        if days:
            clock.time += timedelta(days=days, seconds=-1)
            assert recover(ONE).jobs == ()
            clock.time += timedelta(seconds=1)
    (record,) = ledger.records_of(FULL.name, ONE).values()
    assert (record.state, record.attempts) == (State.NOT_DELIVERED, 1)


def test_job_of_a_recovery_counts_no_attempt_for_days_that_join_it(
    ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """A person's request that waits for recovery's job is still a person's."""
    mine, theirs = days_of("c0", 0, 2), days_of("c0", 1)
    end(ledger, recover(theirs, is_explicit=True), clock, State.NOT_DELIVERED)
    recover(mine)
    recover(theirs, is_explicit=True)
    end(ledger, recover(mine | theirs), clock, State.NOT_DELIVERED)
    (record,) = ledger.records_of(FULL.name, theirs).values()
    assert record.attempts == 1


def test_day_of_a_failed_job_is_asked_once_more(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """The second failure is a person's."""
    for _ in range(3):
        for job in recover(ONE).jobs:
            ledger.close_job(
                job.ref, JobState.FAILED, State.JOB_FAILED, "FAILED", clock.now()
            )
    assert len(vendor.submits) == 2
    assert recover(ONE).left_alone.keys() == ONE


def test_request_that_the_vendor_refuses_is_not_repeated_for_ever(
    vendor: FakeVendor, recover: Recover
) -> None:
    """A refused job is no job bought, and counts as an attempt all the same."""
    vendor.submit_faults = [Fault(400, "too far back")] * 9
    for _ in range(4):
        recover(ONE)
    assert len(vendor.submit_faults) == 7
    ((state, detail),) = recover(ONE).left_alone.values()
    assert state is State.JOB_FAILED
    assert "too far back" in detail


def test_open_job_is_waited_for_and_not_bought_again(
    vendor: FakeVendor, recover: Recover
) -> None:
    """Recovering twice gives the same job."""
    assert [job.ref for job in recover(ONE).jobs] == [
        job.ref for job in recover(ONE).jobs
    ]
    assert len(vendor.submits) == 1


def test_open_job_of_an_older_boundary_is_not_doubled(
    vendor: FakeVendor, recover: Recover
) -> None:
    """Recovery lets it end; only a person buys the new boundary beside it."""
    recover(ONE)
    city = CITIES["country/c0"]
    moved = dataclasses.replace(city, geometry=box(0.1, 50.0, 0.6, 50.5))
    asked = recover(ONE, cities={**CITIES, city.key: moved})
    assert (asked.jobs, asked.left_alone.keys()) == ((), ONE)
    assert asked.left_alone[next(iter(ONE))][0] is State.REQUESTED
    assert len(vendor.submits) == 1


def test_max_jobs_buys_what_covers_most_and_names_the_rest(
    vendor: FakeVendor, ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """Two windows of 2 and 5 city-days: the second is bought, the first is left over."""
    small, large = (
        days_of("c0", 0, 1),
        days_of("c1", 60, 61, 62, 63) | days_of("c2", 60),
    )
    preview = preview_jobs(
        ledger,
        FULL,
        CITIES,
        small | large,
        Limits(),
        recover_at=clock.now(),
        max_jobs=1,
    )
    asked = recover(small | large, max_jobs=1)
    (job,) = asked.jobs
    assert (job.start, job.end) == (preview.jobs[0].start, preview.jobs[0].end)
    assert preview.wanted == ledger.pending(job.ref) == large
    assert asked.left_alone.keys() == preview.left_alone.keys() == small
    assert set(asked.left_alone.values()) == {
        (State.NOT_REQUESTED, "left over: at most 1 vendor jobs were to be bought")
    }
    assert len(vendor.submits) == 1


def test_run_that_is_retried_does_not_buy_the_limit_again(
    vendor: FakeVendor, recover: Recover, clock: Clock
) -> None:
    """What its first try bought counts."""
    began = clock.now()
    wanted = days_of("c0", 0) | days_of("c1", 60)
    recover(wanted, max_jobs=1, asked_since=began)
    recover(wanted, max_jobs=1, asked_since=began)
    assert len(vendor.submits) == 1


def test_day_that_an_open_job_covers_joins_it_whatever_the_limit(
    vendor: FakeVendor, recover: Recover
) -> None:
    """Surplus of a bought job costs nothing."""
    recover(days_of("c0", 0, 2))
    asked = recover(days_of("c0", 1), max_jobs=0)
    assert (len(asked.jobs), asked.left_alone) == (1, {})
    assert len(vendor.submits) == 1


def test_what_is_in_the_lake_is_done(
    ledger: Ledger, recover: Recover, clock: Clock
) -> None:
    """Delivered city-days are neither asked for nor missing."""
    end(ledger, recover(ONE), clock, State.DELIVERED)
    asked = recover(ONE)
    assert (asked.jobs, asked.done, asked.left_alone) == ((), ONE, {})
