"""The vendor's jobs: created, moving through their statuses, delivered, counted."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from mobility_pipeline.sandbox.delivery import Delivered, Order
from mobility_pipeline.sandbox.vendor_faults import FaultBoard

FINAL = ("SUCCESS", "FAILED", "CANCELLED")
FAILURE_TEXT = "Job failed: simulated failure while processing the request"
_SCHEDULED_RATIO = 0.2
"""Part of a job's time that it waits before it runs."""

Deliver = Callable[[Order, Callable[[], bool]], Delivered]


@dataclass
class Job:
    """One job; `status` is what the last look at it saw."""

    id: str
    request_id: str
    endpoint: str
    body: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    started_s: float
    """Monotonic seconds."""
    takes_s: float
    is_failing: bool
    bought_the_world: bool
    """The request named no area."""
    delivery: Future[Delivered] | None = None
    """Null where the job delivers nothing."""
    is_cancelled: threading.Event = field(default_factory=threading.Event)
    status: str = "SCHEDULED"
    error_message: str | None = None
    polls: int = 0


class JobBook:
    """Every job since the start or the last reset."""

    def __init__(
        self,
        board: FaultBoard,
        deliver: Deliver,
        job_seconds: float,
        monthly_jobs: int | None,
    ) -> None:
        self._board = board
        self._deliver = deliver
        self._job_seconds = job_seconds
        self._monthly_jobs = monthly_jobs
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="delivery")
        self._jobs: dict[str, Job] = {}
        self.submits = 0
        """POST requests that reached a job route, refused ones included."""

    def take_quota(self) -> bool:
        """Use one job of the quota up; false = none left."""
        month = datetime.now(UTC).strftime("%Y-%m")
        used = sum(j.created_at.strftime("%Y-%m") == month for j in self._jobs.values())
        if self._monthly_jobs is not None and used >= self._monthly_jobs:
            return False
        return self._board.current.quota is None or self._board.count_down("quota")

    def create(
        self,
        endpoint: str,
        body: dict[str, Any],
        order: Order,
        *,
        bought_the_world: bool = False,
    ) -> Job:
        """Create a job and start its delivery."""
        now = datetime.now(UTC)
        job = Job(
            id=order.job_id,
            request_id=str(uuid4()),
            endpoint=endpoint,
            body=body,
            created_at=now,
            updated_at=now,
            started_s=time.monotonic(),
            takes_s=self._job_seconds + order.faults.hold_seconds,
            is_failing=self._board.count_down("fail_jobs"),
            bought_the_world=bought_the_world,
        )
        with self._lock:
            self._jobs[job.id] = job
        if not job.is_failing:
            job.delivery = self._pool.submit(
                self._deliver, order, job.is_cancelled.is_set
            )
        return job

    def find(self, job_id: str) -> Job | None:
        """Return a job with its status of this moment."""
        job = self._jobs.get(job_id)
        if job is not None:
            self._refresh(job)
        return job

    def all(self) -> list[Job]:
        """Return every job with its status of this moment, oldest first."""
        jobs = list(self._jobs.values())
        for job in jobs:
            self._refresh(job)
        return jobs

    def see(self, job: Job) -> str:
        """Return the status one poll sees."""
        words = self._board.current.jobs_status_words
        job.polls += 1
        return words[job.polls - 1] if job.polls <= len(words) else job.status

    def cancel(self, job: Job) -> None:
        """Cancel a job that has not ended."""
        with self._lock:
            if job.status not in FINAL:
                job.is_cancelled.set()
                self._move(job, "CANCELLED")

    def reset(self) -> None:
        """Forget every job; returns when nothing is being delivered any more."""
        with self._lock:
            jobs, self._jobs, self.submits = list(self._jobs.values()), {}, 0
        for job in jobs:
            job.is_cancelled.set()
        for delivery in filter(None, (job.delivery for job in jobs)):
            if not delivery.cancel():
                delivery.exception()

    def _refresh(self, job: Job) -> None:
        with self._lock:
            if job.status not in FINAL:
                self._move(job, self._status_now(job))

    def _status_now(self, job: Job) -> str:
        elapsed_s = time.monotonic() - job.started_s
        if elapsed_s < _SCHEDULED_RATIO * job.takes_s:
            return "SCHEDULED"
        is_busy = job.delivery is not None and not job.delivery.done()
        if elapsed_s < job.takes_s or is_busy or self._board.current.never_finish:
            return "RUNNING"
        if job.is_failing:
            job.error_message = FAILURE_TEXT
            return "FAILED"
        if job.delivery is not None and (error := job.delivery.exception()) is not None:
            job.error_message = f"delivery failed: {error}"
            return "FAILED"
        return "SUCCESS"

    def _move(self, job: Job, status: str) -> None:
        if status != job.status:
            job.status, job.updated_at = status, datetime.now(UTC)
