"""Dwell: how long a device was seen in a region, from its first fix there to its last."""

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DWELL, POSITIONFIXES


def measure_dwell(fixes: pl.DataFrame) -> pl.DataFrame:
    """Measure the dwell of each device in each region.

    Who left and came back dwelt from the first fix to the last, the time away included:
    an upper bound of the time in the region. One fix alone is a dwell of 0 s.

    Args:
        fixes: rows of `POSITIONFIXES` of one city and local day, in any order; a row that
            is there twice counts once.

    Returns:
        Rows of `DWELL`, sorted by its key; fixes in no region are in no row.
    """
    measured = (
        fixes.lazy()
        .filter(pl.col("region_id").is_not_null())
        .unique(list(POSITIONFIXES.key))
        .group_by("device_id", "region_id")
        .agg(
            first_at=pl.col("at").min(),
            last_at=pl.col("at").max(),
            fixes_count=pl.len(),
        )
        .with_columns(
            dwell_s=(pl.col("last_at") - pl.col("first_at")).dt.total_microseconds()
            / 1e6
        )
        .collect()
    )
    return shape_as(measured, DWELL)
