"""Tests of `vendor.ledger`, on SQLite and PostgreSQL."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import LedgerError
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline.vendor.tables import vendor_jobs
from mobility_pipeline_tests.vendor.world import FIRST, FULL, days_of, make_cities

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
LAST = FIRST + timedelta(days=2)
CITIES = tuple(make_cities(2).values())
REQUEST = JobRequest(FULL, FIRST, LAST, CITIES)
WANTED = days_of("c0", 0, 1) | days_of("c1", 2)
DELIVERED, EMPTY = CityDayState.DELIVERED, CityDayState.EMPTY


def states(ledger: Ledger) -> dict[CityDay, CityDayState]:
    """Return the state of every city-day the ledger knows."""
    records = ledger.city_days(FULL.name, FIRST, LAST)
    return {day: record.state for day, record in records.items()}


def buy(ledger: Ledger, wanted: set[CityDay] = WANTED, job_id: str = "j1") -> VendorJob:
    """Return a job that was bought for some city-days."""
    job = ledger.add_planned(REQUEST, wanted, NOW)
    ledger.mark_submitting(job.ref, NOW)
    ledger.mark_submitted(job.ref, job_id, NOW)
    return ledger.job(job.ref)


def test_planned_job_reads_back_as_it_was(ledger: Ledger) -> None:
    """The request, its areas in order, its body and fingerprint survive the database."""
    job = ledger.add_planned(REQUEST, WANTED, NOW)
    assert job == ledger.job(job.ref)
    assert (job.feed, job.endpoint) == ("pings_full", "movement/job/pings")
    assert (job.start, job.end, job.areas) == (FIRST, LAST, REQUEST.areas)
    assert (job.body, job.request_sha256) == (REQUEST.body(), REQUEST.sha256)
    assert (job.state, job.job_id, job.planned_at) == (JobState.PLANNED, None, NOW)


def test_only_what_is_wanted_of_a_job_is_requested(ledger: Ledger) -> None:
    """Surplus city-days of a job are not marked."""
    job = ledger.add_planned(REQUEST, WANTED, NOW)
    assert ledger.pending(job.ref) == WANTED
    assert states(ledger) == dict.fromkeys(WANTED, CityDayState.REQUESTED)


def test_times_come_back_in_utc(ledger: Ledger) -> None:
    """An instant of another zone is the same instant in UTC."""
    zone = timezone(timedelta(hours=5))
    job = ledger.add_planned(REQUEST, WANTED, NOW.astimezone(zone))
    assert job.planned_at == NOW
    assert job.planned_at.tzinfo is UTC


def test_naive_time_is_refused(ledger: Ledger) -> None:
    """A time without a zone is a mistake of the caller."""
    with pytest.raises(LedgerError, match="naive"):
        ledger.add_planned(REQUEST, WANTED, NOW.replace(tzinfo=None))
    assert ledger.jobs() == []


def test_city_day_cannot_wait_for_two_jobs(ledger: Ledger) -> None:
    """A job that wants what another waits for is not recorded at all."""
    ledger.add_planned(REQUEST, days_of("c0", 0), NOW)
    with pytest.raises(LedgerError, match="ask again"):
        ledger.add_planned(REQUEST, WANTED, NOW)
    assert len(ledger.jobs()) == 1
    assert states(ledger) == dict.fromkeys(days_of("c0", 0), CityDayState.REQUESTED)


def test_submitted_job_is_known(ledger: Ledger) -> None:
    """An id is stored with its time."""
    job = buy(ledger)
    assert (job.state, job.job_id) == (JobState.SCHEDULED, "j1")
    assert ledger.known_job_ids() == {"j1"}
    assert len(ledger.bought_jobs(NOW, NOW + timedelta(seconds=1))) == 1
    assert ledger.bought_jobs(NOW - timedelta(days=1), NOW) == []


def test_job_is_found_by_the_vendors_id(ledger: Ledger) -> None:
    """An id that is not in the ledger finds nothing."""
    assert ledger.find_job("j1") is None
    assert buy(ledger) == ledger.find_job("j1")


def test_settling_records_state_and_reason(ledger: Ledger) -> None:
    """Each city-day ends on its own; the others still wait."""
    job = buy(ledger)
    (empty_day,) = days_of("c1", 2)
    (late_day,) = days_of("c0", 1)
    late = (CityDayState.NOT_DELIVERED, "no such date in the delivery")
    settled = ledger.settle(job.ref, {empty_day: (EMPTY, ""), late_day: late}, NOW)
    assert settled == {empty_day, late_day}
    assert ledger.pending(job.ref) == days_of("c0", 0)
    record = ledger.city_days(FULL.name, FIRST, LAST, ["country/c0"])[late_day]
    assert (record.state, record.reason) == late


def test_settling_leaves_other_jobs_city_days(ledger: Ledger) -> None:
    """A job's result for a city-day that is not its own is ignored, and said so."""
    first = buy(ledger, days_of("c0", 0))
    second = buy(ledger, days_of("c1", 0), "j2")
    (foreign,) = days_of("c1", 0)
    assert ledger.settle(first.ref, {foreign: (DELIVERED, "")}, NOW) == frozenset()
    assert ledger.pending(second.ref) == {foreign}


