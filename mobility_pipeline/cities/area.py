"""Geodesic size of an area of interest, on the WGS 84 ellipsoid."""

import math
from functools import lru_cache

from pyproj import Geod
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

_WGS84 = Geod(ellps="WGS84")
_M2_PER_KM2 = 1_000_000


@lru_cache(maxsize=4_096)  # of a registry's cities: tables ask for all, again and again
def area_km2(geometry: BaseGeometry, radius_m: float | None) -> float:
    """Measure a boundary in square kilometres.

    Args:
        geometry: EPSG:4326; Polygon or MultiPolygon, or Point.
        radius_m: metres around a Point, whose area is pi r²; unused for polygons.

    Returns:
        Not negative, whichever way rings turn; holes do not count.
    """
    if isinstance(geometry, MultiPolygon):
        return sum(_polygon_km2(polygon) for polygon in geometry.geoms)
    if isinstance(geometry, Polygon):
        return _polygon_km2(geometry)
    return math.pi * (radius_m or 0.0) ** 2 / _M2_PER_KM2


def _polygon_km2(polygon: Polygon) -> float:
    # Geod adds signed ring areas: without orient() a hole can count as land.
    oriented = orient(polygon)
    area_m2, _ = _WGS84.geometry_area_perimeter(oriented)  # pyright: ignore[reportUnknownMemberType]
    return abs(area_m2) / _M2_PER_KM2
