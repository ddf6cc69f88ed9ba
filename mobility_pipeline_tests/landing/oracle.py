"""A splitter in plain Python: what `landing.split` has to agree with."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mobility_pipeline.vendor.request import Area

Row = dict[str, Any]


@dataclass(frozen=True)
class Expected:
    """What a date is split into."""

    rows: dict[str, list[Row]]
    """City key -> its rows, in order."""
    rejected: int
    """Rows that belong to no city."""


def split_rows(rows: Iterable[Row], areas: Sequence[Area]) -> Expected:
    """Split rows that are conformed already, one by one."""
    names = {f"{area.kind}_{area.index}": area for area in areas}
    names |= {area.area_id: area for area in areas}
    by_city: dict[str, list[Row]] = {area.city: [] for area in areas}
    rejected = 0
    for row in rows:
        named = [(name or "").strip() for name in row["poi_ids"] or []]
        found = {names[name] for name in named if name}
        rejected += not found
        stored = row | {"poi_ids": sorted(area.area_id for area in found)}
        for city in {area.city for area in found}:
            by_city[city].append(stored)
    for mine in by_city.values():
        mine.sort(key=_place)
    return Expected(by_city, rejected)


def write_rows(rows: Iterable[Row]) -> list[str]:
    """Write rows as text that equal rows have in common, NaN and all."""
    return [json.dumps(row, default=str, sort_keys=True) for row in rows]


def is_in_order(rows: Sequence[Row]) -> bool:
    """Whether rows are sorted by device and time, nulls last."""
    places = [_place(row)[:4] for row in rows]
    return places == sorted(places)


def _place(row: Row) -> tuple[Any, ...]:
    device, time = row["ad_id"], row["utc_timestamp"]
    return (device is None, device or "", time is None, str(time), *write_rows([row]))
