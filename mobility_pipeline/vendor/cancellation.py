"""Cancel a vendor job, without losing a delivery that came first."""

from collections.abc import Callable
from datetime import datetime

from mobility_pipeline.errors import VendorJobUnknownError, VendorPermanentError
from mobility_pipeline.vendor.client import JobStatus, VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.outcomes import (
    is_finished,
    record_status,
    record_unknown,
)
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob


def cancel_job(
    ledger: Ledger,
    client: VerasetClient,
    job: VendorJob,
    reason: str,
    *,
    now: Callable[[], datetime],
) -> VendorJob:
    """Cancel an open job at the vendor, and record what it is then.

    One that succeeded before the vendor could cancel it is paid for, so it is recorded
    as that; one that the vendor does not know is closed as failed.

    Args:
        ledger: has the job.
        client: the vendor.
        job: open.
        reason: said of the city-days that wait for it.
        now: the time, UTC.

    Returns:
        The job; look at its `state`. Still open where it succeeded and the vendor does
        not say yet where the delivery is.

    Raises:
        VendorPermanentError: it has no id yet, or the vendor refuses to cancel it.
        VendorTransientError: the vendor does not answer; nothing is recorded.
    """
    if job.job_id is None:
        raise VendorPermanentError(f"{job.name} cannot be cancelled: it has no id")
    try:
        status = _cancel(client, job.job_id)
    except VendorJobUnknownError:
        record_unknown(ledger, job, now())
        return ledger.job(job.ref)
    if status.status in (JobState.SUCCESS, JobState.FAILED):
        record_status(ledger, job.ref, status, now())
    else:
        state = CityDayState.JOB_FAILED
        ledger.close_job(job.ref, JobState.CANCELLED, state, reason, now())
    return ledger.job(job.ref)


def _cancel(client: VerasetClient, job_id: str) -> JobStatus:
    """Return what the vendor says after the cancellation, or after it refused."""
    try:
        client.cancel(job_id)
    except VendorJobUnknownError:
        raise
    except VendorPermanentError:
        status = client.job(job_id)
        if is_finished(status):
            return status
        raise
    return client.job(job_id)
