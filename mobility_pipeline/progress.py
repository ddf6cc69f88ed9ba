"""Show on a terminal how far a request is, from the ledger."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import LedgerError
from mobility_pipeline.vendor.ledger import Ledger

_REFRESH_S = 2.0


@contextmanager
def show_progress(
    console: Console, ledger: Ledger, feed: str, city_days: frozenset[CityDay]
) -> Iterator[None]:
    """Show the city-days in the lake and the states of the vendor jobs meanwhile."""
    stop = Event()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("city-days"),
        TimeElapsedColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("planning", total=len(city_days))

        def update() -> None:
            records = ledger.records_of(feed, city_days)
            present = sum(record.state.is_present for record in records.values())
            refs = {record.job_ref for record in records.values() if record.job_ref}
            states = Counter(ledger.job(ref).state.value for ref in refs)
            text = ", ".join(f"{count} {state}" for state, count in states.items())
            progress.update(
                task, completed=present, description=f"vendor jobs: {text or 'none'}"
            )

        def watch() -> None:
            while not stop.wait(_REFRESH_S):
                with suppress(LedgerError):  # a picture of the work must not end it
                    update()

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            with suppress(LedgerError):
                update()
