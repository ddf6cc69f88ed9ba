"""Fixes that a device can't have reached since its last one."""

import numba
import numpy as np
import numpy.typing as npt

from mobility_pipeline.analytics.great_circle import distance_m

MAX_SPEED_KM_PER_H = 500
"""Faster than trains; a passenger in flight is in no city's region."""

_MAX_M_PER_US = MAX_SPEED_KM_PER_H * 1_000 / 3_600 / 1_000_000
_MIN_GAP_US = 1_000_000
"""Instants are often whole seconds: two of the same second may be a second apart."""


@numba.njit
def find_kept(
    device: npt.NDArray[np.int64],
    at_us: npt.NDArray[np.int64],
    lon: npt.NDArray[np.float64],
    lat: npt.NDArray[np.float64],
) -> npt.NDArray[np.bool_]:
    """Return which fixes are no teleports: not above 500 km/h from the last one kept.

    The first fix of a device is kept. Gaps below a second count as one.

    Args:
        device: number of each fix's device; equal ones stand together.
        at_us: microseconds, ascending within a device.
        lon: EPSG:4326 degrees.
        lat: the same.
    """
    is_kept = np.ones(len(device), np.bool_)
    last = 0
    for fix in range(1, len(device)):
        if device[fix] == device[last]:
            gap_us = max(at_us[fix] - at_us[last], _MIN_GAP_US)
            away_m = distance_m(lon[last], lat[last], lon[fix], lat[fix])
            is_kept[fix] = away_m <= gap_us * _MAX_M_PER_US
        if is_kept[fix]:
            last = fix
    return is_kept
