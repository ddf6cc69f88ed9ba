"""OD matrix: how many devices went from which region to which, in a local day."""

from datetime import date

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import OD

_PAIR = [*OD.key[1:]]


def count_od(fixes: pl.DataFrame, local_date: date) -> pl.DataFrame:
    """Count origins and destinations of a local day.

    The fixes of a device stand in the order of (instant, region), so that two fixes of one
    instant give the same result in every run. Fixes in no region are left out: from one
    region through none into another is one change.

    Args:
        fixes: rows of `POSITIONFIXES` in any order, of all UTC days that overlap the local
            day; a row that is there twice counts once.
        local_date: day in the city's time zone.

    Returns:
        Rows of `OD`, sorted by its key. `first_last`: each device with a region that day
        once, from its first region to its last, also where they are equal. `consecutive`:
        each change of region, so origin and destination differ.
    """
    steps = _order(fixes, local_date)
    ends = steps.group_by("device_id", maintain_order=True).agg(
        origin_region_id=pl.col("region_id").first(),
        destination_region_id=pl.col("region_id").last(),
    )
    changes = steps.select(
        "device_id",
        origin_region_id=pl.col("region_id").shift(),
        destination_region_id="region_id",
        is_same_device=pl.col("device_id") == pl.col("device_id").shift(),
    ).filter("is_same_device", pl.col(_PAIR[0]) != pl.col(_PAIR[1]))
    counted = [_count(ends, "first_last"), _count(changes, "consecutive")]
    return shape_as(pl.concat(pl.collect_all(counted)), OD)


def _order(fixes: pl.DataFrame, local_date: date) -> pl.LazyFrame:
    order = ["device_id", "at", "region_id"]
    return (
        fixes.lazy()
        .filter(pl.col("local_date") == local_date, pl.col("region_id").is_not_null())
        .select(order)
        .sort(order)
    )


def _count(trips: pl.LazyFrame, kind: str) -> pl.LazyFrame:
    return (
        trips.group_by(_PAIR)
        .agg(devices_count=pl.col("device_id").n_unique(), trips_count=pl.len())
        .with_columns(kind=pl.lit(kind))
    )
