"""Wait for a vendor job, through whatever happens while polling it."""

import logging
from collections.abc import Callable
from datetime import datetime

from mobility_pipeline.errors import (
    VendorJobStillOpenError,
    VendorJobUnknownError,
    VendorPermanentError,
    VendorTransientError,
)
from mobility_pipeline.vendor.client import JobStatus, VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.outcomes import (
    FINISHED,
    is_finished,
    record_status,
    record_unknown,
)
from mobility_pipeline.vendor.records import JobState, VendorJob

_LOG = logging.getLogger(__name__)

_KNOWN = (*FINISHED, JobState.SCHEDULED, JobState.RUNNING)


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
        VendorJobUnknownError: the vendor does not know the job.
        VendorPermanentError: the vendor refuses the key, or the address is wrong.
    """
    seen: set[str] = set()
    while True:
        status = _poll(client, job_id, seen)
        if status is not None:
            on_status(status)
            if is_finished(status):
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
    vendor's words; so does one that the vendor no longer knows.

    Returns:
        The finished job; look at its `state`.

    Raises:
        VendorJobStillOpenError: the deadline passed; the job stays open in the ledger.
        VendorPermanentError: the key, the address, or the job was never sent.
    """
    current = ledger.job(job.ref)
    if not current.state.is_open:
        return current
    if current.job_id is None:
        raise VendorPermanentError(f"{current.name} cannot be waited for; ask again")

    def record(status: JobStatus) -> None:
        record_status(ledger, job.ref, status, now())
        if on_status is not None:
            on_status(status)

    try:
        wait_for_job(
            client,
            current.job_id,
            poll_seconds=poll_seconds,
            deadline=deadline,
            now=now,
            sleep=sleep,
            on_status=record,
        )
    except VendorJobUnknownError as error:
        _LOG.warning("vendor job %s is given up: %s", current.job_id, error)
        record_unknown(ledger, current, now())
    return ledger.job(job.ref)


def _poll(client: VerasetClient, job_id: str, seen: set[str]) -> JobStatus | None:
    try:
        status = client.job(job_id)
    except VendorTransientError as error:
        _LOG.warning("vendor job %s: %s; polling goes on", job_id, error)
        return None
    if status.status not in seen:
        seen.add(status.status)
        _warn_of(status)
    return status


def _warn_of(status: JobStatus) -> None:
    """Say why a job is waited for, where its status does not."""
    if status.status not in _KNOWN:
        _LOG.warning("vendor job %s: unknown status %s", status.job_id, status.status)
    elif status.status == JobState.SUCCESS and not is_finished(status):
        _LOG.warning(
            "vendor job %s: SUCCESS without an s3_location, so it is not known where the "
            "delivery is; waiting until the vendor says",
            status.job_id,
        )
