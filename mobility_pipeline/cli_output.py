"""What the command line says: one JSON document, or a table and one line per error."""

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import click
from rich.console import Console, Group
from rich.table import Table

from mobility_pipeline.cities.known import RefusedCity
from mobility_pipeline.vendor.records import VendorJob

DONE, MISSING, WRONG, STOPPED = 0, 1, 2, 130
"""Exit codes; 130 is what shells use for a command that was interrupted."""

_FILE_WIDTH = 160

STDERR = Console(stderr=True, highlight=False)

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")
"""Of every verb that answers."""


def answer(as_json: bool, document: Any, table: Group) -> None:
    """Print the result: the document on stdout, or the table."""
    if as_json:
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        # Where nobody looks at a terminal, keys and job ids stay whole.
        Console(width=None if sys.stdout.isatty() else _FILE_WIDTH).print(table)


def complain(error_type: str, message: str, code: int) -> int:
    """Print one error where the caller looks for it, and return the exit code."""
    if "--json" in sys.argv:
        document = {"error": {"type": error_type, "message": message}}
        sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
    else:
        STDERR.print(message, style="red", markup=False, soft_wrap=True)
    return code


def quieten_interrupts() -> None:
    """Keep tracebacks of Ctrl-C from stderr.

    Where it strikes while SQLAlchemy closes a connection, that is logged as an error, with
    its traceback, and raised on. Holds as long as nobody gives the root logger a handler.
    """
    if logging.lastResort is not None:
        logging.lastResort.addFilter(_is_no_interrupt)


def _is_no_interrupt(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return error is None or isinstance(error, Exception)


def warn_refused(refused: Iterable[RefusedCity]) -> None:
    """Name each refused city with every problem, on stderr."""
    for city in refused:
        STDERR.print(
            f"city {city.name} is refused: {'; '.join(city.problems)}",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )


def make_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None
) -> Group:
    """Make a table of plain text below its title; without rows there is only that."""
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(cell).replace("[", r"\[") for cell in row))
    lines = [title] if title else []
    return Group(*lines, *([table] if rows or not title else []))


def span(start: date, end: date) -> dict[str, str]:
    """Return a range of days, both ends included, as documents write it."""
    return {"from": start.isoformat(), "to": end.isoformat()}


def write_duration(seconds: int | None) -> str:
    """Write a duration in its two largest units, e.g. `3 d 4 h`; null is empty."""
    if seconds is None:
        return ""
    minutes = seconds // 60
    if minutes >= 24 * 60:
        return f"{minutes // (24 * 60)} d {minutes // 60 % 24} h"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {seconds % 60} s"


def job_document(job: VendorJob) -> dict[str, Any]:
    """Return one vendor job as `request` and `jobs` answer it."""
    return {
        "job_id": job.job_id,
        "feed": job.feed,
        "cities": len(job.areas),
        **span(job.start, job.end),
        "state": job.state.value,
    }
