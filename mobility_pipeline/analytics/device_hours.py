"""Who was where in which local hour, each once: what presence, flows and portraits count."""

from datetime import date

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_HOURS, POSITIONFIXES


def make_device_hours(fixes: pl.DataFrame, local_date: date) -> pl.DataFrame:
    """Gather the positionfixes of a local day by hour, region and device.

    Args:
        fixes: rows of `POSITIONFIXES` in any order, of all UTC days that overlap the local
            day; a row that is there twice counts once.
        local_date: day in the city's time zone.

    Returns:
        Rows of `DEVICE_HOURS`, sorted by its key: one per local hour, region and device;
        `fixes_count` counts the device's fixes there. Fixes in no region are in no row;
        empty where nobody was in a region.
    """
    key = list(DEVICE_HOURS.key)
    counted = (
        fixes.lazy()
        .filter(pl.col("local_date") == local_date, pl.col("region_id").is_not_null())
        .unique(list(POSITIONFIXES.key))
        .group_by([*key, "local_hour"])
        .agg(fixes_count=pl.len())
        .collect()
    )
    return shape_as(counted, DEVICE_HOURS)
