"""Look up administrative boundaries in OpenStreetMap: candidates first, then one of them.

Nothing is chosen for anybody: a name may be that of a province, a city and a district,
in several states, and which of them is meant only the user knows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import shapely
from shapely.geometry import MultiPolygon, mapping
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.boundaries import Position, find_boundary_problems
from mobility_pipeline.cities.lookup_input import (
    check_country,
    check_point,
    clean_name,
    read_number,
)
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.cities.nominatim import find_points, find_whereabouts
from mobility_pipeline.cities.osm_area import assemble
from mobility_pipeline.cities.overpass import Relation, ask_overpass
from mobility_pipeline.cities.overpass_ql import (
    ask_for_around,
    ask_for_named,
    ask_for_relation,
)
from mobility_pipeline.cities.places import find_place_doubt
from mobility_pipeline.errors import BoundaryRefusedError, UsageError

MAX_CANDIDATES = 100

_LEVEL = re.compile(r"[0-9]{1,2}")
_NAME_TAG = re.compile(r"(?:[a-z]+_)?name(?::.+)?")


@dataclass(frozen=True)
class Candidate:
    """A boundary that may be the one meant."""

    osm_id: str
    """`relation/123`."""
    name: str
    """As people there write it; empty where it has none."""
    names: Mapping[str, str]
    """Every name by its tag: `{"name:en": "Abha", "alt_name": …}`."""
    admin_level: int | None
    """2 = country … 11 = neighbourhood; what a level means differs by country."""
    area_km2: float | None
    """Of a simplified outline; null where it has none, or it is not known."""
    place: str | None
    """`Esenler, İstanbul, Türkiye`; null where Nominatim does not know it."""
    bbox: tuple[float, float, float, float] | None
    """West, south, east, north."""
    found_by: Literal["name", "point"]
    """`point`: nothing bears the name, but it lies around what the name may mean."""


@dataclass(frozen=True)
class Boundary:
    """One boundary with its geometry: a valid area of interest."""

    osm_id: str
    name: str
    names: Mapping[str, str]
    admin_level: int | None
    geometry: BaseGeometry
    """Polygon or MultiPolygon, EPSG:4326."""
    area_km2: float
    vertices: int
    holes: int
    as_of: str
    """UTC instant of the data, as Overpass writes it."""

    @property
    def source(self) -> str:
        """Where it is from, as a city's `source`."""
        return (
            f"OpenStreetMap {self.osm_id} as of {self.as_of[:10]}, "
            "© OpenStreetMap contributors, ODbL"
        )


def find_boundaries(
    servers: MapServers,
    name: str,
    country: str,
    *,
    level: int | None = None,
    point: Position | None = None,
) -> list[Candidate]:
    """Find every administrative boundary that a name may mean.

    First those that bear the name, in any language. Where there is none, all that lie
    around the point, else around the points that Nominatim finds for the name.

    Args:
        servers: to ask.
        name: in any language and script.
        country: ISO 3166-1 alpha-2.
        level: only this `admin_level`.
        point: (lon, lat) that the boundary must lie around.

    Returns:
        Sorted by `admin_level` and number; empty where there is nothing.

    Raises:
        UsageError: a name, country or point that cannot be, or far too many boundaries.
        MapServerError: a server is busy or gave no answer.
        MapServerRefusedError: a server refused.
    """
    name = clean_name(name)
    check_country(country)
    if point is not None:
        check_point(point, country)
    found_by: Literal["name", "point"] = "name"
    question = ask_for_named(name, country, level, point)
    relations = ask_overpass(servers, question).elements
    if not relations:
        found_by = "point"
        points = [point] if point else find_points(servers, name, country)
        if points:
            question = ask_for_around(points, country, level)
            relations = ask_overpass(servers, question).elements
    if len(relations) > MAX_CANDIDATES:
        raise UsageError(
            f"{len(relations)} boundaries are called {name!r}: give a level or a point"
        )
    return _describe(servers, relations, found_by)


def fetch_boundary(servers: MapServers, osm_id: str, country: str) -> Boundary:
    """Fetch one boundary with its geometry.

    Args:
        servers: to ask.
        osm_id: `relation/123`.
        country: ISO 3166-1 alpha-2 that it must lie in.

    Raises:
        BoundaryRefusedError: it is not there, not administrative, not closed, too large,
            in another country, …: every problem named.
        UsageError: not a relation's id, or no country.
        MapServerError: Overpass is busy or gave no answer.
        MapServerRefusedError: Overpass refused.
    """
    check_country(country)
    number = read_number(osm_id)
    answer = ask_overpass(servers, ask_for_relation(number))
    relation = next((found for found in answer.elements if found.id == number), None)
    if relation is None:
        raise BoundaryRefusedError(f"there is no {osm_id} in OpenStreetMap")
    if relation.tags.get("boundary") != "administrative":
        raise BoundaryRefusedError(f"{osm_id} is not an administrative boundary")
    polygons = assemble(number, relation.members)
    geometry = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
    problems = find_boundary_problems(mapping(geometry), None)
    doubt = None if problems else find_place_doubt(mapping(geometry), country)
    problems += [doubt] if doubt else []
    if problems:
        raise BoundaryRefusedError(f"{osm_id}: {'; '.join(problems)}")
    return Boundary(
        osm_id=osm_id,
        name=relation.tags.get("name", ""),
        names=_names(relation),
        admin_level=_level(relation),
        geometry=geometry,
        area_km2=area_km2(geometry, None),
        vertices=len(shapely.get_coordinates(geometry)),
        holes=sum(len(polygon.interiors) for polygon in polygons),
        as_of=answer.osm3s.timestamp_osm_base,
    )


def boundary_feature(boundary: Boundary, **properties: Any) -> dict[str, Any]:
    """Describe a city with this boundary as a GeoJSON Feature, see `geojson.py`.

    Args:
        boundary: its area of interest.
        properties: of the city; `status` and `source` are given here.
    """
    return {
        "type": "Feature",
        "properties": {"status": "active", "source": boundary.source, **properties},
        "geometry": mapping(boundary.geometry),
    }


def _describe(
    servers: MapServers,
    relations: Sequence[Relation],
    found_by: Literal["name", "point"],
) -> list[Candidate]:
    numbers = sorted(relation.id for relation in relations)
    known = find_whereabouts(servers, numbers)
    candidates: list[tuple[int, int, Candidate]] = []
    for relation in relations:
        where = known.get(relation.id)
        box = relation.bounds
        candidate = Candidate(
            osm_id=f"relation/{relation.id}",
            name=relation.tags.get("name", ""),
            names=_names(relation),
            admin_level=_level(relation),
            area_km2=where.area_km2 if where else None,
            place=where.place if where else None,
            bbox=(box.minlon, box.minlat, box.maxlon, box.maxlat) if box else None,
            found_by=found_by,
        )
        order = 99 if candidate.admin_level is None else candidate.admin_level
        candidates.append((order, relation.id, candidate))
    return [candidate for *_, candidate in sorted(candidates, key=lambda c: c[:2])]


def _names(relation: Relation) -> dict[str, str]:
    return {tag: v for tag, v in relation.tags.items() if _NAME_TAG.fullmatch(tag)}


def _level(relation: Relation) -> int | None:
    text = relation.tags.get("admin_level", "")
    return int(text) if _LEVEL.fullmatch(text) else None
