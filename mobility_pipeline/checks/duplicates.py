"""Is every ping of a city-day there once?"""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mobility_pipeline.checks.finding import Finding, failed, passed

NAME = "unique_pings"
COLUMNS = ("ad_id", "utc_timestamp", "latitude", "longitude")
"""Together they are one ping; a row with a null in any of them is not judged, since two
devices may have sent it."""


@dataclass(frozen=True)
class DuplicateCount:
    """Pings of a city-day that are there again."""

    rows: int
    judged: int
    """With none of `COLUMNS` null."""
    duplicates: int
    """Of those judged, beyond the first of its kind."""


class DuplicateCounter:
    """Counts duplicates of pings that come in batches, sorted by (ad_id, utc_timestamp).

    Equal pings lie together then, so only the end of a batch is kept for the next. Where a
    table is not sorted, duplicates far apart are not found.
    """

    def __init__(self) -> None:
        self._rows = self._judged = self._distinct = 0
        self._end: pa.Table | None = None
        """Distinct pings of the last device and time so far."""

    def watch(self, pings: pa.RecordBatch) -> None:
        """Take the next batch, which has `COLUMNS`."""
        self._rows += pings.num_rows
        table = pa.Table.from_batches([pings.select(list(COLUMNS))]).drop_null()
        if not table.num_rows:
            return
        self._judged += table.num_rows
        known = 0 if self._end is None else self._end.num_rows
        if self._end is not None:
            table = pa.concat_tables([self._end, table])
        distinct = table.group_by(list(COLUMNS), use_threads=False).aggregate([])
        self._distinct += distinct.num_rows - known
        device, instant = (table.column(name)[-1] for name in COLUMNS[:2])
        is_last = pc.and_(
            pc.equal(distinct.column("ad_id"), device),
            pc.equal(distinct.column("utc_timestamp"), instant),
        )
        self._end = distinct.filter(is_last)

    @property
    def count(self) -> DuplicateCount:
        """What was counted so far."""
        return DuplicateCount(self._rows, self._judged, self._judged - self._distinct)


def unique_pings(count: DuplicateCount) -> Finding:
    """Judge whether any ping is there twice.

    Args:
        count: of all pings of the city-day.

    Returns:
        One duplicate is an error.
    """
    numbers: dict[str, str | int | float] = {
        "rows": count.rows,
        "pings_judged": count.judged,
        "duplicates": count.duplicates,
    }
    if not count.judged:
        return passed(NAME, "no ping has device, time and position to judge", numbers)
    if count.duplicates:
        text = f"{count.duplicates} of {count.judged} pings are there again"
        return failed(NAME, text, numbers)
    return passed(NAME, f"each of {count.judged} pings is there once", numbers)
