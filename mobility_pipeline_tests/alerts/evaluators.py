"""Real processes that evaluate alerts at one moment."""

from datetime import datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from uuid import uuid4

from mobility_pipeline.alerts.channels import LogChannel
from mobility_pipeline.alerts.problems import Assessment
from mobility_pipeline.alerts.sending import evaluate
from mobility_pipeline.alerts.store import open_alert_store
from mobility_pipeline_tests.alerts.made import NOW, make_problem
from mobility_pipeline_tests.processes import PROCESSES


def evaluate_at_once(ledger_url: str, told: Path, count: int) -> list[int | None]:
    """Let some processes find the same problem; each adds what it tells to a file."""
    together = PROCESSES.Barrier(count)
    processes = [
        PROCESSES.Process(target=_evaluate, args=(ledger_url, told, together))
        for _ in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def _evaluate(ledger_url: str, told: Path, together: Barrier) -> None:
    def write(text: str) -> None:
        with told.open("a") as file:
            file.write(text.splitlines()[0] + "\n")

    def assess(now: datetime) -> Assessment:
        del now
        return Assessment((make_problem(),))

    store = open_alert_store(ledger_url)
    together.wait(30)
    evaluate(
        store,
        assess,
        {"log": lambda: LogChannel(write)},
        now=lambda: NOW,
        make_uid=lambda: uuid4().hex,
    )
