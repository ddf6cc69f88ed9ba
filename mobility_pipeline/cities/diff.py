"""How two versions of a city differ: field by field, and the boundary by its size."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import Geod
from shapely.geometry import LinearRing, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import city_to_feature
from mobility_pipeline.cities.versions import CityChange

_WGS84 = Geod(ellps="WGS84")
_CIRCLE_POINTS = 512
"""A polygon of so many corners has 0.003 % less area than its circle."""


@dataclass(frozen=True)
class FieldDiff:
    """One property that differs; null where the city has none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class BoundaryDiff:
    """How two areas of interest differ; of a city that was not there, the area is 0."""

    area_id_before: str | None
    area_id_after: str | None
    area_before_km2: float
    area_after_km2: float
    vertices_before: int
    """A circle has one, its centre."""
    vertices_after: int
    symmetric_difference_km2: float
    """What lies in one of them only."""


@dataclass(frozen=True)
class CityDiff:
    """What differs between two versions of a city."""

    key: str
    fields: tuple[FieldDiff, ...]
    boundary: BoundaryDiff | None
    """None = the same boundary."""


def diff_changes(changes: Iterable[CityChange]) -> tuple[CityDiff, ...]:
    """Return the cities that differ, by key."""
    diffs = (
        diff_city(change.key, change.before, change.after)
        for change in sorted(changes, key=lambda change: change.key)
    )
    return tuple(diff for diff in diffs if diff is not None)


def diff_city(key: str, before: City | None, after: City | None) -> CityDiff | None:
    """Return what differs; None = nothing.

    Args:
        key: the city's.
        before: None = it was not there.
        after: None = it is no longer there.
    """
    old, new = _texts(before), _texts(after)
    fields = tuple(
        FieldDiff(name, old.get(name), new.get(name))
        for name in {**old, **new}
        if old.get(name) != new.get(name)
    )
    boundary = _diff_boundary(before, after)
    return CityDiff(key, fields, boundary) if fields or boundary else None


def outline(city: City) -> BaseGeometry:
    """Return the area of interest as polygons, EPSG:4326; a circle as its corners."""
    if city.radius_m is None:
        return city.geometry
    centre = city.geometry.centroid
    ones = np.ones(_CIRCLE_POINTS)
    lon, lat, _ = _WGS84.fwd(
        ones * centre.x,
        ones * centre.y,
        np.linspace(0, 360, _CIRCLE_POINTS, endpoint=False),
        ones * city.radius_m,
    )
    # In one piece also where it crosses the antimeridian.
    unwrapped = centre.x + (np.asarray(lon) - centre.x + 180) % 360 - 180
    return Polygon(np.column_stack([unwrapped, lat]))


def _diff_boundary(before: City | None, after: City | None) -> BoundaryDiff | None:
    if before and after and before.boundary_sha256 == after.boundary_sha256:
        return None
    return BoundaryDiff(
        area_id_before=before.area_id if before else None,
        area_id_after=after.area_id if after else None,
        area_before_km2=_area(before),
        area_after_km2=_area(after),
        vertices_before=_vertices(before),
        vertices_after=_vertices(after),
        symmetric_difference_km2=_symmetric_difference(before, after),
    )


def _symmetric_difference(before: City | None, after: City | None) -> float:
    if before is None or after is None:
        return _area(before) + _area(after)
    # In an order of their own, so that both directions give the very same number.
    one, other = sorted((before, after), key=lambda city: city.boundary_sha256)
    return _polygons_km2(shapely.symmetric_difference(outline(one), outline(other)))


def _polygons_km2(geometry: BaseGeometry) -> float:
    parts = shapely.get_parts(geometry).tolist()
    surfaces = [part for part in parts if isinstance(part, (Polygon, MultiPolygon))]
    return sum((area_km2(surface, None) for surface in surfaces), 0.0)


def _area(city: City | None) -> float:
    return area_km2(city.geometry, city.radius_m) if city else 0.0


def _vertices(city: City | None) -> int:
    """Count corners; the one a ring ends with is where it began."""
    if city is None:
        return 0
    if city.radius_m is not None:
        return 1
    polygons = shapely.get_parts(city.geometry).tolist()
    rings = [ring for polygon in polygons for ring in _rings(polygon)]
    return sum(len(ring.coords) - 1 for ring in rings)


def _rings(polygon: Polygon) -> list[LinearRing]:
    return [polygon.exterior, *polygon.interiors]


def _texts(city: City | None) -> dict[str, str]:
    if city is None:
        return {}
    properties = city_to_feature(city)["properties"]
    return {name: str(value) for name, value in properties.items() if name != "key"}
