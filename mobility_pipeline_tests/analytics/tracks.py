"""Generated tracks: people who dwell, walk on, and dwell again."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl

from mobility_pipeline.analytics.local_time import local_hours
from mobility_pipeline.analytics.regions import REGION_COLUMNS, RegionMap

DAY = date(2025, 6, 11)
START = datetime(2025, 6, 11, tzinfo=UTC)
_DEGREE_M = 111_195.0
_SILENCE_S = (1_800, 10_800)


class _NoRegions:
    """An index of nothing."""

    def find(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        return np.full(len(lon), -1)


NOWHERE = RegionMap("", "none", "", pl.DataFrame(schema=REGION_COLUMNS), _NoRegions())
"""A map without regions."""


def make_tracks(
    seed: int, *, devices: int, fixes: int, every_s: int = 60, silent: float = 0
) -> pl.DataFrame:
    """Make devices that stay for 5 to 60 fixes and then go 300 m to 3 km on.

    Args:
        seed: other tracks for another one.
        devices: how many.
        fixes: of each device, `every_s` seconds apart; none is farther than 60 m from
            where the device dwells.
        every_s: seconds between fixes.
        silent: share of the fixes that come after a silence of 30 to 180 minutes more.

    Returns:
        Rows of `POSITIONFIXES` around 10° E, 50° N, in no region.
    """
    random = np.random.default_rng(seed)
    place = _number_stays(random.integers(5, 60, (devices, fixes)))
    bearing = random.uniform(0, 2 * np.pi, (devices, fixes))
    hop_m = random.uniform(300, 3_000, (devices, fixes))
    x_m = np.take_along_axis(np.cumsum(hop_m * np.cos(bearing), axis=1), place, 1)
    y_m = np.take_along_axis(np.cumsum(hop_m * np.sin(bearing), axis=1), place, 1)
    x_m = x_m + random.uniform(-40, 40, x_m.shape)
    y_m = y_m + random.uniform(-40, 40, y_m.shape)
    is_silent = random.uniform(size=x_m.shape) < silent
    silence_s = is_silent * random.integers(*_SILENCE_S, x_m.shape)
    seconds = np.arange(fixes) * every_s + np.cumsum(silence_s, axis=1)
    at = pl.Series("at", seconds.ravel() * 1_000_000).cast(pl.Duration("us")) + START
    return pl.DataFrame(
        {
            "device_id": np.repeat([f"d{n:05d}" for n in range(devices)], fixes),
            "at": at.cast(pl.Datetime("us", "UTC")),
            "lat": 50 + y_m.ravel() / _DEGREE_M,
            "lon": 10 + x_m.ravel() / _DEGREE_M / np.cos(np.radians(50)),
        }
    ).with_columns(
        *local_hours(at.cast(pl.Datetime("us", "UTC")), "UTC"),
        horizontal_accuracy_m=pl.lit(10.0),
        is_inside=pl.lit(value=True),
        region_id=pl.lit(None, pl.String),
    )


def cut_at_silences(fixes: pl.DataFrame, silence_s: float) -> pl.DataFrame:
    """Make a device of its own, `d00001/2`, of what follows each silence of a device."""
    is_late = pl.col("at").diff().over("device_id") > timedelta(seconds=silence_s)
    stretch = is_late.fill_null(value=False).cum_sum().over("device_id")
    name = pl.concat_str("device_id", pl.lit("/"), stretch)
    return fixes.sort("device_id", "at").with_columns(device_id=name)


def _number_stays(lengths: np.ndarray) -> np.ndarray:
    """Return the number of the stay that each fix belongs to."""
    ends = np.cumsum(lengths, axis=1)
    device, stay = np.nonzero(ends < ends.shape[1])
    begins = np.zeros_like(ends)
    begins[device, ends[device, stay]] = 1
    return np.cumsum(begins, axis=1)
