"""Wait for a vendor job, through whatever happens while polling it."""

import logging
from collections.abc import Callable
from datetime import datetime

from mobility_pipeline.errors import (
    VendorJobStillOpenError,
    VendorPermanentError,
    VendorTransientError,
)
from mobility_pipeline.vendor.client import JobStatus, VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob

_LOG = logging.getLogger(__name__)

_FINISHED = (JobState.SUCCESS, JobState.FAILED, JobState.CANCELLED)
_KNOWN = (*_FINISHED, JobState.SCHEDULED, JobState.RUNNING)


def wait_for_job(
    client: VerasetClient,
    job_id: str,
    *,
    poll_seconds: float,
    deadline: datetime,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    on_status: Callable[[JobStatus], None],
) -> JobStatus:
    """Poll a job until it has finished, well or badly; at least once.

    Errors that may pass never end the wait. A word outside the vendor's API means that
    it is still running; so does a SUCCESS that does not say where the delivery is.

    Args:
        client: the vendor.
        job_id: the vendor's.
        poll_seconds: between two polls.
        deadline: UTC.
        now: the time, UTC.
        sleep: waits that many seconds.
        on_status: called with each answer.

    Raises:
        VendorJobStillOpenError: the deadline passed; the job goes on without us.
        VendorPermanentError: the vendor does not know the job, or refuses the key.
    """
    seen: set[str] = set()
    while True:
        status = _poll(client, job_id, seen)
        if status is not None:
            on_status(status)
            if _is_finished(status):
                return status
        left_s = (deadline - now()).total_seconds()
        if left_s <= 0:
            raise VendorJobStillOpenError(
                f"vendor job {job_id} has not finished in time "
                "(VERASET_POLL_TIMEOUT_MINUTES); it stays open, run again to wait on"
            )
        sleep(min(poll_seconds, left_s))


def follow_job(
    ledger: Ledger,
    client: VerasetClient,
    job: VendorJob,
    *,
    poll_seconds: float,
    deadline: datetime,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    on_status: Callable[[JobStatus], None] | None = None,
) -> VendorJob:
    """Wait for a job and record how it goes; a finished one is returned as it is.

    One that FAILED or was CANCELLED closes its city-days as `job_failed`, with the
    vendor's words.

    Returns:
        The finished job; look at its `state`.

    Raises:
        VendorJobStillOpenError: the deadline passed; the job stays open in the ledger.
        VendorPermanentError: as `wait_for_job`, or the job was never sent.
    """
    current = ledger.job(job.ref)
    if not current.state.is_open:
        return current
    if current.job_id is None:
        raise VendorPermanentError(f"{current.name} cannot be waited for; ask again")

    def record(status: JobStatus) -> None:
        _record(ledger, job.ref, status, now())
        if on_status is not None:
            on_status(status)

    wait_for_job(
        client,
        current.job_id,
        poll_seconds=poll_seconds,
        deadline=deadline,
        now=now,
        sleep=sleep,
        on_status=record,
    )
    return ledger.job(job.ref)


def _poll(client: VerasetClient, job_id: str, seen: set[str]) -> JobStatus | None:
    try:
        status = client.job(job_id)
    except VendorTransientError as error:
        _LOG.warning("vendor job %s: %s; polling goes on", job_id, error)
        return None
    if status.status not in _KNOWN and status.status not in seen:
        seen.add(status.status)
        _LOG.warning("vendor job %s: unknown status %s", job_id, status.status)
    return status


def _is_finished(status: JobStatus) -> bool:
    if status.status == JobState.SUCCESS:
        return status.bucket is not None and status.folder_path is not None
    return status.status in _FINISHED


def _record(ledger: Ledger, ref: int, status: JobStatus, now: datetime) -> None:
    if status.status in (JobState.FAILED, JobState.CANCELLED):
        state = JobState(status.status)
        reason = f"{state}: {status.error_message or 'the vendor gives no reason'}"
        ledger.close_job(ref, state, CityDayState.JOB_FAILED, reason, now)
    elif status.status == JobState.SUCCESS and _is_finished(status):
        ledger.mark_status(
            ref,
            JobState.SUCCESS,
            now,
            bucket=status.bucket,
            folder_path=status.folder_path,
        )
    elif status.status in (JobState.SCHEDULED, JobState.RUNNING):
        ledger.mark_status(ref, JobState(status.status), now)
