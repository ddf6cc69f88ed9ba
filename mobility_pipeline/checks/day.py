"""Do a city-day's pings lie on its UTC date?"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mobility_pipeline.checks.finding import Finding, failed, passed, warned

NAME = "utc_date_matches"
COLUMNS = ("utc_timestamp",)
MAX_UNTIMED_RATIO = 0.01
"""Times that are not readable are rare cells; more means that a column is broken."""


@dataclass(frozen=True)
class DateCount:
    """Pings by what their time says."""

    rows: int = 0
    timed: int = 0
    """With a time that is not null."""
    on_date: int = 0
    """Of those timed, on the UTC date."""

    def __add__(self, other: "DateCount") -> "DateCount":
        return DateCount(
            self.rows + other.rows,
            self.timed + other.timed,
            self.on_date + other.on_date,
        )


def count_on_date(pings: pa.RecordBatch, day: date) -> DateCount:
    """Count the pings of a batch that lie on a UTC date; a null time is on none."""
    times = pings.column("utc_timestamp")
    start = datetime.combine(day, time(), UTC)
    on_date = pc.and_(
        pc.greater_equal(times, pa.scalar(start, times.type)),
        pc.less(times, pa.scalar(start + timedelta(days=1), times.type)),
    )
    timed = len(times) - times.null_count
    return DateCount(len(times), timed, pc.sum(on_date).as_py() or 0)


def utc_date_matches(
    count: DateCount, *, max_untimed_ratio: float = MAX_UNTIMED_RATIO
) -> Finding:
    """Judge whether every ping with a time lies on the city-day's UTC date.

    Args:
        count: of all pings of the city-day.
        max_untimed_ratio: pings without a time, of all, above which it is a warning.

    Returns:
        One ping on another date is an error.
    """
    numbers = {
        "rows": count.rows,
        "pings_with_time": count.timed,
        "pings_on_date": count.on_date,
    }
    if not count.rows:
        return passed(NAME, "there are no pings to judge", numbers)
    if count.on_date < count.timed:
        text = (
            f"{count.timed - count.on_date} of {count.timed} pings are on another date"
        )
        return failed(NAME, text, numbers)
    untimed = count.rows - count.timed
    if untimed > max_untimed_ratio * count.rows:
        return warned(NAME, f"{untimed} of {count.rows} pings have no time", numbers)
    text = f"all {count.timed} pings with a time are on the date"
    return passed(NAME, text, numbers)
