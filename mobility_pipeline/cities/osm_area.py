"""Make the polygon of a boundary relation: its outer and inner ways, put together.

Source: wiki.openstreetmap.org/wiki/Relation:boundary. GEOS assembles (shapely's
`build_area`), islands in holes included. What it makes counts only where it has exactly
the relation's own lines, outer ways outside and inner ways as holes: nothing is closed,
dropped or turned round silently. (osm2geojson 0.3.3 closes open rings by a straight line
and merges an island with the area around its hole.)
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import shapely
from shapely.geometry import LineString, MultiLineString, Polygon

from mobility_pipeline.cities.boundaries import Position
from mobility_pipeline.errors import BoundaryRefusedError

_ROLES = ("outer", "inner")
_SLACK_DEGREES = 1e-6
"""Length of line, 0.1 m, by which numbers may differ after assembling."""
_SHOWN = 3

_Member = Mapping[str, Any]


def assemble(number: int, members: Sequence[_Member]) -> list[Polygon]:
    """Put the ways of a boundary relation together.

    Args:
        number: of the relation.
        members: as `out geom` gives them; nodes and relations among them are ignored.

    Returns:
        Its polygons, with their holes; EPSG:4326. At least one.

    Raises:
        BoundaryRefusedError: no ways, ways without geometry, rings that are not closed,
            or lines that make no outline.
    """
    name = f"relation/{number}"
    ways = [_read_way(name, member) for member in members if member["type"] == "way"]
    ways = [way for way in ways if way["role"] in _ROLES]
    if not any(way["role"] == "outer" for way in ways):
        raise BoundaryRefusedError(f"{name} has no outer ways: it is not an area")
    for role in _ROLES:
        _refuse_open_ends(name, [way for way in ways if way["role"] == role])
    area = shapely.build_area(MultiLineString([_line(way) for way in ways]))
    polygons = [part for part in shapely.get_parts(area) if isinstance(part, Polygon)]
    if polygons and _has_lines(polygons, ways):
        return polygons
    raise BoundaryRefusedError(
        f"the ways of {name} cross or overlap, so that they form no area: look at it on "
        "openstreetmap.org, or upload the boundary from another source"
    )


def _read_way(name: str, member: _Member) -> dict[str, Any]:
    geometry = cast("list[dict[str, float] | None]", member.get("geometry") or [])
    role = member.get("role") or "outer"  # no role means outer
    way = {**member, "role": role, "geometry": [node for node in geometry if node]}
    if role in _ROLES and (len(way["geometry"]) < 2 or None in geometry):
        raise BoundaryRefusedError(
            f"way/{member.get('ref')} of {name} came without its geometry: ask again later"
        )
    return way


def _line(way: _Member) -> LineString:
    return LineString([(node["lon"], node["lat"]) for node in way["geometry"]])


def _refuse_open_ends(name: str, ways: Sequence[_Member]) -> None:
    """Refuse ways that do not close: in rings each end meets an even number of ends."""
    ends: Counter[Position] = Counter()
    for way in ways:
        line = _line(way).coords
        ends.update([cast("Position", line[0]), cast("Position", line[-1])])
    loose = [f"[{lon:g}, {lat:g}]" for (lon, lat), count in ends.items() if count % 2]
    if loose:
        shown = ", ".join(loose[:_SHOWN]) + (", …" if len(loose) > _SHOWN else "")
        raise BoundaryRefusedError(
            f"the outline of {name} is not closed: it ends at {shown}; a way is missing "
            "in OpenStreetMap, so mend it there or upload the boundary"
        )


def _has_lines(polygons: Sequence[Polygon], ways: Sequence[_Member]) -> bool:
    """Return whether the polygons' shells are the outer ways, their holes the inner."""
    made = {
        "outer": [polygon.exterior for polygon in polygons],
        "inner": [hole for polygon in polygons for hole in polygon.interiors],
    }
    return all(
        shapely.symmetric_difference(
            MultiLineString([ring.coords for ring in made[role]]),
            MultiLineString([_line(way) for way in ways if way["role"] == role]),
        ).length
        <= _SLACK_DEGREES
        for role in _ROLES
    )
