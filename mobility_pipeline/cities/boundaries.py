"""What is wrong with a boundary: pure checks of a GeoJSON geometry from anybody."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from shapely.geometry import MultiPolygon, Polygon
from shapely.validation import explain_validity

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.quoting import quote

MIN_AREA_KM2 = 0.1
MAX_AREA_KM2 = 50_000
MIN_RADIUS_M = 1
MAX_RADIUS_M = 100_000

_MIN_RING_POSITIONS = 4
_MAX_POSITION_NUMBERS = 3
_MAX_PROJECTED = 1e8
"""Beyond any metre grid: whether rings cross is not asked of such numbers."""

Position = tuple[float, float]


def find_boundary_problems(geometry: object, radius_m: object) -> list[str]:
    """Name every problem of an area of interest; never raises, whatever the input.

    Args:
        geometry: a GeoJSON geometry as parsed from JSON, EPSG:4326, (lon, lat); heights
            are accepted and ignored.
        radius_m: metres around a Point; must be null for polygons.

    Returns:
        One sentence each; empty where the area can be bought.
    """
    if not isinstance(geometry, Mapping):
        return ["geometry is missing: it must be a Polygon, MultiPolygon or Point"]
    parts = cast("Mapping[str, object]", geometry)
    kind, coordinates = parts.get("type"), parts.get("coordinates")
    if kind == "Point":
        return _find_circle_problems(coordinates, radius_m)
    if kind not in ("Polygon", "MultiPolygon"):
        return [
            "geometry must be a Polygon, MultiPolygon or Point with radius_m, "
            f"not {quote(kind)}"
        ]
    problems = [] if radius_m is None else ["radius_m is only for a Point"]
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return problems + _find_polygon_problems(polygons)


def looks_swapped(positions: Sequence[Position]) -> bool:
    """Return whether positions are out of range, but would not be as (lat, lon)."""
    return not all(_in_range(position) for position in positions) and all(
        _in_range((latitude, longitude)) for longitude, latitude in positions
    )


def read_number(value: object) -> float | None:
    """Return a finite JSON number as float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _find_circle_problems(coordinates: object, radius_m: object) -> list[str]:
    problems: list[str] = []
    if _is_empty(coordinates):
        problems.append("geometry is empty")
    elif (centre := _read_position(coordinates)) is None:
        problems.append(_say_not_position("the Point", coordinates))
    else:
        problems += _find_range_problems([centre])
    radius = read_number(radius_m)
    if radius is None:
        problems.append(f"a Point needs radius_m, not {quote(radius_m)}")
    elif not MIN_RADIUS_M <= radius <= MAX_RADIUS_M:
        problems.append(
            f"radius_m {radius:g} is not between {MIN_RADIUS_M} and {MAX_RADIUS_M:,} m"
        )
    return problems


def _find_polygon_problems(polygons: object) -> list[str]:
    if not isinstance(polygons, list | tuple):
        return [f"coordinates are not a list: {quote(polygons)}"]
    members = cast("Sequence[object]", polygons)
    if not members or any(map(_is_empty, members)):
        return ["geometry is empty"]
    problems: list[str] = []
    shapes: list[list[list[Position]]] = []
    for label, polygon in _label("polygon", members):
        if not isinstance(polygon, list | tuple):
            problems.append(f"{label} is not a list of rings: {quote(polygon)}")
            continue
        shapes.append([])
        for ring_label, ring in _label("ring", cast("Sequence[object]", polygon)):
            where = ring_label if len(members) == 1 else f"{ring_label} of {label}"
            positions, ring_problems = _read_ring(where, ring)
            shapes[-1].append(positions)
            problems += ring_problems
    unreadable = any(
        len(ring) < _MIN_RING_POSITIONS for shape in shapes for ring in shape
    )
    if unreadable or len(shapes) < len(members):
        return problems
    return problems + _find_shape_problems(shapes)


def _read_ring(where: str, ring: object) -> tuple[list[Position], list[str]]:
    """Read a ring and close it; no positions where it cannot be a ring at all."""
    if not isinstance(ring, list | tuple):
        return [], [f"{where} is not a list of positions: {quote(ring)}"]
    positions: list[Position] = []
    for value in cast("Sequence[object]", ring):
        position = _read_position(value)
        if position is None:
            return [], [
                _say_not_position(f"position {len(positions) + 1} of {where}", value)
            ]
        positions.append(position)
    problems: list[str] = []
    if not positions:
        return [], [f"{where} is empty"]
    if positions[0] != positions[-1]:
        problems.append(f"{where} is not closed: its last position must be its first")
        positions.append(positions[0])
    if len(positions) < _MIN_RING_POSITIONS:
        return [], [
            *problems,
            f"{where} has fewer than {_MIN_RING_POSITIONS} positions",
        ]
    return positions, problems


def _find_shape_problems(shapes: Sequence[list[list[Position]]]) -> list[str]:
    positions = [position for shape in shapes for ring in shape for position in ring]
    problems = _find_range_problems(positions)
    if any(
        abs(number) > _MAX_PROJECTED for position in positions for number in position
    ):
        return problems
    shape = MultiPolygon([Polygon(shell, holes) for shell, *holes in shapes])
    if not shape.is_valid:
        problems.append(f"geometry is not valid: {explain_validity(shape)}")
    return problems or _find_area_problems(area_km2(shape, None))


def _find_range_problems(positions: Sequence[Position]) -> list[str]:
    outside = [position for position in positions if not _in_range(position)]
    if not outside:
        return []
    longitude, latitude = outside[0]
    text = (
        f"{len(outside)} of {len(positions)} positions are out of range, "
        f"first [{longitude:g}, {latitude:g}]"
    )
    if looks_swapped(positions):
        text += "; longitude and latitude look swapped: GeoJSON wants [lon, lat]"
    return [text]


def _find_area_problems(area: float) -> list[str]:
    if MIN_AREA_KM2 <= area <= MAX_AREA_KM2:
        return []
    return [
        f"area is {area:,.6g} km², not between {MIN_AREA_KM2} and {MAX_AREA_KM2:,} km²"
    ]


def _read_position(value: object) -> Position | None:
    if not isinstance(value, list | tuple):
        return None
    numbers = [read_number(number) for number in cast("Sequence[object]", value)]
    if not 2 <= len(numbers) <= _MAX_POSITION_NUMBERS or None in numbers:
        return None
    return cast("Position", tuple(numbers[:2]))


def _say_not_position(where: str, value: object) -> str:
    return f"{where} is not [longitude, latitude] in numbers: {quote(value)}"


def _in_range(position: Position) -> bool:
    return abs(position[0]) <= 180 and abs(position[1]) <= 90


def _is_empty(value: object) -> bool:
    return isinstance(value, list | tuple) and not value


def _label(word: str, members: Sequence[object]) -> Iterator[tuple[str, object]]:
    return ((f"{word} {number}", member) for number, member in enumerate(members, 1))