def test_jobs_with_days_to_land_are_live(ledger: Ledger) -> None:
    """A finished job is live until its last city-day is settled."""
    job = buy(ledger, days_of("c0", 0))
    ledger.mark_status(job.ref, JobState.SUCCESS, NOW, bucket="b", folder_path="f/")
    (live,) = ledger.live_jobs(FULL.name)
    assert (live.bucket, live.folder_path, live.finished_at) == ("b", "f/", NOW)
    ledger.settle(job.ref, dict.fromkeys(days_of("c0", 0), (DELIVERED, "")), NOW)
    assert ledger.live_jobs(FULL.name) == []


def test_finished_job_stays_finished(ledger: Ledger) -> None:
    """A status that arrives late does not reopen a job."""
    job = buy(ledger)
    ledger.mark_status(job.ref, JobState.SUCCESS, NOW)
    ledger.mark_status(job.ref, JobState.RUNNING, NOW)
    assert ledger.job(job.ref).state is JobState.SUCCESS


def test_closing_a_job_closes_what_waits_for_it(ledger: Ledger) -> None:
    """City-days that were settled before keep their result."""
    job = buy(ledger)
    ledger.settle(job.ref, dict.fromkeys(days_of("c0", 0), (DELIVERED, "")), NOW)
    failed = CityDayState.JOB_FAILED
    ledger.close_job(job.ref, JobState.FAILED, failed, "out of luck", NOW)
    closed = ledger.job(job.ref)
    assert (closed.state, closed.error) == (JobState.FAILED, "out of luck")
    lost = days_of("c0", 1) | days_of("c1", 2)
    expected = dict.fromkeys(lost, failed) | dict.fromkeys(days_of("c0", 0), DELIVERED)
    assert states(ledger) == expected


def test_withdrawn_job_leaves_no_trace_in_city_days(ledger: Ledger) -> None:
    """City-days are what they were before: missing, failed or delivered."""
    before = buy(ledger, days_of("c0", 0, 1))
    results = {
        **dict.fromkeys(days_of("c0", 0), (DELIVERED, "")),
        **dict.fromkeys(days_of("c0", 1), (CityDayState.REJECTED, "corrupt")),
    }
    ledger.settle(before.ref, results, NOW)
    job = ledger.add_planned(REQUEST, WANTED, NOW)
    ledger.withdraw(job.ref, "wrong key", NOW)
    records = ledger.city_days(FULL.name, FIRST, LAST)
    found = {
        day: (record.state, record.reason, record.job_ref)
        for day, record in records.items()
    }
    ours = {day: (*result, before.ref) for day, result in results.items()}
    never = dict.fromkeys(
        days_of("c1", 2), (CityDayState.NOT_REQUESTED, "wrong key", None)
    )
    assert found == ours | never
    assert ledger.job(job.ref).state is JobState.REFUSED


def test_bought_job_cannot_be_withdrawn(ledger: Ledger) -> None:
    """What was paid for stays recorded."""
    job = buy(ledger)
    with pytest.raises(LedgerError, match="was bought"):
        ledger.withdraw(job.ref, "oops", NOW)
    assert ledger.pending(job.ref) == WANTED


