"""Real processes that take landing locks."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline_tests.processes import PROCESSES


@contextmanager
def held_elsewhere(
    ledger_url: str, feed: str, day: date
) -> Iterator[ForkServerProcess]:
    """Let a process hold a lock as long as the block lasts, unless it is killed."""
    here, there = PROCESSES.Pipe()
    process = PROCESSES.Process(target=_hold, args=(ledger_url, feed, day, there))
    process.start()
    there.close()
    assert here.recv() == "held"
    yield process
    here.close()
    process.join(30)


def count_at_once(
    ledger_url: str, days: list[date], counter: Path, threads: int, rounds: int
) -> list[int | None]:
    """Let a process per day, with some threads each, add to a counter under its lock.

    Returns:
        Exit codes.
    """
    together = PROCESSES.Barrier(len(days) * threads)
    processes = [
        PROCESSES.Process(
            target=_count, args=(ledger_url, day, counter, threads, rounds, together)
        )
        for day in days
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def _hold(ledger_url: str, feed: str, day: date, told: Connection) -> None:
    with open_ledger(ledger_url).landing_lock(feed, day):
        told.send("held")
        told.poll(None)  # until the other end is closed


def _count(
    ledger_url: str,
    day: date,
    counter: Path,
    threads: int,
    rounds: int,
    together: Barrier,
) -> None:
    def count() -> None:
        ledger = open_ledger(ledger_url)
        together.wait(30)
        for _ in range(rounds):
            with ledger.landing_lock("pings_full", day):
                # Two at once here read the same number, and one addition is lost.
                counted = int(counter.read_text() or "0")
                counter.write_text(str(counted + 1))

    counting = [threading.Thread(target=count) for _ in range(threads)]
    for thread in counting:
        thread.start()
    for thread in counting:
        thread.join()
