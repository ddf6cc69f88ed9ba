"""Whether points are in a city's area."""

import numpy as np
import numpy.typing as npt

from mobility_pipeline.analytics.great_circle import distance_m
from mobility_pipeline.analytics.polygon_index import PolygonIndex
from mobility_pipeline.checks.place import is_inside as is_inside_exactly
from mobility_pipeline.cities.city import City

Degrees = npt.NDArray[np.float64]

_SPHERE_RATIO = 0.006
"""Distances on a sphere are up to 0.56 % off those on the ellipsoid."""


def is_inside(city: City, lon: Degrees, lat: Degrees) -> npt.NDArray[np.bool_]:
    """Return which points are in a city's area or on its rim.

    Says what `checks.place` says of each point; asks it only about those near the rim.

    Args:
        city: a polygon, or a geodesic disc around a point.
        lon: EPSG:4326 degrees, finite and in range.
        lat: the same.
    """
    if city.radius_m is None:
        return PolygonIndex([city.geometry]).find(lon, lat) >= 0
    center = city.geometry.centroid
    distances = distance_m(lon, lat, center.x, center.y)
    inside = distances <= city.radius_m
    unsure = np.abs(distances - city.radius_m) <= _SPHERE_RATIO * city.radius_m
    inside[unsure] = is_inside_exactly(lon[unsure], lat[unsure], city)
    return inside
