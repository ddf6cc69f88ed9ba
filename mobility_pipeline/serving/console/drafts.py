"""A city as it stands in the form, and what is to be said of it while it is edited."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import shapely
from pyproj import Geod
from shapely.geometry import Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.boundaries import find_boundary_problems
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.countries import country_name, is_country_code
from mobility_pipeline.cities.geojson import city_from_feature
from mobility_pipeline.cities.keys import make_key
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.cities.places import find_move_doubt, find_place_doubt
from mobility_pipeline.cities.time_zones import find_time_zone
from mobility_pipeline.cities.uploads.repair import make_polygons_valid
from mobility_pipeline.cities.validation import find_problems

_WGS84 = Geod(ellps="WGS84")
_CIRCLE_POINTS = 72
_LEAST_OVERLAP_KM2 = 0.01
"""A hundredth of a km²: less is how neighbours are drawn."""


@dataclass(frozen=True)
class Draft:
    """A city that somebody is typing and drawing; anything may be wrong."""

    city: str = ""
    state_province: str = ""
    country: str = ""
    iso_country_code: str = ""
    time_zone: str = ""
    first_date: str = ""
    source: str = ""
    geometry: Mapping[str, Any] | None = None
    """GeoJSON, EPSG:4326."""
    radius_m: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a draft."""

    key: str
    problems: tuple[str, ...]
    """What must be mended before it can be saved."""
    doubts: tuple[str, ...]
    """What to look at again."""
    area_km2: float | None
    """Null where there is no valid boundary."""
    overlaps: Mapping[str, float]
    """Key of another city -> km² that both cover, the largest first."""


def draft_of(city: City) -> Draft:
    """Return a city as the form shows it."""
    return Draft(
        city=city.city,
        state_province=city.state_province,
        country=city.country,
        iso_country_code=city.iso_country_code,
        time_zone=city.time_zone,
        first_date=city.first_date.isoformat() if city.first_date else "",
        source=city.source,
        geometry=city.boundary(),
        radius_m=city.radius_m,
    )


def complete(draft: Draft, known: Cities) -> Draft:
    """Fill in what follows from the rest: the country's name, and the time zone."""
    code = draft.iso_country_code
    if not draft.country and is_country_code(code):
        spelling = known.country_spellings.get(code, country_name(code))
        draft = replace(draft, country=spelling)
    if not draft.time_zone and not find_boundary_problems(
        draft.geometry, draft.radius_m
    ):
        inside = shape(dict(draft.geometry or {})).representative_point()
        draft = replace(draft, time_zone=find_time_zone(inside.x, inside.y) or "")
    return draft


def judge(draft: Draft, known: Cities, present: City | None) -> Verdict:
    """Say what is wrong with a draft, doubtful and remarkable.

    Args:
        draft: as typed and drawn.
        known: the registry.
        present: the city that is edited; None = a new one.
    """
    feature = to_feature(draft, present)
    key = feature["properties"]["key"]
    problems = find_problems(feature, key)
    if present is None and key in known.taken:
        problems.append(f"key {key} exists already: edit that city instead")
    boundary_problems = find_boundary_problems(draft.geometry, draft.radius_m)
    if boundary_problems:
        return Verdict(key, tuple(problems), (), None, {})
    geometry = shape(dict(draft.geometry or {}))
    doubts: list[str] = []
    code = draft.iso_country_code
    is_swapped = any("look swapped" in problem for problem in problems)
    if is_country_code(code) and not is_swapped:
        doubt = find_place_doubt(draft.geometry, code)
        doubts += [doubt] if doubt else []
    inside = geometry.representative_point()
    zone = find_time_zone(inside.x, inside.y)
    if draft.time_zone and zone and zone != draft.time_zone:
        doubts.append(
            f"time_zone is {draft.time_zone}, and the boundary lies in {zone}"
        )
    size = area_km2(geometry, draft.radius_m)
    if present is not None:
        before = area_km2(present.geometry, present.radius_m)
        doubt = find_move_doubt(present.geometry, geometry, before, size)
        doubts += [doubt] if doubt else []
    return Verdict(
        key,
        tuple(problems),
        tuple(doubts),
        size,
        find_overlaps(geometry, draft.radius_m, known, key),
    )


