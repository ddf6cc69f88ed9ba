"""Record in the ledger what the vendor says of a job."""

from datetime import datetime

from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob
from mobility_pipeline.vendor.statuses import JobStatus

FINISHED = (JobState.SUCCESS, JobState.FAILED, JobState.CANCELLED)
"""The vendor's words after which a job does not change any more."""


def is_finished(status: JobStatus) -> bool:
    """Say whether a job has finished, well or badly.

    A SUCCESS that does not say where the delivery is has not.
    """
    if status.status == JobState.SUCCESS:
        return status.bucket is not None and status.folder_path is not None
    return status.status in FINISHED


def record_status(ledger: Ledger, ref: int, status: JobStatus, now: datetime) -> None:
    """Record one answer about a job; words outside the vendor's API change nothing.

    One that FAILED or was CANCELLED closes its city-days as `job_failed`, with the
    vendor's words.
    """
    if status.status in (JobState.FAILED, JobState.CANCELLED):
        state = JobState(status.status)
        reason = f"{state}: {status.error_message or 'the vendor gives no reason'}"
        ledger.close_job(ref, state, CityDayState.JOB_FAILED, reason, now)
    elif status.status == JobState.SUCCESS and is_finished(status):
        ledger.mark_status(
            ref,
            JobState.SUCCESS,
            now,
            bucket=status.bucket,
            folder_path=status.folder_path,
        )
    elif status.status in (JobState.SCHEDULED, JobState.RUNNING):
        ledger.mark_status(ref, JobState(status.status), now)


def record_unknown(ledger: Ledger, job: VendorJob, now: datetime) -> None:
    """Close a job that the vendor does not know, so that its city-days can be asked."""
    reason = f"the vendor no longer knows {job.name}"
    ledger.close_job(job.ref, JobState.FAILED, CityDayState.JOB_FAILED, reason, now)
