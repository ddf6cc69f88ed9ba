"""Tests of `vendor.submission` and what it is made of, over real HTTP on both storages."""

import dataclasses
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from shapely.geometry import box

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.errors import (
    UnknownCityError,
    VendorAuthenticationError,
    VendorTransientError,
)
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.planner import Limits
from mobility_pipeline.vendor.preview import preview_jobs
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import CityDayState, JobState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline.vendor.submission import Submitted, request_city_days
from mobility_pipeline_tests.vendor.fake_vendor import (
    FakeVendor,
    Fault,
    quota_fault,
    refusal,
)
from mobility_pipeline_tests.vendor.world import (
    FIRST,
    FULL,
    Clock,
    days_of,
    make_cities,
)

CITIES = make_cities(3)
WANTED = days_of("c0", 0, 1) | days_of("c1", 0)
LAST = FIRST + timedelta(days=60)
DELIVERED = CityDayState.DELIVERED

Ask = Callable[..., Submitted]


@pytest.fixture
def ask(ledger: Ledger, client: VerasetClient, clock: Clock) -> Ask:
    """Request city-days with everything else set up."""

    def run(
        wanted: Collection[CityDay],
        *,
        cities: Mapping[str, City] = CITIES,
        limits: Limits = Limits(),  # noqa: B008 - a frozen value
        monthly_jobs: int | None = None,
        refresh: bool = False,
        asked_since: datetime | None = None,
        through: VerasetClient = client,
    ) -> Submitted:
        return request_city_days(
            ledger,
            through,
            FULL,
            cities,
            wanted,
            limits,
            monthly_jobs,
            now=clock.now,
            sleep=clock.sleep,
            refresh=refresh,
            asked_since=asked_since,
        )

    return run


def states(ledger: Ledger) -> dict[CityDay, CityDayState]:
    """Return the state of every city-day the ledger knows."""
    records = ledger.city_days(FULL.name, FIRST, LAST)
    return {day: record.state for day, record in records.items()}


def deliver(ledger: Ledger, asked: Submitted, clock: Clock) -> None:
    """Finish every job, with everything delivered."""
    for job in asked.jobs:
        ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
        pending = ledger.pending(job.ref)
        ledger.settle(job.ref, dict.fromkeys(pending, (DELIVERED, "")), clock.now())


