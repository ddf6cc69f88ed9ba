"""Device-days: who was active on a day, how well observed, and how far around."""

import polars as pl

from mobility_pipeline.analytics.great_circle import distance_m
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_DAYS, POSITIONFIXES


def measure_device_days(fixes: pl.DataFrame) -> pl.DataFrame:
    """Measure each device that has a fix: its rows are the daily active devices.

    The radius of gyration is the root of the mean squared great-circle distance of the
    fixes from their centre of mass, which is the mean of their unit vectors.

    Args:
        fixes: rows of `POSITIONFIXES` of one city and local day, in any order; a row that
            is there twice counts once.

    Returns:
        Rows of `DEVICE_DAYS`, sorted by its key; a device with one fix has radius 0.

    References:
        González, Hidalgo, Barabási (2008), Understanding individual human mobility
        patterns, Nature 453.
    """
    key = list(POSITIONFIXES.key)
    # Sorted, since sums of floats depend on their order.
    points = fixes.lazy().unique(key).sort(key).with_columns(*_center()).collect()
    away_m = distance_m(
        *(
            points[name].to_numpy()
            for name in ("lon", "lat", "center_lon", "center_lat")
        )
    )
    measured = (
        points.lazy()
        .with_columns(squared=pl.Series(away_m) ** 2)
        .group_by("device_id", maintain_order=True)
        .agg(
            fixes_count=pl.len(),
            observed_hours_count=pl.col("hour_at").n_unique(),
            # Of one fix exactly 0: its centre is itself but for rounding.
            radius_of_gyration_m=pl.when(pl.len() > 1)
            .then(pl.col("squared").mean() ** 0.5)
            .otherwise(0.0),
        )
        .collect()
    )
    return shape_as(measured, DEVICE_DAYS)


def _center() -> tuple[pl.Expr, pl.Expr]:
    """Return longitude and latitude of each device's mean unit vector."""
    lat, lon = pl.col("lat").radians(), pl.col("lon").radians()
    axes = lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()
    x, y, z = (axis.mean().over("device_id") for axis in axes)
    center_lat = pl.arctan2(z, (x**2 + y**2).sqrt())
    return (
        pl.arctan2(y, x).degrees().alias("center_lon"),
        center_lat.degrees().alias("center_lat"),
    )
