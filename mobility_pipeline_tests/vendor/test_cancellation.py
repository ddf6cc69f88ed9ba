"""Tests of `vendor.cancellation`, over real HTTP on both storages."""

import json

import pytest

from mobility_pipeline.errors import VendorPermanentError
from mobility_pipeline.vendor.cancellation import cancel_job
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.fake_vendor import FakeVendor, Fault
from mobility_pipeline_tests.vendor.world import (
    FIRST,
    FULL,
    Clock,
    days_of,
    make_city,
)

WANTED = days_of("c0", 0)


def cancel(
    ledger: Ledger, client: VerasetClient, clock: Clock, job_id: str
) -> VendorJob:
    """Cancel a job that was bought under this id."""
    request = JobRequest(FULL, FIRST, FIRST, (make_city("c0"),))
    job = ledger.add_planned(request, WANTED, clock.now())
    ledger.mark_submitting(job.ref, clock.now())
    ledger.mark_submitted(job.ref, job_id, clock.now())
    return cancel_job(ledger, client, job_of(ledger), "by hand", now=clock.now)


def job_of(ledger: Ledger) -> VendorJob:
    """Return the only job."""
    (job,) = ledger.jobs()
    return job


def state_of(ledger: Ledger) -> tuple[CityDayState, str]:
    """Return state and reason of the only city-day."""
    (record,) = ledger.city_days(FULL.name, FIRST, FIRST).values()
    return record.state, record.reason


def test_open_job_is_cancelled_on_both_sides(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """Its city-days say why they are missing."""
    job_id = vendor.add_job()
    assert cancel(ledger, client, clock, job_id).state is JobState.CANCELLED
    assert vendor.jobs[job_id]["status"] == "CANCELLED"
    assert state_of(ledger) == (CityDayState.JOB_FAILED, "by hand")


def test_job_that_succeeded_first_is_kept(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A delivery that is paid for is still landed."""
    job = cancel(ledger, client, clock, vendor.add_job(status="SUCCESS"))
    assert (job.state, job.folder_path) == (JobState.SUCCESS, "output/Org/job/")
    assert ledger.pending(job.ref) == WANTED


def test_job_the_vendor_refuses_to_cancel_because_it_succeeded_is_kept(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A refusal is no error where it means that the job is done."""
    vendor.poll_faults = [Fault(409, "already finished")]
    job = cancel(ledger, client, clock, vendor.add_job(status="SUCCESS"))
    assert job.state is JobState.SUCCESS


def test_success_without_a_place_is_not_cancelled(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A delivery that the vendor does not place yet is waited for."""
    answer = {"data": {"status": "SUCCESS", "s3_location": None}}
    job_id = vendor.add_job(status="SUCCESS")
    vendor.poll_faults = [Fault(200, '{"data": {}}'), Fault(200, json.dumps(answer))]
    assert cancel(ledger, client, clock, job_id).state is JobState.SCHEDULED
    assert ledger.pending(job_of(ledger).ref) == WANTED


def test_refused_cancellation_changes_nothing(
    vendor: FakeVendor, client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """A job that runs on stays open."""
    vendor.poll_faults = [Fault(400, "too late")]
    with pytest.raises(VendorPermanentError, match="too late"):
        cancel(ledger, client, clock, vendor.add_job())
    assert job_of(ledger).state is JobState.SCHEDULED


def test_job_the_vendor_forgot_is_closed(
    client: VerasetClient, ledger: Ledger, clock: Clock
) -> None:
    """What the vendor does not know is closed in the ledger all the same."""
    job = cancel(ledger, client, clock, "job-9")
    reason = "the vendor no longer knows vendor job job-9"
    assert (job.state, job.error) == (JobState.FAILED, reason)
    assert state_of(ledger) == (CityDayState.JOB_FAILED, reason)