def to_feature(draft: Draft, present: City | None) -> dict[str, Any]:
    """Describe a draft as a GeoJSON Feature, whatever is wrong with it."""
    key = (
        present.key
        if present
        else make_key(draft.country, draft.state_province, draft.city)
    )
    properties: dict[str, Any] = {
        "key": key,
        "city": draft.city.strip(),
        "state_province": draft.state_province.strip(),
        "country": draft.country.strip(),
        "iso_country_code": draft.iso_country_code,
        "time_zone": draft.time_zone,
        "status": present.status if present else "active",
        "source": draft.source.strip(),
    }
    if draft.first_date:
        properties["first_date"] = draft.first_date
    if draft.radius_m is not None:
        properties["radius_m"] = draft.radius_m
    if present is not None and present.legacy_prefix is not None:
        properties["legacy_prefix"] = present.legacy_prefix
    geometry = dict(draft.geometry) if draft.geometry else None
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def to_city(draft: Draft, present: City | None) -> City:
    """Make the city of a draft.

    Raises:
        CityRefusedError: it is not valid.
    """
    feature = to_feature(draft, present)
    return city_from_feature(feature, feature["properties"]["key"])


def mend_drawing(geometry: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Mend a drawing whose lines cross, as uploads are; says so, or nothing."""
    drawn = shape(dict(geometry))
    if not isinstance(drawn, Polygon) or drawn.is_valid:
        return geometry, ""
    parts = make_polygons_valid(drawn)
    if parts.is_empty:
        return geometry, ""
    mended = parts.geoms[0] if len(parts.geoms) == 1 else parts
    said = (
        f"The lines crossed: mended to {len(parts.geoms)} "
        f"part{'s' if len(parts.geoms) > 1 else ''} of {area_km2(mended, None):,.2f} km². "
        "Draw it again if that is not what you meant."
    )
    return mapping(mended), said


def find_overlaps(
    geometry: BaseGeometry, radius_m: float | None, known: Cities, key: str
) -> dict[str, float]:
    """Find the cities whose area a boundary shares, with how many km²; largest first."""
    area = outline(geometry, radius_m)
    shared: dict[str, float] = {}
    for other in known.by_key.values():
        if other.key == key or not _boxes_meet(area, other):
            continue
        common = area.intersection(outline(other.geometry, other.radius_m))
        size = sum(
            area_km2(part, None)
            for part in shapely.get_parts(common)
            if isinstance(part, Polygon)
        )
        if size > _LEAST_OVERLAP_KM2:
            shared[other.key] = size
    return dict(sorted(shared.items(), key=lambda item: -item[1]))


def outline(geometry: BaseGeometry, radius_m: float | None) -> BaseGeometry:
    """Return an area as polygons: a circle as a ring of points at its radius."""
    if radius_m is None:
        return geometry
    centre = geometry.representative_point()
    step = 360 / _CIRCLE_POINTS
    ring = [
        _WGS84.fwd(centre.x, centre.y, number * step, radius_m)[:2]
        for number in range(_CIRCLE_POINTS)
    ]
    return Polygon(ring)


def find_neighbours(
    geometry: BaseGeometry | None, known: Cities, key: str
) -> list[Any]:
    """Return the outlines (GeoJSON) of the cities within a degree of a boundary."""
    if geometry is None:
        return []
    around = geometry.envelope.buffer(1)
    return [
        mapping(outline(other.geometry, other.radius_m))
        for other in known.by_key.values()
        if other.key != key and around.intersects(other.geometry)
    ]


def _boxes_meet(area: BaseGeometry, other: City) -> bool:
    west, south, east, north = area.bounds
    # A circle's radius is below 100 km, so below 1.5° up to 47° and 3° up to 72°.
    slack = 0 if other.radius_m is None else 3
    box = other.geometry.bounds
    return (
        west <= box[2] + slack
        and box[0] - slack <= east
        and south <= box[3] + slack
        and box[1] - slack <= north
    )
