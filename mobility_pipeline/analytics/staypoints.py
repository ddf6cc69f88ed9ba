"""Staypoints: where a device dwelt, found in its positionfixes.

A staypoint begins at a fix, its anchor, and goes on while fixes are less than 200 m from
the anchor. The first fix beyond ends it and is the next anchor; it is kept if at least 20
minutes lie between both. Two things that pings ask for besides:

* after a silence of more than an hour nobody knows when a device left: the staypoint ends
  with its last fix before, and the fix after it is an anchor;
* so does the last one of the fixes, as nothing follows.

How long a silence is, is our choice: an hour is the step in which presence and flows see
devices. Fixes of one local day give staypoints of that day: midnight cuts them.

Two libraries find the same stops, the same starts and ends, where no device is silent
(tests and `python -m bench.staypoints` hold us against both):

* trackintel 1.4, `generate_staypoints(method="sliding", dist_threshold=200,
  time_threshold=20, gap_threshold=1e6, include_last=True)`: also the same centroids.
  Without `include_last` the last stop of each device is missing.
* scikit-mobility 1.3, `stay_locations(minutes_for_a_stop=20 - 1e-6,
  spatial_radius_km=0.2)`: it wants a stop to be longer than the time, not as long, and a
  fix to be farther than the distance to end it, not as far. It always keeps the last
  stop, and takes the median of the fixes for its place, without the device's last fix.

After a silence longer than `gap_threshold` or `no_data_for_minutes` both begin anew as we
do, but throw away what went before, however long the device had stayed. Given each stretch
between two silences as a device of its own, they find our stops again.

References:
    Li, Zheng, Xie, Chen, Liu, Ma (2008), Mining user similarity based on location history,
    GIS '08: the anchor, 200 m and 20 minutes. Hariharan, Toyama (2004), Project Lachesis,
    GIScience '04: of a stay all pairs of fixes are near each other, not each to its first.
"""

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from mobility_pipeline.analytics.great_circle import distance_m as great_circle_m
from mobility_pipeline.analytics.regions import RegionMap
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import POSITIONFIXES, STAYPOINTS

DISTANCE_M = 200.0
DURATION_S = 20 * 60.0
SILENCE_S = 60 * 60.0
_MICROSECONDS = 1_000_000

_Rows = npt.NDArray[np.int64]
_Degrees = npt.NDArray[np.float64]


def detect_staypoints(
    fixes: pl.DataFrame,
    regions: RegionMap,
    *,
    distance_m: float = DISTANCE_M,
    duration_s: float = DURATION_S,
    silence_s: float = SILENCE_S,
) -> pl.DataFrame:
    """Find where devices dwelt.

    Args:
        fixes: rows of `POSITIONFIXES` in any order; a row that is there twice counts once.
        regions: the city's layer: a staypoint is in the region of its centroid.
        distance_m: fixes nearer to the anchor than this belong to the staypoint.
        duration_s: shortest staypoint.
        silence_s: longest time between two fixes of a staypoint.

    Returns:
        Rows of `STAYPOINTS`, sorted by its key; those of one device do not overlap.
    """
    ids = fixes["device_id"].unique().sort()
    ordered = _order(fixes, ids)
    lon, lat = ordered["lon"].to_numpy(), ordered["lat"].to_numpy()
    device = ordered["device"].to_numpy()
    first, end, left = _find_stops(
        device,
        ordered["at"].to_physical().to_numpy(),
        lon,
        lat,
        distance_m,
        int(duration_s * _MICROSECONDS),
        int(silence_s * _MICROSECONDS),
    )
    center_lon, center_lat = _find_centers(first, end, lon, lat)
    found = pl.DataFrame(
        {
            "device_id": ids.gather(device[first]),
            "started_at": ordered["at"].gather(first),
            "finished_at": ordered["at"].gather(left),
            "lat": center_lat,
            "lon": center_lon,
            "fixes_count": end - first,
            "region_id": regions.assign(center_lon, center_lat),
        }
    )
    return shape_as(found, STAYPOINTS)


def _order(fixes: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Return each fix once, by device, instant and point; `device` = place in `ids`."""
    # Numbers sort many times faster than ids.
    numbers = pl.int_range(len(ids), eager=True)
    device = pl.col("device_id").replace_strict(ids, numbers, return_dtype=pl.Int64)
    key = ["device", *POSITIONFIXES.key[1:]]
    ordered = fixes.select(device.alias("device"), *key[1:]).sort(key)
    is_same = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in key)
    return ordered.filter(~is_same.fill_null(value=False))


@numba.njit
def _find_stops(
    device: _Rows,
    at: _Rows,
    lon: _Degrees,
    lat: _Degrees,
    reach_m: float,
    duration: int,
    silence: int,
) -> tuple[_Rows, _Rows, _Rows]:
    """Return of each stop its first row, the row after its last, and the row it ends at."""
    first = np.empty(len(at), np.int64)
    end = np.empty(len(at), np.int64)
    left = np.empty(len(at), np.int64)
    found = 0
    anchor = 0
    for row in range(1, len(at) + 1):
        is_over = row == len(at) or device[row] != device[anchor]
        is_over = is_over or at[row] - at[row - 1] > silence
        if not is_over:
            away_m = great_circle_m(lon[anchor], lat[anchor], lon[row], lat[row])
            if away_m < reach_m:
                continue
        leaves_at = row - 1 if is_over else row
        if at[leaves_at] - at[anchor] >= duration:
            first[found], end[found], left[found] = anchor, row, leaves_at
            found += 1
        anchor = row
    return first[:found], end[:found], left[:found]


@numba.njit
def _find_centers(
    first: _Rows, end: _Rows, lon: _Degrees, lat: _Degrees
) -> tuple[_Degrees, _Degrees]:
    """Return the mean of each stop's fixes, also across the antimeridian."""
    center_lon = np.empty(len(first), np.float64)
    center_lat = np.empty(len(first), np.float64)
    for stop in range(len(first)):
        anchor = first[stop]
        east = north = 0.0
        for row in range(anchor, end[stop]):
            east += (lon[row] - lon[anchor] + 540) % 360 - 180
            north += lat[row] - lat[anchor]
        count = end[stop] - anchor
        center_lon[stop] = (lon[anchor] + east / count + 540) % 360 - 180
        center_lat[stop] = lat[anchor] + north / count
    return center_lon, center_lat
