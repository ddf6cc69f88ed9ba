"""Pages of a table over several days: in order, each row once, never half of two versions.

A cursor is `<day>.<row>.<digest>`: go on at that row of that day, if the day is still the
one that was begun.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import polars as pl

from mobility_pipeline.errors import QuestionRefusedError
from mobility_pipeline.serving.api.days import Day

CURSOR_PATTERN = r"^\d{4}-\d{2}-\d{2}\.\d{1,9}\.[0-9a-f]{8}$"
MAX_LIMIT = 10_000
DEFAULT_LIMIT = 1_000


@dataclass(frozen=True)
class Cursor:
    """Where a page starts."""

    day: date
    row: int
    digest: str
    """First digits of the day's; empty = whichever version is there."""

    def __str__(self) -> str:
        return f"{self.day}.{self.row}.{self.digest}"


@dataclass(frozen=True)
class Page:
    """Some rows in order, and where the next ones start; null = there are none."""

    rows: pl.DataFrame
    next: Cursor | None


def read_cursor(text: str | None, start: date, end: date) -> Cursor:
    """Read where a page starts; none = at the first day.

    Raises:
        QuestionRefusedError: it is none, or of other days.
    """
    if text is None:
        return Cursor(start, 0, "")
    if not re.fullmatch(CURSOR_PATTERN, text, re.ASCII):
        raise QuestionRefusedError("cursor is not one of ours")
    day, row, digest = text.split(".")
    try:
        cursor = Cursor(date.fromisoformat(day), int(row), digest)
    except ValueError:
        raise QuestionRefusedError("cursor names a day that is none") from None
    if not start <= cursor.day <= end:
        raise QuestionRefusedError("cursor is of other days: repeat the same question")
    return cursor


def read_page(
    days: Iterable[date],
    read: Callable[[date], Day | None],
    pick: Callable[[date, pl.DataFrame], pl.DataFrame],
    cursor: Cursor,
    limit: int,
) -> Page:
    """Collect the rows of a page.

    Args:
        days: to look at, ascending.
        read: gives a day; none = it is not there.
        pick: what is asked for of a day's rows, in their order.
        cursor: where the page starts.
        limit: rows of a page, at most.

    Raises:
        QuestionRefusedError: the day of the cursor changed since.
    """
    parts: list[pl.DataFrame] = []
    left = limit
    for day in days:
        found = read(day) if day >= cursor.day else None
        if found is None:
            continue
        is_first = day == cursor.day
        if is_first and not found.sha256.startswith(cursor.digest):
            raise QuestionRefusedError(
                f"{day} was derived anew since the last page: start again", day=str(day)
            )
        rows = pick(day, found.rows)
        start = cursor.row if is_first else 0
        if left == 0 and rows.height > start:
            return Page(pl.concat(parts), Cursor(day, 0, found.sha256[:8]))
        parts.append(rows.slice(start, left))
        left -= parts[-1].height
        if start + parts[-1].height < rows.height:
            next_row = start + parts[-1].height
            return Page(pl.concat(parts), Cursor(day, next_row, found.sha256[:8]))
    return Page(pl.concat(parts) if parts else pl.DataFrame(), None)
