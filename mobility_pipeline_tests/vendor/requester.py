"""Real processes that request city-days, and may kill themselves at a given point."""

import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier

from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.planner import Limits
from mobility_pipeline.vendor.submission import request_city_days
from mobility_pipeline_tests.processes import PROCESSES
from mobility_pipeline_tests.vendor.fake_vendor import KEY
from mobility_pipeline_tests.vendor.world import FULL, days_of, make_cities


class DyingLedger(Ledger):
    """A ledger whose process is killed just before, or just after, one step."""

    dies = ""

    def mark_submitting(self, ref: int, now: datetime) -> None:
        """Die around the step after which a job may have been sent."""
        self._die("before_submitting")
        super().mark_submitting(ref, now)
        self._die("after_submitting")

    def mark_submitted(self, ref: int, job_id: str, now: datetime) -> None:
        """Die around the step that stores the vendor's id."""
        self._die("before_submitted")
        super().mark_submitted(ref, job_id, now)
        self._die("after_submitted")

    def _die(self, point: str) -> None:
        if self.dies == point:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Requester:
    """A running process and where it tells the ids of its jobs."""

    process: ForkServerProcess
    answers: Connection
    together: Barrier
    """Has to outlive the start of the processes that wait at it."""

    def job_ids(self) -> list[str]:
        """Wait for a process that ends well, and return the ids of its jobs."""
        self.process.join(30)
        assert self.process.exitcode == 0
        job_ids: list[str] = self.answers.recv()
        return job_ids


def start_requests(
    ledger_url: str, vendor_url: str, *wishes: list[str], dies: str = ""
) -> list[Requester]:
    """Start one process per wish for three days of some cities; all ask together."""
    together = PROCESSES.Barrier(len(wishes))
    requesters: list[Requester] = []
    for cities in wishes:
        answers, tells = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(
            target=_request,
            args=(ledger_url, vendor_url, dies, cities, together, tells),
        )
        process.start()
        tells.close()
        requesters.append(Requester(process, answers, together))
    return requesters


def open_at_once(ledger_url: str, count: int) -> list[int | None]:
    """Open a ledger in some processes at the same moment; return their exit codes."""
    together = PROCESSES.Barrier(count)
    processes = [
        PROCESSES.Process(target=_open, args=(ledger_url, together))
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    return [process.exitcode for process in processes]


def _open(ledger_url: str, together: Barrier) -> None:
    together.wait(30)
    open_ledger(ledger_url).close()


def _request(
    ledger_url: str,
    vendor_url: str,
    dies: str,
    cities: list[str],
    together: Barrier,
    tells: Connection,
) -> None:
    ledger = DyingLedger(open_database(ledger_url))
    ledger.dies = dies
    client = VerasetClient(vendor_url, KEY, sleep=time.sleep)
    together.wait(30)
    asked = request_city_days(
        ledger,
        client,
        FULL,
        make_cities(4),
        {day for city in cities for day in days_of(city, 0, 1, 2)},
        Limits(),
        None,
        now=lambda: datetime.now(UTC),
        sleep=time.sleep,
    )
    tells.send([job.job_id for job in asked.jobs])