@pytest.mark.parametrize("before", [DELIVERED, EMPTY])
def test_failed_refresh_keeps_the_older_delivery(
    ledger: Ledger, before: CityDayState
) -> None:
    """While the newer one is awaited both states show; when it fails, the older is back."""
    days = days_of("c0", 0)
    old = buy(ledger, days)
    ledger.settle(old.ref, dict.fromkeys(days, (before, "")), NOW)
    new = buy(ledger, days, "j2")
    (record,) = ledger.city_days(FULL.name, FIRST, LAST).values()
    assert (record.state, record.previous_state) == (CityDayState.REQUESTED, before)
    rejected = (CityDayState.REJECTED, "corrupt file")
    ledger.settle(new.ref, dict.fromkeys(days, rejected), NOW)
    (record,) = ledger.city_days(FULL.name, FIRST, LAST).values()
    assert (record.state, record.job_ref, record.attempts) == (before, old.ref, 1)
    assert record.reason == "older delivery kept; the newer: rejected corrupt file"


def test_deferring_touches_only_what_nobody_has_asked_for(ledger: Ledger) -> None:
    """Requested and delivered city-days stay as they are."""
    job = buy(ledger, days_of("c0", 0, 1))
    ledger.settle(job.ref, dict.fromkeys(days_of("c0", 0), (DELIVERED, "")), NOW)
    ledger.defer(FULL.name, days_of("c0", 0, 1, 2), "quota", NOW)
    (delivered,), (requested,), (deferred,) = (days_of("c0", day) for day in range(3))
    assert states(ledger) == {
        delivered: DELIVERED,
        requested: CityDayState.REQUESTED,
        deferred: CityDayState.DEFERRED_QUOTA,
    }


def test_attached_city_days_wait_too(ledger: Ledger) -> None:
    """City-days that join a bought job are pending under it."""
    job = buy(ledger, days_of("c0", 0))
    ledger.attach(job.ref, days_of("c1", 0), NOW)
    assert ledger.pending(job.ref) == days_of("c0", 0) | days_of("c1", 0)


def test_job_that_ended_takes_no_more_city_days(ledger: Ledger) -> None:
    """City-days are not attached to a job that gives nothing more."""
    job = buy(ledger, days_of("c0", 0))
    failed = CityDayState.JOB_FAILED
    ledger.close_job(job.ref, JobState.FAILED, failed, "out of luck", NOW)
    assert not ledger.attach(job.ref, days_of("c1", 0), NOW)
    assert ledger.pending(job.ref) == frozenset()


def test_job_that_succeeded_takes_more_city_days(ledger: Ledger) -> None:
    """City-days are attached to a job whose delivery is there."""
    job = buy(ledger, days_of("c0", 0))
    ledger.mark_status(job.ref, JobState.SUCCESS, NOW, bucket="b", folder_path="f/")
    assert ledger.attach(job.ref, days_of("c1", 0), NOW)
    assert ledger.pending(job.ref) == days_of("c0", 0) | days_of("c1", 0)


def test_attaching_waits_for_whoever_closes_the_job(
    ledger: Ledger, ledger_url: str
) -> None:
    """A job that is being closed in another transaction is seen as closed."""
    job = buy(ledger, days_of("c0", 0))
    other = open_database(ledger_url)
    attached: list[bool] = []
    attaching = threading.Thread(
        target=lambda: attached.append(ledger.attach(job.ref, days_of("c1", 0), NOW))
    )
    with other.write() as connection:
        connection.execute(sa.update(vendor_jobs).values(state=JobState.FAILED))
        attaching.start()
        attaching.join(timeout=0.3)
        assert attached == []
    attaching.join(timeout=5)
    assert attached == [False]


def test_job_that_was_given_up_is_not_sent(ledger: Ledger) -> None:
    """Before anything is sent it shows that another process withdrew the job."""
    job = ledger.add_planned(REQUEST, WANTED, NOW)
    ledger.withdraw(job.ref, "looked dead", NOW)
    with pytest.raises(LedgerError, match="nothing was sent"):
        ledger.mark_submitting(job.ref, NOW)


