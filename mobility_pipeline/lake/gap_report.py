"""The gap report as a CSV file, with the columns its users have always had.

Shape: one row per feed, city and reason, sorted; ranges and dates are JSON.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.days import days_between
from mobility_pipeline.lake.coverage import Gap

_COLUMNS = (
    "country",
    "state_province",
    "city",
    "prefix",
    "missing_count",
    "missing_ranges",
    "missing_dates",
    "feed",
    "reason",
)


def write_gap_csv(path: Path, gaps: Iterable[Gap], cities: Mapping[str, City]) -> None:
    """Write the report; a city that is refused has no names in it, only its prefix."""

    def identity(gap: Gap) -> tuple[str, str, str]:
        return gap.feed, gap.city, gap.reason

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for (feed, key, reason), group in groupby(sorted(gaps, key=identity), identity):
            ranges = [*group]
            dates = [
                day.isoformat()
                for gap in ranges
                for day in days_between(gap.start, gap.end)
            ]
            city = cities.get(key)
            names = (city.country, city.state_province, city.city) if city else [""] * 3
            spans = [[gap.start.isoformat(), gap.end.isoformat()] for gap in ranges]
            writer.writerow(
                [
                    *names,
                    key,
                    len(dates),
                    json.dumps(spans),
                    json.dumps(dates),
                    feed,
                    reason,
                ]
            )