def test_what_is_wanted_is_bought_as_one_job(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """All cities share a job, recorded with the vendor's id and the body sent."""
    asked = ask(WANTED)
    (job,) = asked.jobs
    assert (job.job_id, job.state) == ("job-0001", JobState.SCHEDULED)
    assert vendor.submits == [job.body]
    assert ledger.pending(job.ref) == WANTED
    assert (asked.done, asked.deferred, asked.refused) == (set(), set(), {})


def test_same_wish_again_waits_for_the_same_job(vendor: FakeVendor, ask: Ask) -> None:
    """Nothing that is on its way is bought again."""
    assert ask(WANTED).jobs[0].ref == ask(WANTED).jobs[0].ref
    assert len(vendor.submits) == 1


def test_what_is_in_the_lake_is_done(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """Delivered city-days need no job."""
    deliver(ledger, ask(WANTED), clock)
    asked = ask(WANTED)
    assert (asked.jobs, asked.done) == ((), WANTED)
    assert len(vendor.submits) == 1


def test_refresh_buys_what_is_in_the_lake_again(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """An explicit refresh asks for delivered city-days once more."""
    deliver(ledger, ask(WANTED), clock)
    asked = ask(WANTED, refresh=True)
    assert [ledger.pending(job.ref) for job in asked.jobs] == [WANTED]
    assert len(vendor.submits) == 2


@pytest.mark.parametrize(
    "state",
    [CityDayState.NOT_DELIVERED, CityDayState.REJECTED, CityDayState.JOB_FAILED],
)
def test_what_failed_is_asked_again(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock, state: CityDayState
) -> None:
    """An explicit wish ignores that a city-day was lost before, whatever the reason."""
    (job,) = ask(WANTED).jobs
    ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
    ledger.settle(job.ref, dict.fromkeys(WANTED, (state, "lost")), clock.now())
    (again,) = ask(WANTED).jobs
    assert again.ref != job.ref
    assert len(vendor.submits) == 2


@pytest.mark.parametrize("seconds", [-1, 1])
def test_outcome_of_the_same_wish_is_its_answer(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock, seconds: int
) -> None:
    """What was lost since the wish was uttered is told; what was lost before is asked."""
    (job,) = ask(WANTED).jobs
    lost = (CityDayState.NOT_DELIVERED, "no such date")
    ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
    ledger.settle(job.ref, dict.fromkeys(WANTED, lost), clock.now())
    asked = ask(WANTED, asked_since=clock.now() + timedelta(seconds=seconds))
    is_answered = seconds < 0
    assert asked.refused == (dict.fromkeys(WANTED, lost) if is_answered else {})
    assert len(vendor.submits) == (1 if is_answered else 2)


def test_refresh_that_was_answered_is_done(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """A later run of one refresh does not buy again what the first has landed."""
    uttered = clock.now()
    deliver(ledger, ask(WANTED, refresh=True), clock)
    asked = ask(WANTED, refresh=True, asked_since=uttered)
    assert (asked.done, asked.jobs) == (WANTED, ())
    assert len(vendor.submits) == 1


def test_finished_job_that_is_not_landed_is_waited_for(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """A run that died between delivery and landing does not pay again."""
    (job,) = ask(WANTED).jobs
    ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
    assert [waiting.ref for waiting in ask(WANTED).jobs] == [job.ref]
    assert len(vendor.submits) == 1


def test_surplus_of_an_open_job_is_used(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """A city-day that an open job covers joins it instead of being bought."""
    (job,) = ask(WANTED).jobs
    surplus = days_of("c1", 1)
    (joined,) = ask(surplus).jobs
    assert joined.ref == job.ref
    assert ledger.pending(job.ref) == WANTED | surplus
    assert len(vendor.submits) == 1


def test_surplus_of_a_finished_job_is_not_used(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """What a finished job held beyond the wish is not counted on."""
    deliver(ledger, ask(WANTED), clock)
    ask(days_of("c1", 1))
    assert len(vendor.submits) == 2


def test_moved_boundary_is_bought_anew(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """A job of the old boundary is not waited for; it keeps the other cities' days."""
    (old,) = ask(WANTED).jobs
    moved = dataclasses.replace(CITIES["country/c0"], geometry=box(0, 50, 0.4, 50.4))
    asked = ask(WANTED, cities={**CITIES, moved.key: moved})
    new = next(job for job in asked.jobs if job.ref != old.ref)
    assert ledger.pending(old.ref) == days_of("c1", 0)
    assert ledger.pending(new.ref) == days_of("c0", 0, 1)
    assert [area.area_id for area in new.areas] == [moved.area_id]
    assert len(vendor.submits) == 2


@pytest.mark.parametrize("job_state", [JobState.FAILED, JobState.CANCELLED])
def test_city_day_that_waits_for_a_dead_job_is_bought(
    vendor: FakeVendor,
    ledger: Ledger,
    ask: Ask,
    clock: Clock,
    job_state: JobState,
) -> None:
    """A row that an older version left behind a closed job heals."""
    (dead,) = ask(WANTED).jobs
    ledger.mark_status(dead.ref, job_state, clock.now())
    assert ledger.pending(dead.ref) == WANTED
    (job,) = ask(WANTED).jobs
    assert job.ref != dead.ref
    assert ledger.pending(job.ref) == WANTED
    assert len(vendor.submits) == 2


class FailingLedger(Ledger):
    """A ledger in which another process closes a job just before it is joined."""

    def attach(
        self,
        ref: int,
        wanted: Collection[CityDay],
        now: datetime,
        *,
        by_recovery: bool = False,
    ) -> bool:
        """Find the job closed."""
        state = CityDayState.JOB_FAILED
        self.close_job(ref, JobState.FAILED, state, "out of luck", now)
        return super().attach(ref, wanted, now, by_recovery=by_recovery)


def test_city_day_of_a_job_that_ends_in_the_same_moment_is_bought(
    vendor: FakeVendor, ledger_url: str, client: VerasetClient, clock: Clock
) -> None:
    """What could not join the job gets one of its own."""
    ledger = FailingLedger(open_database(ledger_url))
    surplus = days_of("c1", 1)
    for wanted in (WANTED, surplus):
        asked = request_city_days(
            ledger,
            client,
            FULL,
            CITIES,
            wanted,
            Limits(),
            None,
            now=clock.now,
            sleep=clock.sleep,
        )
    (job,) = asked.jobs
    assert (job.job_id, ledger.pending(job.ref)) == ("job-0002", surplus)


def test_unknown_city_is_refused_before_anything_is_sent(
    vendor: FakeVendor, ask: Ask
) -> None:
    """A wish for a city nobody knows names it."""
    with pytest.raises(UnknownCityError, match="country/atlantis"):
        ask(WANTED | days_of("atlantis", 0))
    assert vendor.submits == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(drops=True),
        Fault(200, "<html>"),
        Fault(200, '{"data": null}'),
        Fault(hangs=True),
    ],
)
@pytest.mark.parametrize("created", [True, False])
def test_submit_that_may_have_happened_is_paid_once(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, fault: Fault, created: bool
) -> None:
    """The job is looked up: adopted where it exists, sent again where it does not."""
    vendor.submit_faults = [dataclasses.replace(fault, creates=created)]
    (job,) = ask(WANTED).jobs
    assert job.job_id == "job-0001"
    assert list(vendor.jobs) == ["job-0001"]
    assert len(vendor.submits) == (1 if created else 2)
    assert ledger.pending(job.ref) == WANTED


def test_job_of_somebody_else_is_not_adopted(
    vendor: FakeVendor, ask: Ask, clock: Clock
) -> None:
    """An unknown job from before the submit is not ours."""
    vendor.add_job(clock.now() - timedelta(minutes=10))
    vendor.submit_faults = [Fault(500)]
    (job,) = ask(WANTED).jobs
    assert job.job_id == "job-0002"


def test_busy_vendor_is_asked_again_later(
    vendor: FakeVendor, ask: Ask, clock: Clock
) -> None:
    """429 backs off as long as the vendor says, and needs no look-up."""
    vendor.submit_faults = [Fault(429, "", {"Retry-After": "40"}), Fault(429)]
    (job,) = ask(WANTED).jobs
    assert job.job_id == "job-0001"
    assert clock.slept_s[0] == 40
    assert {method for method, _, _ in vendor.requests} == {"POST"}


def test_vendor_that_stays_down_is_given_up(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """Attempts are bounded; what may have happened is resolved by the next call."""
    vendor.submit_faults = [Fault(500)] * 6
    with pytest.raises(VendorTransientError, match="6 attempts") as caught:
        ask(WANTED)
    assert caught.value.may_have_happened
    assert [job.state for job in ledger.jobs()] == [JobState.SUBMITTING]
    late = vendor.add_job()
    assert [job.job_id for job in ask(WANTED).jobs] == [late]
    assert len(vendor.submits) == 6


def test_job_of_the_last_attempt_is_adopted_however_long_the_others_took(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """After every attempt waited its longest, the job of the last one is still ours."""
    slow = Fault(500, headers={"Retry-After": "3600"})
    vendor.submit_faults = [slow] * 6
    with pytest.raises(VendorTransientError, match="6 attempts"):
        ask(WANTED)
    assert sum(clock.slept_s) == 6 * 300
    last_attempt_at = clock.now() - timedelta(seconds=300)
    ours = vendor.add_job(last_attempt_at)
    assert [job.job_id for job in ask(WANTED).jobs] == [ours]
    assert len(vendor.submits) == 6


def test_job_bought_by_others_after_a_crash_is_not_adopted(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """A job from long after the last attempt is somebody else's; ours is bought."""
    vendor.submit_faults = [Fault(500)] * 6
    with pytest.raises(VendorTransientError):
        ask(WANTED)
    vendor.add_job(clock.now() + timedelta(minutes=10))
    assert [job.job_id for job in ask(WANTED).jobs] == ["job-0002"]


def test_vendor_that_stays_busy_leaves_nothing_requested(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """Where surely nothing was bought, the city-days are what they were."""
    vendor.submit_faults = [Fault(429)] * 6
    with pytest.raises(VendorTransientError) as caught:
        ask(WANTED)
    assert not caught.value.may_have_happened
    assert set(states(ledger).values()) == {CityDayState.NOT_REQUESTED}
    assert len(ask(WANTED).jobs) == 1


def test_nothing_is_sent_again_while_it_cannot_be_looked_up(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """Without the vendor's list a submit that may have happened is not repeated."""
    vendor.submit_faults = [Fault(500, creates=True)]
    vendor.list_faults = [Fault(500)] * 10
    for _ in range(2):
        with pytest.raises(VendorTransientError):
            ask(WANTED)
    assert len(vendor.submits) == 1
    assert [job.job_id for job in ask(WANTED).jobs] == ["job-0001"]


def test_refused_look_up_is_no_refusal_of_the_job(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """A job that may have been bought is not forgotten because the list was forbidden."""
    vendor.submit_faults = [Fault(500, creates=True)]
    vendor.list_faults = [Fault(403)]
    with pytest.raises(VendorTransientError, match="may have been bought"):
        ask(WANTED)
    assert [job.job_id for job in ask(WANTED).jobs] == ["job-0001"]
    assert len(vendor.submits) == 1


def test_two_candidates_are_none(vendor: FakeVendor, ask: Ask) -> None:
    """Where two unknown jobs could be ours, neither is adopted."""
    vendor.submit_faults = [Fault(500)]
    vendor.add_job()
    vendor.add_job()
    (job,) = ask(WANTED).jobs
    assert job.job_id == "job-0003"


def test_wrong_key_changes_nothing(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """With a refused key city-days are what they were, and the right key buys them."""
    wrong = VerasetClient(vendor.url, "wrong", sleep=clock.sleep)
    with pytest.raises(VendorAuthenticationError, match="VERASET_API_KEY"):
        ask(WANTED, through=wrong)
    assert set(states(ledger).values()) == {CityDayState.NOT_REQUESTED}
    assert clock.slept_s == []
    assert len(ask(WANTED).jobs) == 1


def test_refused_job_does_not_stop_the_others(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """A permanent answer is recorded for its city-days; the next job is sent."""
    vendor.submit_faults = [Fault(400, "too far back")]
    early, late = days_of("c0", 0), days_of("c0", 40)
    asked = ask(early | late)
    assert [ledger.pending(job.ref) for job in asked.jobs] == [late]
    ((day, (state, reason)),) = asked.refused.items()
    assert ({day}, state) == (early, CityDayState.JOB_FAILED)
    assert "too far back" in reason
    assert ledger.city_days(FULL.name, FIRST, LAST)[day].reason == reason


def test_city_with_a_refused_area_does_not_take_the_others_down(
    vendor: FakeVendor, ledger: Ledger, ask: Ask
) -> None:
    """The city the vendor names is given up; the rest of the job is sent without it."""
    vendor.submit_faults = [refusal(["body", "geo_json", 1, "geo_json"])]
    asked = ask(WANTED)
    assert asked.refused.keys() == days_of("c1", 0)
    (_, reason) = asked.refused[next(iter(days_of("c1", 0)))]
    assert reason.startswith("country/c1: ")
    (job,) = asked.jobs
    assert [area.city for area in job.areas] == ["country/c0"]
    assert ledger.pending(job.ref) == days_of("c0", 0, 1)


@pytest.mark.parametrize("status", [200, 403, 429])
def test_vendors_quota_stops_submitting(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, status: int
) -> None:
    """What is bought stays; the rest is deferred, and nothing more is sent."""
    first, second, third = (days_of("c0", day) for day in (0, 31, 62))
    ask(first)
    vendor.submit_faults = [quota_fault(status)]
    asked = ask(first | second | third)
    assert asked.deferred == second | third
    assert [ledger.pending(job.ref) for job in asked.jobs] == [first]
    assert len(vendor.submits) == 2
    again = ask(second | third)
    assert len(again.jobs) == 2


def test_our_quota_defers_what_is_over(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """With two jobs left of the month, the third is not sent."""
    first, second, third = (days_of("c0", day) for day in (0, 31, 62))
    asked = ask(first | second | third, monthly_jobs=2)
    assert asked.deferred == third
    assert len(vendor.submits) == 2
    assert read_month(ledger, 2, clock.now()).jobs_left == 0
    assert read_month(ledger, None, clock.now()).jobs_left is None
    records = ledger.city_days(FULL.name, FIRST, FIRST + timedelta(days=90))
    assert records[next(iter(third))].state is CityDayState.DEFERRED_QUOTA


def test_quota_begins_anew_each_month(ledger: Ledger, ask: Ask, clock: Clock) -> None:
    """Jobs count in the calendar month, UTC, in which they were bought."""
    clock.time = datetime(2024, 12, 31, 23, 59, tzinfo=UTC)
    ask(WANTED)
    assert read_month(ledger, 5, clock.now()).jobs_left == 4
    assert read_month(ledger, 5, datetime(2025, 1, 1, tzinfo=UTC)).jobs_left == 5
    assert read_month(ledger, 5, datetime(2024, 12, 1, tzinfo=UTC)).jobs_left == 4


def test_deferred_refresh_keeps_what_is_in_the_lake(
    ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """A quota that is used up does not make a delivered day missing."""
    deliver(ledger, ask(WANTED), clock)
    asked = ask(WANTED, refresh=True, monthly_jobs=1)
    assert asked.deferred == WANTED
    assert set(states(ledger).values()) == {DELIVERED}


def test_erased_city_days_are_never_asked_for(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """Neither a wish nor a refresh brings back what was erased."""
    (job,) = ask(days_of("c0", 0)).jobs
    ledger.mark_status(job.ref, JobState.SUCCESS, clock.now())
    erased = (CityDayState.ERASED, "request 17")
    ledger.settle(job.ref, dict.fromkeys(days_of("c0", 0), erased), clock.now())
    asked = ask(days_of("c0", 0), refresh=True)
    assert asked.refused == dict.fromkeys(days_of("c0", 0), erased)
    assert asked.jobs == ()
    assert len(vendor.submits) == 1


def test_preview_plans_what_would_be_bought(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """Delivered, requested and covered city-days are not in it; nothing changes."""
    deliver(ledger, ask(days_of("c0", 0)), clock)
    ask(WANTED)
    before = states(ledger)
    wanted = WANTED | days_of("c2", 5)
    (job,) = preview_jobs(ledger, FULL, CITIES, wanted, Limits()).jobs
    assert (job.cities, job.start) == (("country/c2",), FIRST + timedelta(days=5))
    assert states(ledger) == before
    assert len(vendor.submits) == 2


def test_preview_of_a_refresh_has_what_is_in_the_lake(
    ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """Two cities by two days are planned, though all of it was delivered."""
    deliver(ledger, ask(WANTED), clock)
    assert preview_jobs(ledger, FULL, CITIES, WANTED, Limits()).jobs == ()
    preview = preview_jobs(ledger, FULL, CITIES, WANTED, Limits(), refresh=True)
    (job,) = preview.jobs
    assert job.city_days == 4


def test_job_planned_by_a_dead_process_is_replaced(
    vendor: FakeVendor, ledger: Ledger, ask: Ask, clock: Clock
) -> None:
    """A row that was never sent binds nobody: what is wanted now is bought."""
    request = JobRequest(FULL, FIRST, FIRST, (CITIES["country/c0"],))
    ledger.add_planned(request, days_of("c0", 0), clock.now())
    (job,) = ask(WANTED).jobs
    assert ledger.pending(job.ref) == WANTED
    assert len(vendor.submits) == 1