def test_job_that_was_given_up_while_it_was_bought_is_kept(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    """What was paid is recorded, open again, and an error names its id."""
    job = ledger.add_planned(REQUEST, WANTED, NOW)
    ledger.mark_submitting(job.ref, NOW)
    ledger.withdraw(job.ref, "looked dead", NOW)
    ledger.mark_submitted(job.ref, "j1", NOW)
    kept = ledger.job(job.ref)
    assert (kept.state, kept.job_id) == (JobState.SCHEDULED, "j1")
    assert (kept.submitted_at, kept.finished_at, kept.error) == (NOW, None, None)
    (record,) = caplog.records
    assert (record.levelname, "j1" in record.message) == ("ERROR", True)


def test_end_recorded_twice_is_one_attempt(ledger: Ledger) -> None:
    """A run that is repeated after it died settles again, and counts nothing more."""
    days = days_of("c0", 0)
    ends = dict.fromkeys(days, (CityDayState.NOT_DELIVERED, "so"))
    for number in range(2):
        job = ledger.add_planned(REQUEST, days, NOW, by_recovery=True)
        ledger.mark_submitted(job.ref, f"j{number}", NOW)
        ledger.mark_submitted(job.ref, f"j{number}", NOW)
        for _ in range(3):
            ledger.settle(job.ref, ends, NOW)
        (record,) = ledger.city_days(FULL.name, FIRST, LAST).values()
        assert record.attempts == number + 1


def test_id_the_vendor_repeats_is_named(ledger: Ledger) -> None:
    """A second job under the id of a first is an error that says so."""
    buy(ledger, days_of("c0", 0), "j1")
    with pytest.raises(LedgerError, match="the vendor gave the id j1"):
        buy(ledger, days_of("c1", 0), "j1")


def test_id_does_not_replace_another(ledger: Ledger) -> None:
    """A job that has an id keeps it: both are paid for."""
    job = buy(ledger)
    with pytest.raises(LedgerError, match="the vendor gave the id j2"):
        ledger.mark_submitted(job.ref, "j2", NOW)
    assert ledger.known_job_ids() == {"j1"}


def test_closing_leaves_a_job_that_succeeded_meanwhile(ledger: Ledger) -> None:
    """Its city-days are still to land."""
    job = buy(ledger)
    ledger.mark_status(job.ref, JobState.SUCCESS, NOW, bucket="b", folder_path="f/")
    failed = CityDayState.JOB_FAILED
    ledger.close_job(job.ref, JobState.CANCELLED, failed, "cancelled", NOW)
    assert ledger.job(job.ref).state is JobState.SUCCESS
    assert ledger.pending(job.ref) == WANTED


def test_jobs_can_be_listed_by_time_and_feed(ledger: Ledger) -> None:
    """Filters narrow the list; without any it holds everything."""
    job = buy(ledger)
    assert ledger.jobs() == [job]
    assert ledger.jobs(since=NOW, feed="pings_full") == [job]
    assert ledger.jobs(since=NOW + timedelta(seconds=1)) == []
    assert ledger.jobs(feed="pings_trips") == []


def test_submission_lock_lets_one_in(ledger_url: str) -> None:
    """A second submitter waits until the first is done."""
    first, second = open_ledger(ledger_url), open_ledger(ledger_url)
    order: list[str] = []

    def enter() -> None:
        with second.submission_lock():
            order.append("second")

    waiting = threading.Thread(target=enter)
    with first.submission_lock():
        waiting.start()
        waiting.join(timeout=0.3)
        order.append("first")
    waiting.join(timeout=5)
    assert order == ["first", "second"]
    first.close()
    second.close()


def test_large_job_is_recorded_in_time(ledger: Ledger) -> None:
    """200 cities by 31 days are thousands of rows in one transaction, not minutes."""
    cities = make_cities(200)
    last = FIRST + timedelta(days=30)
    request = JobRequest(FULL, FIRST, last, tuple(cities.values()))
    wanted = {day for place in range(200) for day in days_of(f"c{place}", *range(31))}
    job = ledger.add_planned(request, wanted, NOW)
    settled = ledger.settle(job.ref, dict.fromkeys(wanted, (DELIVERED, "")), NOW)
    assert len(settled) == 6200
