"""What somebody drew on the map: read, mended where it crosses itself, shown in one piece."""

from collections.abc import Mapping
from typing import Any, cast

import shapely
from shapely.affinity import translate
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.uploads.repair import (
    crosses_antimeridian,
    cut_at_antimeridian,
    make_polygons_valid,
)
from mobility_pipeline.cities.uploads.simplify import unwrap_single

_HALF_TURN, _TURN = 180, 360

Drawing = tuple[Mapping[str, Any], float | None]
"""A GeoJSON geometry (lon, lat), and metres where it is a circle."""


def read_drawing(arguments: Mapping[str, Any]) -> Drawing | None:
    """Read what leaflet.draw says of a drawing; None where it says nothing usable.

    Returns:
        Positions to a centimetre.
    """
    try:
        layer: Mapping[str, Any] = arguments["layer"]
        if arguments.get("layerType") == "circle":
            point = {"type": "Point", "coordinates": _position(layer["_latlng"])}
            return point, round(float(layer["_mRadius"]), 1)
        ring = [_position(corner) for corner in layer["_latlngs"][0]]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    if not ring:
        return None
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, None


def read_moved(geometry: object) -> Mapping[str, Any] | None:
    """Read a polygon whose corners somebody moved; None where it is none.

    Args:
        geometry: GeoJSON, as Leaflet writes it.
    """
    if not isinstance(geometry, Mapping):
        return None
    polygon = cast("Mapping[str, Any]", geometry)
    if polygon.get("type") != "Polygon":
        return None
    try:
        rings = [
            [[round(float(lon), 7), round(float(lat), 7)] for lon, lat in ring]
            for ring in polygon["coordinates"]
        ]
    except (KeyError, TypeError, ValueError):
        return None
    return {"type": "Polygon", "coordinates": rings} if rings and rings[0] else None


def mend_drawing(geometry: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Repair a drawing that crosses itself or 180° of longitude, as uploads are repaired.

    Returns:
        The drawing, as it was where nothing can be mended; and what was done, in words.
    """
    if geometry.get("type") != "Polygon":
        return geometry, []
    try:
        drawn = shape(dict(geometry))
    except (ShapelyError, ValueError, TypeError):
        return geometry, []
    said: list[str] = []
    mended = drawn
    if crosses_antimeridian(mended):
        mended = cut_at_antimeridian(make_polygons_valid(mended))
        said.append("The drawing crosses 180° of longitude and was cut in two there.")
    elif not mended.is_valid:
        mended = make_polygons_valid(mended)
        said.append(
            f"The drawing was not valid ({explain_validity(drawn)}) and was repaired: "
            f"{area_km2(drawn, None):,.3f} km² before, "
            f"{area_km2(mended, None):,.3f} km² after."
        )
    if not said or mended.is_empty:
        return geometry, []
    return mapping(unwrap_single(make_polygons_valid(mended))), said


def in_one_piece(
    area: BaseGeometry, *, is_eastward: bool | None = None
) -> BaseGeometry:
    """Join an area that lies on both sides of 180°, for the eye only.

    Args:
        area: EPSG:4326.
        is_eastward: move what is west of Greenwich by a turn; null = where the area
            reaches from one end of the map to the other.

    Returns:
        The area, with longitudes up to 360 where it was joined.
    """
    if is_eastward is None:
        is_eastward = spans_antimeridian(area)
    if not is_eastward:
        return area
    parts = [
        translate(part, xoff=_TURN) if part.bounds[0] < 0 else part
        for part in shapely.get_parts(area)
    ]
    return shapely.union_all(parts)


def spans_antimeridian(area: BaseGeometry) -> bool:
    """Return whether parts of an area touch both ends of the map."""
    west, _, east, _ = area.bounds
    return west == -_HALF_TURN and east == _HALF_TURN


def _position(corner: Mapping[str, Any]) -> list[float]:
    return [round(float(corner["lng"]), 7), round(float(corner["lat"]), 7)]
