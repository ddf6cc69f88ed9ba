"""Boundaries: from what was sent to polygons (EPSG:4326, lon/lat)."""

import hashlib
from typing import Any

import numpy as np
import shapely
from pyproj import Geod
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

_WGS84 = Geod(ellps="WGS84")
_CIRCLE_POINTS = 128


def circle(latitude: float, longitude: float, radius_m: float) -> BaseGeometry:
    """Return the geodesic circle as a polygon."""
    azimuths = np.linspace(0, 360, _CIRCLE_POINTS, endpoint=False)
    ones = np.ones(_CIRCLE_POINTS)
    lon, lat, _ = _WGS84.fwd(
        ones * longitude, ones * latitude, azimuths, ones * radius_m
    )
    return shapely.Polygon(np.column_stack([lon, lat]))


def geometry_from_geojson(value: dict[str, Any]) -> BaseGeometry:
    """Read a FeatureCollection, a Feature or a bare geometry.

    Raises:
        ValueError: it is none of these, or not a valid polygon.
    """
    try:
        if value.get("type") == "FeatureCollection":
            parts = [shape(feature["geometry"]) for feature in value["features"]]
            geometry = parts[0] if len(parts) == 1 else shapely.union_all(parts)
        else:
            geometry = shape(
                value["geometry"] if value.get("type") == "Feature" else value
            )
    except (
        ShapelyError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:
        raise ValueError(f"not a GeoJSON geometry: {error}") from error
    return _check(geometry)


def geometry_from_wkt(text: str) -> BaseGeometry:
    """Read well-known text.

    Raises:
        ValueError: it is not WKT of a valid polygon.
    """
    try:
        return _check(shapely.from_wkt(text))
    except ShapelyError as error:
        raise ValueError(f"not WKT: {error}") from error


def fingerprint(geometry: BaseGeometry) -> str:
    """Hash a boundary; equal boundaries give equal text, however they are written."""
    normal = shapely.normalize(shapely.force_2d(geometry))
    return hashlib.sha256(shapely.to_wkb(normal)).hexdigest()


def _check(geometry: BaseGeometry) -> BaseGeometry:
    if geometry.geom_type not in ("Polygon", "MultiPolygon"):
        raise ValueError(f"must be Polygon or MultiPolygon, not {geometry.geom_type}")
    if geometry.is_empty or not geometry.is_valid:
        raise ValueError(f"invalid geometry: {shapely.is_valid_reason(geometry)}")
    west, south, east, north = geometry.bounds
    if west < -180 or east > 180 or south < -90 or north > 90:
        raise ValueError("coordinates out of range: (longitude, latitude) expected")
    return shapely.force_2d(geometry)
