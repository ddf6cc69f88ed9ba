"""Positionfixes and profiles written by hand, as the methods get them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from mobility_pipeline.lake.derived import empty_rows
from mobility_pipeline.schemas.derived import POSITIONFIXES

Fix = tuple[str, datetime, str | None]
"""Device, instant, region."""
Person = tuple[str, str | None, int | None]
"""Device, gender, age in years."""

_SCHEMA = empty_rows(POSITIONFIXES).schema


def make_fixes(fixes: Iterable[Fix], time_zone: str) -> pl.DataFrame:
    """Make a table of positionfixes; all stand at one point."""
    zone = ZoneInfo(time_zone)
    rows: list[tuple[object, ...]] = []
    for device_id, at, region_id in fixes:
        local = at.astimezone(zone)
        past = timedelta(
            minutes=local.minute, seconds=local.second, microseconds=local.microsecond
        )
        hour_at, place = at - past, (1.0, 2.0, None, True)
        rows.append(
            (device_id, at, local.date(), hour_at, local.hour, *place, region_id)
        )
    return pl.DataFrame(rows, _SCHEMA, orient="row")


def make_profiles(people: Iterable[Person]) -> pl.DataFrame:
    """Make the table that `read_profiles` returns."""
    schema = {"device_id": pl.String, "gender": pl.String, "age": pl.Int16}
    return pl.DataFrame(list(people), schema, orient="row")
