"""Device-days: who was active on a day, how well observed, and how far around."""

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_DAYS, POSITIONFIXES

_EARTH_M = 6_371_008.8
"""Mean radius, IUGG."""
_AXES = ("x", "y", "z")


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
    points = fixes.lazy().unique(key).sort(key).with_columns(**_unit_vector())
    means = {f"mean_{axis}": pl.col(axis).mean().over("device_id") for axis in _AXES}
    length = sum(pl.col(name) ** 2 for name in means) ** 0.5
    chord = sum((pl.col(axis) - pl.col(f"mean_{axis}") / length) ** 2 for axis in _AXES)
    distance_m = 2 * _EARTH_M * (chord**0.5 / 2).clip(0, 1).arcsin()
    measured = (
        points.with_columns(**means)
        .with_columns(squared=distance_m**2)
        .group_by("device_id", maintain_order=True)
        .agg(
            fixes_count=pl.len(),
            observed_hours_count=pl.col("hour_at").n_unique(),
            radius_of_gyration_m=pl.when(pl.len() > 1)
            .then(pl.col("squared").mean() ** 0.5)
            .otherwise(0.0),
        )
        .collect()
    )
    return shape_as(measured, DEVICE_DAYS)


def _unit_vector() -> dict[str, pl.Expr]:
    lat, lon = pl.col("lat").radians(), pl.col("lon").radians()
    return {"x": lat.cos() * lon.cos(), "y": lat.cos() * lon.sin(), "z": lat.sin()}
