"""Make the polygon of a boundary relation: its outer and inner ways, put together.

Source: wiki.openstreetmap.org/wiki/Relation:boundary. The osm2geojson library assembles;
it closes open rings by a straight line and drops what does not fit, so its result counts
only where it has exactly the relation's own lines.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

import osm2geojson
import shapely
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Polygon, shape

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
    lines = MultiLineString([_line(way) for way in ways])
    # The library groups neighbours by role; parts of one ring may stand apart.
    for ordered in (ways, sorted(ways, key=lambda way: way["role"], reverse=True)):
        area = _convert(number, ordered)
        if area is not None and _has_lines(area, lines):
            return [*area.geoms]
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


def _convert(number: int, ways: Sequence[_Member]) -> MultiPolygon | None:
    relation = {
        "type": "relation",
        "id": number,
        "tags": {"type": "multipolygon"},
        "members": [dict(way) for way in ways],
    }
    document = {"elements": [relation]}
    # What fails is seen by the caller; its log would hold the whole relation.
    features = osm2geojson.json2geojson(document, log_level="CRITICAL")["features"]
    geometries = [shape(feature["geometry"]) for feature in features]
    area = geometries[0] if len(geometries) == 1 else None
    return area if isinstance(area, MultiPolygon) else None


def _has_lines(area: MultiPolygon, lines: MultiLineString) -> bool:
    difference = shapely.symmetric_difference(area.boundary, lines)
    return area.is_valid and difference.length <= _SLACK_DEGREES
