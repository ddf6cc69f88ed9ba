"""Real processes that erase a city-day."""

from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess

from mobility_pipeline.lake.erase import erase
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline_tests.lake.publisher import open_bucket
from mobility_pipeline_tests.lake.tables import DAY, FEED
from mobility_pipeline_tests.processes import PROCESSES


def start_eraser(url: str, ledger_url: str) -> ForkServerProcess:
    """Erase the city-day in a process of its own."""
    process = PROCESSES.Process(target=erase_day, args=(url, ledger_url))
    process.start()
    return process


def erase_day(url: str, ledger_url: str) -> None:
    """Erase the city-day."""
    erased = erase(
        FEED,
        Lake(open_bucket(url)),
        open_ledger(ledger_url),
        [DAY],
        reason="purged by ada",
        now=lambda: datetime.now(UTC),
    )
    assert [stock.city_day for stock in erased] == [DAY]
