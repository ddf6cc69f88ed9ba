"""Tests of `vendor.polling`, over real HTTP."""

import json
import logging
from datetime import timedelta

import pytest

from mobility_pipeline.errors import VendorJobStillOpenError, VendorJobUnknownError
from mobility_pipeline.vendor.client import JobStatus, VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.polling import follow_job, wait_for_job
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.fake_vendor import FakeVendor, Fault
from mobility_pipeline_tests.vendor.world import (
    FIRST,
    FULL,
    Clock,
    days_of,
    make_cities,
)

WANTED = days_of("c0", 0) | days_of("c1", 0)


def wait(
    client: VerasetClient, job_id: str, clock: Clock, *, minutes: float = 200
) -> list[str]:
    """Wait with a poll a minute, and return the statuses seen."""
    seen: list[JobStatus] = []
    wait_for_job(
        client,
        job_id,
        poll_seconds=60,
        deadline=clock.now() + timedelta(minutes=minutes),
        now=clock.now,
        sleep=clock.sleep,
        on_status=seen.append,
    )
    return [status.status for status in seen]


def status_answer(status: str, message: str | None = None) -> Fault:
    """Return a regular answer about a job."""
    data = {"status": status, "s3_location": None}
    return Fault(200, json.dumps({"error_message": message, "data": data}))


def follow(ledger: Ledger, client: VerasetClient, ref: int, clock: Clock) -> VendorJob:
    """Follow a job of the ledger for an hour at most."""
    return follow_job(
        ledger,
        client,
        ledger.job(ref),
        poll_seconds=60,
        deadline=clock.now() + timedelta(hours=1),
        now=clock.now,
        sleep=clock.sleep,
    )


def bought(ledger: Ledger, clock: Clock, job_id: str) -> int:
    """Record a bought job and return its ref."""
    request = JobRequest(FULL, FIRST, FIRST, tuple(make_cities(2).values()))
    job = ledger.add_planned(request, WANTED, clock.now())
    ledger.mark_submitting(job.ref, clock.now())
    ledger.mark_submitted(job.ref, job_id, clock.now())
    return job.ref


def test_wait_ends_with_success(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """A job is polled until it has finished, once a minute."""
    job_id = vendor.add_job(status="SUCCESS")
    vendor.poll_faults = [status_answer("SCHEDULED"), status_answer("RUNNING")]
    assert wait(client, job_id, clock) == ["SCHEDULED", "RUNNING", "SUCCESS"]
    assert clock.slept_s == [60, 60]


def test_passing_errors_do_not_end_the_wait(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """Even more errors in a row than one read survives."""
    job_id = vendor.add_job(status="SUCCESS")
    vendor.poll_faults = [
        Fault(500),
        Fault(429),
        Fault(200, "?"),
        Fault(drops=True),
    ] * 3
    assert wait(client, job_id, clock) == ["SUCCESS"]


def test_unknown_status_is_still_running(
    vendor: FakeVendor,
    client: VerasetClient,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A word outside the API is waited through, and logged once."""
    job_id = vendor.add_job(status="SUCCESS")
    vendor.poll_faults = [status_answer("queued"), status_answer("QUEUED")]
    with caplog.at_level(logging.WARNING):
        assert wait(client, job_id, clock) == ["QUEUED", "QUEUED", "SUCCESS"]
    assert caplog.text.count("unknown status QUEUED") == 1


def test_success_without_a_place_is_waited_through(
    vendor: FakeVendor,
    client: VerasetClient,
    clock: Clock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A delivery that is nowhere is not finished; the log says once what is awaited."""
    job_id = vendor.add_job(status="SUCCESS")
    vendor.poll_faults = [status_answer("SUCCESS")] * 2
    with caplog.at_level(logging.WARNING):
        assert wait(client, job_id, clock) == ["SUCCESS"] * 3
    assert caplog.text.count("without an s3_location") == 1


def test_deadline_ends_the_wait(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """After the time-out the job is still open; the last wait is cut to fit."""
    job_id = vendor.add_job()
    with pytest.raises(VendorJobStillOpenError, match=job_id):
        wait(client, job_id, clock, minutes=1.5)
    assert clock.slept_s == [60, 30]


def test_job_is_polled_at_least_once(
    vendor: FakeVendor, client: VerasetClient, clock: Clock
) -> None:
    """A deadline that has passed does not hide a finished job."""
    job_id = vendor.add_job(status="SUCCESS")
    assert wait(client, job_id, clock, minutes=-5) == ["SUCCESS"]


def test_unknown_job_ends_the_wait(client: VerasetClient, clock: Clock) -> None:
    """A job the vendor does not know will not finish."""
    with pytest.raises(VendorJobUnknownError):
        wait(client, "job-9", clock)


def test_following_records_where_the_delivery_is(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A finished job has its place and time in the ledger."""
    ref = bought(ledger, clock, vendor.add_job(status="SUCCESS"))
    vendor.poll_faults = [status_answer("RUNNING")]
    job = follow(ledger, client, ref, clock)
    assert job.state is JobState.SUCCESS
    assert (job.bucket, job.folder_path) == ("vendor-bucket", "output/Org/job/")
    assert job.finished_at == clock.now()
    assert ledger.pending(ref) == WANTED


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_following_a_failed_job_closes_its_city_days(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock, status: str
) -> None:
    """The vendor's words are the reason of every city-day."""
    job_id = vendor.add_job()
    vendor.finish(job_id, status, "out of storage")
    ref = bought(ledger, clock, job_id)
    job = follow(ledger, client, ref, clock)
    assert (job.state, job.error) == (status, f"{status}: out of storage")
    records = ledger.city_days(FULL.name, FIRST, FIRST)
    assert {(record.state, record.reason) for record in records.values()} == {
        (CityDayState.JOB_FAILED, f"{status}: out of storage")
    }


def test_following_a_job_the_vendor_forgot_closes_its_city_days(
    client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A job nobody knows any more does not block its city-days."""
    ref = bought(ledger, clock, "job-9")
    job = follow(ledger, client, ref, clock)
    reason = "the vendor no longer knows vendor job job-9"
    assert (job.state, job.error) == (JobState.FAILED, reason)
    records = ledger.city_days(FULL.name, FIRST, FIRST)
    assert {(record.state, record.reason) for record in records.values()} == {
        (CityDayState.JOB_FAILED, reason)
    }


def test_following_a_finished_job_asks_nobody(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """What the ledger knows to be finished is returned at once."""
    ref = bought(ledger, clock, "job-1")
    ledger.mark_status(ref, JobState.SUCCESS, clock.now())
    assert follow(ledger, client, ref, clock) == ledger.job(ref)
    assert vendor.requests == []


def test_job_stays_open_after_the_deadline(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """The next run finds it where it was."""
    ref = bought(ledger, clock, vendor.add_job())
    with pytest.raises(VendorJobStillOpenError):
        follow(ledger, client, ref, clock)
    assert ledger.job(ref).state is JobState.RUNNING
    assert ledger.pending(ref) == WANTED
