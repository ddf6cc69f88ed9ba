"""Real processes that land a vendor job, as a run does."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake import land
from mobility_pipeline.lake.land import LandingSite, land_job
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline_tests.processes import PROCESSES

INTERRUPTED = 130
"""Exit code of a process that Ctrl-C ended."""


@dataclass(frozen=True)
class Lander:
    """A running process, and what it says of itself."""

    process: ForkServerProcess
    told: Connection
    together: Barrier | None
    """Has to outlive the start of the processes that wait at it."""

    def workers(self) -> list[int]:
        """Return the ids of its own processes."""
        self.told.send("workers")
        workers: list[int] = self.told.recv()
        return workers

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGINT)

    def landed(self) -> list[CityDay]:
        """Wait for a process that ends well, and return the city-days it was given."""
        landed: list[CityDay] = self.told.recv()
        self.process.join(30)
        assert self.process.exitcode == 0
        return landed


def start_lander(
    ledger_url: str,
    ref: int,
    days: Sequence[date],
    site: LandingSite,
    together: Barrier | None = None,
    *,
    in_processes: bool = True,
) -> Lander:
    """Land a job in a process of its own, which has its own processes or none."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(
        target=_land,
        args=(ledger_url, ref, days, site, there, together, in_processes),
    )
    process.start()
    there.close()
    return Lander(process, here, together)


def _land(
    ledger_url: str,
    ref: int,
    days: Sequence[date],
    site: LandingSite,
    told: Connection,
    together: Barrier | None,
    in_processes: bool,
) -> None:
    if in_processes:
        land._SMALL_FILES = 0
    ledger = open_ledger(ledger_url)
    threading.Thread(target=_tell_workers, args=(told,), daemon=True).start()
    if together is not None:
        together.wait(30)
    landing = land_job(ledger.job(ref), days, ledger=ledger, site=site, now=_now)
    try:
        told.send([published.manifest.city_day for published in landing])
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _tell_workers(told: Connection) -> None:
    while told.recv() == "workers":
        told.send([child.pid for child in multiprocessing.active_children()])


def _now() -> datetime:
    return datetime.now(UTC)
