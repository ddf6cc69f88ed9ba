"""Fewer vertices for a boundary, with what that changes."""

from dataclasses import dataclass
from math import cos, radians

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.uploads.repair import make_polygons_valid, only_polygons

MAX_VERTICES = 5_000
"""Above this a simplification is offered."""
DEGREE_M = 111_320
GRID_DEGREES = 1e-7
"""About 1 cm: what differs between two versions of PROJ is less, so that one file always
gives one boundary, and one area id."""

_FIRST_TOLERANCE_M = 0.5
_MAX_TOLERANCE_M = 5_000
_REFINEMENTS = 5


@dataclass(frozen=True)
class Simplification:
    """A boundary with fewer vertices."""

    geometry: Polygon | MultiPolygon
    """EPSG:4326, valid."""
    vertices: int
    """Fewer than MAX_VERTICES."""
    tolerance_m: float
    """How far the line may have moved."""
    area_before_km2: float
    area_after_km2: float
    moved_km2: float
    """Area that was inside and is outside now, and the other way round."""

    def describe(self, vertices_before: int) -> str:
        """Say in words what it changes."""
        difference = self.area_after_km2 - self.area_before_km2
        return (
            f"{vertices_before:,} vertices become {self.vertices:,} (the line moves by up "
            f"to {self.tolerance_m:.3g} m): {self.area_before_km2:,.3f} km² become "
            f"{self.area_after_km2:,.3f} km² ({difference:+,.3f} km², "
            f"{difference / self.area_before_km2:+.3%})"
        )


def count_vertices(geometry: Polygon | MultiPolygon) -> int:
    """Count positions, the closing one of each ring included."""
    # Its **kwargs have no type.
    return int(shapely.get_num_coordinates(geometry))  # pyright: ignore[reportUnknownMemberType]


def simplify_boundary(geometry: Polygon | MultiPolygon) -> Simplification | None:
    """Simplify just as far as needed to have fewer than MAX_VERTICES.

    Returns:
        Null where that cannot be: too many separate parts.
    """
    tolerance = _FIRST_TOLERANCE_M
    while (simple := _simplify(geometry, tolerance)) is None:
        tolerance *= 2
        if tolerance > _MAX_TOLERANCE_M:
            return None
    too_little = tolerance / 2
    for _ in range(_REFINEMENTS):
        middle = (too_little + tolerance) / 2
        if (candidate := _simplify(geometry, middle)) is None:
            too_little = middle
        else:
            simple, tolerance = candidate, middle
    moved = only_polygons(shapely.symmetric_difference(geometry, simple))
    return Simplification(
        geometry=simple,
        vertices=count_vertices(simple),
        tolerance_m=tolerance,
        area_before_km2=area_km2(geometry, None),
        area_after_km2=area_km2(simple, None),
        moved_km2=area_km2(moved, None),
    )


def unwrap_single(geometry: MultiPolygon) -> Polygon | MultiPolygon:
    """Return the one polygon of a MultiPolygon of one."""
    return geometry.geoms[0] if len(geometry.geoms) == 1 else geometry


def snap_to_grid(geometry: Polygon | MultiPolygon) -> MultiPolygon:
    """Round positions to GRID_DEGREES; the result is valid."""
    # Its **kwargs have no type.
    snapped = shapely.set_precision(geometry, GRID_DEGREES)  # pyright: ignore[reportUnknownMemberType]
    return make_polygons_valid(snapped)


def _simplify(
    geometry: Polygon | MultiPolygon, tolerance_m: float
) -> Polygon | MultiPolygon | None:
    """Simplify with one tolerance; null where too much is left, or nothing."""
    # Degrees of longitude are shorter than those of latitude: metres, roughly.
    scale = np.array([DEGREE_M * cos(radians(geometry.centroid.y)), DEGREE_M])
    metres = shapely.transform(geometry, lambda positions: positions * scale)
    simple = shapely.transform(
        metres.simplify(tolerance_m), lambda positions: positions / scale
    )
    polygons = snap_to_grid(make_polygons_valid(simple))
    if polygons.is_empty or count_vertices(polygons) >= MAX_VERTICES:
        return None
    return unwrap_single(polygons)
