"""Submit requests one after the other, and record what becomes of each."""

from dataclasses import dataclass, field

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    AreasRefusedError,
    QuotaExceededError,
    VendorAuthenticationError,
    VendorPermanentError,
)
from mobility_pipeline.vendor.records import CityDayState, JobState, VendorJob
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline.vendor.sending import Sender


@dataclass
class Progress:
    """What one round of submitting did so far."""

    queue: list[tuple[JobRequest, frozenset[CityDay]]]
    """Still to be sent, the next one last."""
    quota_left: int | None
    by_recovery: bool = False
    quota_reason: str = ""
    """Why nothing more may be bought; empty while something may."""
    bought: list[VendorJob] = field(default_factory=list[VendorJob])
    deferred: set[CityDay] = field(default_factory=set[CityDay])
    refused: dict[CityDay, tuple[CityDayState, str]] = field(
        default_factory=dict[CityDay, tuple[CityDayState, str]]
    )


def submit_all(sender: Sender, progress: Progress) -> None:
    """Send what is queued, until all is sent or the quota is used up.

    Raises:
        VendorAuthenticationError: nothing of this job was bought; those before stay.
        VendorTransientError: the vendor does not answer; see `Sender.send`.
    """
    while progress.queue:
        _submit_next(sender, progress)


def _submit_next(sender: Sender, progress: Progress) -> None:
    request, days = progress.queue.pop()
    if progress.quota_left == 0 and not progress.quota_reason:
        progress.quota_reason = "VERASET_MONTHLY_JOBS is used up for this month"
    if progress.quota_reason:
        reason = progress.quota_reason
        sender.ledger.defer(request.feed.name, days, reason, sender.now())
        progress.deferred |= days
        return
    job = sender.ledger.add_planned(
        request, days, sender.now(), by_recovery=progress.by_recovery
    )
    try:
        progress.bought.append(sender.send(job))
    except VendorPermanentError as error:
        _give_up(sender, progress, request, days, job, error)
        return
    if progress.quota_left is not None:
        progress.quota_left -= 1


def _give_up(
    sender: Sender,
    progress: Progress,
    request: JobRequest,
    days: frozenset[CityDay],
    job: VendorJob,
    error: VendorPermanentError,
) -> None:
    """Record why the vendor did not sell a job; raise where no other can go on."""
    ledger, now = sender.ledger, sender.now()
    match error:
        case QuotaExceededError():
            progress.quota_reason = str(error)
            progress.deferred |= days
            state = CityDayState.DEFERRED_QUOTA
            ledger.close_job(job.ref, JobState.DEFERRED, state, str(error), now)
        case VendorAuthenticationError():
            ledger.withdraw(job.ref, str(error), now)
            raise error
        case AreasRefusedError():
            _go_on_without(sender, progress, request, days, job, error)
        case _:
            _refuse(sender, progress, job, days, error)


def _go_on_without(
    sender: Sender,
    progress: Progress,
    request: JobRequest,
    days: frozenset[CityDay],
    job: VendorJob,
    error: AreasRefusedError,
) -> None:
    """Give up the cities whose areas the vendor refused, and queue the others again."""
    refused = {
        area.city for area in job.areas if (area.kind, area.index) in error.areas
    }
    others = tuple(city for city in request.cities if city.key not in refused)
    if not refused or not others:
        _refuse(sender, progress, job, days, error)
        return
    reason = f"{', '.join(sorted(refused))}: {error}"
    lost = {
        day: (CityDayState.JOB_FAILED, reason) for day in days if day.city in refused
    }
    sender.ledger.settle(job.ref, lost, sender.now())
    sender.ledger.withdraw(job.ref, reason, sender.now())
    progress.refused |= lost
    remaining = days - lost.keys()
    if remaining:
        again = JobRequest(request.feed, request.start, request.end, others)
        progress.queue.append((again, remaining))


def _refuse(
    sender: Sender,
    progress: Progress,
    job: VendorJob,
    days: frozenset[CityDay],
    error: VendorPermanentError,
) -> None:
    state, reason = CityDayState.JOB_FAILED, str(error)
    sender.ledger.close_job(job.ref, JobState.REFUSED, state, reason, sender.now())
    progress.refused |= dict.fromkeys(days, (state, reason))
