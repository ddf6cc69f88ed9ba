"""Presence: how many distinct devices were in a region in a local hour."""

import polars as pl

from mobility_pipeline.analytics.portrait import count_by_portrait
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import PRESENCE


def count_presence(
    device_hours: pl.DataFrame, profiles: pl.DataFrame | None
) -> pl.DataFrame:
    """Count the devices of each region and hour, by portrait.

    Args:
        device_hours: rows of `DEVICE_HOURS` of one city and local day, each once.
        profiles: of `read_profiles`; null = nobody has one.

    Returns:
        Rows of `PRESENCE`, sorted by its key: portraits 0…6 of each region and hour with a
        device. A region and hour without row had no device, or was not observed: which
        of the two, the hours of the manifest say. A device that was in two regions within
        an hour counts in both, so sums over regions are not people.
    """
    by = ["hour_at", "local_hour", "region_id"]
    counts = {"devices_count": pl.lit(True)}
    return shape_as(count_by_portrait(device_hours, by, counts, profiles), PRESENCE)
