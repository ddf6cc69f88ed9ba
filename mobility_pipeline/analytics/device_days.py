"""Device-days: who was active on a day, how well observed, and how far around."""

import numpy as np
import numpy.typing as npt
import polars as pl

from mobility_pipeline.analytics.great_circle import distance_m
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_DAYS, POSITIONFIXES

_Floats = npt.NDArray[np.float64]
_Counts = npt.NDArray[np.int64]


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
    ordered = fixes.unique(key).sort(key)
    measured = ordered.group_by("device_id", maintain_order=True).agg(
        fixes_count=pl.len().cast(pl.Int64),
        observed_hours_count=pl.col("hour_at").n_unique(),
    )
    radius_m = _measure_radius_m(
        ordered["lon"].to_numpy(),
        ordered["lat"].to_numpy(),
        measured["fixes_count"].to_numpy(),
    )
    return shape_as(measured.with_columns(radius_of_gyration_m=radius_m), DEVICE_DAYS)


def _measure_radius_m(lon: _Floats, lat: _Floats, count: _Counts) -> _Floats:
    """Return the radius of each device, of its count of fixes that stand together.

    With numpy, which adds in the order of rows: means of polars differ in their last bits
    from run to run (2.1, one run in ten).
    """
    first = np.cumsum(count) - count

    def mean(values: _Floats) -> _Floats:
        return np.add.reduceat(values, first) / count

    x, y, z = (mean(axis) for axis in _unit_vectors(np.radians(lon), np.radians(lat)))
    center_lon = np.degrees(np.arctan2(y, x))
    center_lat = np.degrees(np.arctan2(z, np.hypot(x, y)))
    away_m = distance_m(
        lon, lat, np.repeat(center_lon, count), np.repeat(center_lat, count)
    )
    # Of one fix exactly 0: its centre is itself but for rounding.
    return np.where(count > 1, np.sqrt(mean(away_m**2)), 0.0)


def _unit_vectors(lon: _Floats, lat: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    return np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)
