"""The deliveries we measure on: how many areas, dates, files and rows each has."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

GENERATOR = 1
"""Goes into every key: raise it when `people.py`, `rows.py` or `areas.py` change."""
PINGS_PER_DEVICE = 20
"""Mean per device and date."""


@dataclass(frozen=True)
class Shape:
    """One delivery, as data: equal shapes give equal bytes."""

    name: str
    areas: int
    dates: int
    files: int
    """Of all dates."""
    rows: int
    """Of all files."""
    has_small_files: bool = False
    """Sizes and types vary from file to file, as in deliveries of thousands of files."""
    seed: int = 7
    first_date: date = date(2024, 5, 1)

    @property
    def key(self) -> str:
        """Name and fingerprint: the vendor job's id, and the folder it is cached in."""
        fields = json.dumps([GENERATOR, asdict(self)], default=str, sort_keys=True)
        return f"{self.name}-{hashlib.sha256(fields.encode()).hexdigest()[:12]}"

    @property
    def days(self) -> tuple[date, ...]:
        """Its dates, ascending."""
        return tuple(self.first_date + timedelta(day) for day in range(self.dates))

    @property
    def files_by_date(self) -> tuple[int, ...]:
        """Files of each date."""
        return _share_out(self.files, self.dates)

    @property
    def rows_by_date(self) -> tuple[int, ...]:
        """Rows of each date: in proportion to its files."""
        per_file, more = divmod(self.rows, self.files)
        rows = [files * per_file for files in self.files_by_date]
        rows[0] += more
        return tuple(rows)

    def scaled(self, scale: float) -> "Shape":
        """Return the same areas and dates with fewer files of the same mean size.

        Args:
            scale: share of the rows to keep; where a date has one file left, that file
                shrinks.
        """
        if scale == 1:
            return self
        files = max(self.dates, round(self.files * scale))
        return replace(self, files=files, rows=max(files, round(self.rows * scale)))


def _share_out(count: int, places: int) -> tuple[int, ...]:
    each, more = divmod(count, places)
    return tuple(each + (place < more) for place in range(places))


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("many", 51, 31, 25_000, 25_000 * 11, has_small_files=True),
        Shape("mixed", 200, 3, 24, 20_000_000),
        Shape("huge", 200, 1, 72, 60_000_000),
        Shape("one_city", 1, 31, 31, 31 * 680_000),
    )
}

GROWTH = {
    name: {f"{name} at 1/{part}": 1 / part for part in (16, 4)}
    for name in ("many", "huge")
}
"""Delivery -> smaller ones with the same dates, and which share of its files they have."""
