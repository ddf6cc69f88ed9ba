"""Send one planned job, so that it is bought once, whatever happens on the way.

A submit that may have happened is looked up in the vendor's list before it is repeated:
the one job there that the ledger cannot explain, created in the window, is it. The
caller holds the submission lock, so there is at most one such job of ours.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from mobility_pipeline.backoff import wait_after
from mobility_pipeline.errors import VendorPermanentError, VendorTransientError
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import JobState, VendorJob

_LOG = logging.getLogger(__name__)

_ATTEMPTS = 6
_CLOCK_SKEW = timedelta(minutes=2)
"""How much the vendor's clock may differ from ours."""


@dataclass(frozen=True)
class Sender:
    """What sending takes: the two sides, and time."""

    ledger: Ledger
    client: VerasetClient
    now: Callable[[], datetime]
    sleep: Callable[[float], None]

    def resolve_interrupted(self) -> None:
        """Settle the jobs a dead process left unsent: adopt them, or take them back.

        City-days taken back are what they were before; whoever wants them asks again.

        Raises:
            VendorTransientError: the vendor does not answer; nothing is decided.
            VendorPermanentError: nor will it with this key.
        """
        for job in self.ledger.interrupted_jobs():
            job_id = self._find_left_behind(job) if _may_be_bought(job) else None
            if job_id is not None:
                _LOG.warning("adopted vendor job %s, left by a dead process", job_id)
                self.ledger.mark_submitted(job.ref, job_id, self.now())
            else:
                _LOG.warning("%s, left by a dead process, was never bought", job.name)
                reason = "the process died before the vendor had the request"
                self.ledger.withdraw(job.ref, reason, self.now())

    def send(self, planned: VendorJob) -> VendorJob:
        """Buy a planned job.

        Returns:
            The job with its id.

        Raises:
            VendorTransientError: all attempts failed. Where it may have happened, the
                next `resolve_interrupted` finds out; else the job is withdrawn.
            VendorPermanentError: the vendor refused it; nothing was bought.
        """
        job, began_at = planned, self.now()
        may_have_happened = False
        for attempt in count(1):
            self.ledger.mark_submitting(job.ref, self.now())
            try:
                job_id = self.client.submit(job.endpoint, job.body)
            except VendorTransientError as error:
                _LOG.warning("%s, attempt %d: %s", job.name, attempt, error)
                may_have_happened = may_have_happened or error.may_have_happened
                self.sleep(wait_after(attempt, error.retry_after_s))
                job_id = self._look_up(job, began_at) if may_have_happened else None
                if job_id is None and attempt == _ATTEMPTS:
                    raise self._given_up(job, error, may_have_happened) from error
            if job_id is not None:
                self.ledger.mark_submitted(job.ref, job_id, self.now())
                break
        return self.ledger.job(job.ref)

    def _given_up(
        self, job: VendorJob, error: VendorTransientError, may_have_happened: bool
    ) -> VendorTransientError:
        if not may_have_happened:
            self.ledger.withdraw(job.ref, str(error), self.now())
        return VendorTransientError(
            f"{job.feed} {job.start} to {job.end}, {len(job.areas)} areas: not "
            f"accepted in {_ATTEMPTS} attempts, ask again later: {error}",
            may_have_happened=may_have_happened,
        )

    def _look_up(self, job: VendorJob, began_at: datetime) -> str | None:
        try:
            return self._find_unexplained(job, began_at, self.now())
        except VendorPermanentError as error:
            # Not a refusal of the job: it may be bought, and stays to be resolved.
            raise VendorTransientError(
                f"{job.name} may have been bought, and cannot be looked up: {error}"
            ) from error

    def _find_left_behind(self, job: VendorJob) -> str | None:
        """Look for the job of an attempt during which a process died.

        Each attempt records when it began, so that the window is as narrow as one: what
        others buy on the same account later is not taken for ours.
        """
        sent_at = job.submitting_at or job.planned_at
        one_attempt = timedelta(seconds=self.client.longest_attempt_s)
        return self._find_unexplained(job, sent_at, sent_at + one_attempt)

    def _find_unexplained(
        self, job: VendorJob, began_at: datetime, ended_at: datetime
    ) -> str | None:
        """Return the id of the one job the vendor has and the ledger does not know."""
        earliest, latest = began_at - _CLOCK_SKEW, ended_at + _CLOCK_SKEW
        known = self.ledger.known_job_ids()
        found = [
            listed.id
            for listed in self.client.list_jobs()
            if listed.id not in known
            and listed.created_at is not None
            and earliest <= listed.created_at <= latest
        ]
        if len(found) > 1:
            _LOG.warning(
                "%s: cannot tell which of %d vendor jobs it is, so none: %s",
                job.name,
                len(found),
                ", ".join(found),
            )
        return found[0] if len(found) == 1 else None


def _may_be_bought(job: VendorJob) -> bool:
    return job.state is JobState.SUBMITTING
