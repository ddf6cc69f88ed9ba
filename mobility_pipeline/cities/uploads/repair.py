"""Shapes that are not quite polygons: crossing rings, slivers, the antimeridian."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import shapely
from shapely import affinity
from shapely.geometry import GeometryCollection, MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

_HALF_TURN, _TURN = 180, 360


def make_polygons_valid(shape: BaseGeometry) -> MultiPolygon:
    """Repair crossing rings; lines and points that come of it are no area and go.

    Returns:
        A valid MultiPolygon, empty where the shape has no area.
    """
    return only_polygons(shape if shape.is_valid else shapely.make_valid(shape))


def only_polygons(shape: BaseGeometry) -> MultiPolygon:
    """Return the polygons of any shape."""
    if isinstance(shape, Polygon):
        return MultiPolygon() if shape.is_empty else MultiPolygon([shape])
    if isinstance(shape, MultiPolygon):
        return shape
    if not isinstance(shape, GeometryCollection):
        return MultiPolygon()
    members = cast("Sequence[BaseGeometry]", shape.geoms)
    parts = [part for member in members for part in only_polygons(member).geoms]
    return MultiPolygon(parts)


def crosses_antimeridian(shape: BaseGeometry) -> bool:
    """Return whether a shape in degrees leaves ±180, or jumps from one end to the other."""
    west, _, east, _ = shape.bounds
    return west < -_HALF_TURN or east > _HALF_TURN or _jumps(shape)


def cut_at_antimeridian(shape: MultiPolygon | Polygon) -> MultiPolygon:
    """Cut a shape in two where it crosses ±180°, as RFC 7946 § 3.1.9 asks.

    Args:
        shape: in degrees, with longitudes from -360 to 360.
    """
    if _jumps(shape):
        # From the end of the map to its start is a short way, not one round the world.
        shape = shapely.transform(shape, _continue_eastward)
    shape = make_polygons_valid(shape)
    worlds = (
        affinity.translate(
            shape.intersection(box(-_HALF_TURN + turn, -90, _HALF_TURN + turn, 90)),
            xoff=-turn,
        )
        for turn in (-_TURN, 0, _TURN)
    )
    return only_polygons(
        shapely.union_all(
            [part for world in worlds for part in only_polygons(world).geoms]
        )
    )


def _jumps(shape: BaseGeometry) -> bool:
    polygons = only_polygons(shape).geoms
    rings = [ring for part in polygons for ring in (part.exterior, *part.interiors)]
    return any(
        abs(there[0] - here[0]) > _HALF_TURN
        for ring in rings
        for here, there in zip(ring.coords, ring.coords[1:], strict=False)
    )


def _continue_eastward(
    positions: np.ndarray[Any, np.dtype[np.float64]],
) -> np.ndarray[Any, np.dtype[np.float64]]:
    eastward = positions.copy()
    eastward[eastward[:, 0] < 0, 0] += _TURN
    return eastward
