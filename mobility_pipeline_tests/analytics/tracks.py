"""Generated tracks: people who dwell, walk on, and dwell again."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from mobility_pipeline.analytics.local_time import local_hours

DAY = date(2025, 6, 11)
START = datetime(2025, 6, 11, tzinfo=UTC)
_DEGREE_M = 111_195.0


def make_tracks(
    seed: int, *, devices: int, fixes: int, every_s: int = 60
) -> pl.DataFrame:
    """Make devices that stay for 5 to 60 minutes and then go 300 m to 3 km on.

    Args:
        seed: other tracks for another one.
        devices: how many.
        fixes: of each device, `every_s` seconds apart; none is farther than 60 m from
            where the device dwells.
        every_s: seconds between fixes.

    Returns:
        Rows of `POSITIONFIXES` around 10° E, 50° N, in no region.
    """
    random = np.random.default_rng(seed)
    stay = random.integers(5, 60, (devices, fixes))
    # The number of the stay that each fix belongs to.
    place = (np.cumsum(stay, axis=1)[:, :, None] <= np.arange(fixes)).sum(axis=1)
    bearing = random.uniform(0, 2 * np.pi, (devices, fixes))
    hop_m = random.uniform(300, 3_000, (devices, fixes))
    x_m = np.take_along_axis(np.cumsum(hop_m * np.cos(bearing), axis=1), place, 1)
    y_m = np.take_along_axis(np.cumsum(hop_m * np.sin(bearing), axis=1), place, 1)
    x_m = x_m + random.uniform(-40, 40, x_m.shape)
    y_m = y_m + random.uniform(-40, 40, y_m.shape)
    seconds = np.tile(np.arange(fixes) * every_s, devices)
    at = pl.Series("at", seconds * 1_000_000).cast(pl.Duration("us")) + START
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
