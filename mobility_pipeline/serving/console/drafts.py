"""A city as it stands in the form, and what is to be said of it while it is edited."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
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
from mobility_pipeline.cities.moved_area import find_move_doubts
from mobility_pipeline.cities.places import find_place_doubt
from mobility_pipeline.cities.time_zones import find_time_zone
from mobility_pipeline.cities.validation import find_problems
from mobility_pipeline.serving.console.form_words import say_in_form, sort_problems

_WGS84 = Geod(ellps="WGS84")
_CIRCLE_POINTS = 72
_LEAST_OVERLAP_KM2 = 0.01
"""A hundredth of a km²: less is how neighbours are drawn."""
_OLDEST_DAY = date(2015, 1, 1)
"""Before it nobody sold pings of phones."""
_FARTHEST = timedelta(days=366)


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
    filled_time_zone: str = ""
    """What the boundary gave as time zone; it is followed until somebody types another."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a draft."""

    key: str
    problems: tuple[str, ...]
    """What must be mended before it can be saved, in the words of the form."""
    missing: tuple[str, ...]
    """What must be filled in before, likewise."""
    boundary_problems: tuple[str, ...]
    """Those problems that are about what was drawn; empty where nothing was."""
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
        filled_time_zone=_zone_of(city.geometry),
    )


def complete(draft: Draft, known: Cities) -> Draft:
    """Fill in what follows from the rest: the country's name, and the time zone."""
    code = draft.iso_country_code
    if not draft.country and is_country_code(code):
        spelling = known.country_spellings.get(code, country_name(code))
        draft = replace(draft, country=spelling)
    is_typed = draft.time_zone not in ("", draft.filled_time_zone)
    if not is_typed and not find_boundary_problems(draft.geometry, draft.radius_m):
        zone = _zone_of(shape(dict(draft.geometry or {})))
        draft = replace(draft, time_zone=zone, filled_time_zone=zone)
    return draft


def fill_blanks(draft: Draft, name: str, place: str) -> Draft:
    """Fill in the names that are blank from what a look-up found.

    Args:
        draft: with its country's code.
        name: of the boundary.
        place: it with what it lies in, `Esenler, İstanbul, Türkiye`; may be empty.
    """
    levels = [level.strip() for level in place.split(",")]
    # Between the name and the country; some servers put the postcode there, too.
    between = [level for level in levels[1:-1] if not level.isdecimal()]
    return replace(
        draft,
        city=draft.city if draft.city.strip() else name,
        state_province=draft.state_province
        if draft.state_province.strip()
        else (between[-1] if between else ""),
    )


def judge(draft: Draft, known: Cities, present: City | None, today: date) -> Verdict:
    """Say what is wrong with a draft, doubtful and remarkable.

    Args:
        draft: as typed and drawn.
        known: the registry.
        present: the city that is edited; None = a new one.
        today: UTC.
    """
    feature = to_feature(draft, present)
    key = feature["properties"]["key"]
    found = find_problems(feature, key)
    missing, wrong = sort_problems(found)
    if present is None and key in known.taken:
        wrong = (*wrong, f"Key {key} exists already: edit that city instead")
    boundary_problems = find_boundary_problems(draft.geometry, draft.radius_m)
    doubts = _find_date_doubts(draft.first_date, today)
    if boundary_problems:
        drawn = sort_problems(boundary_problems).wrong if draft.geometry else ()
        return Verdict(key, wrong, missing, drawn, tuple(doubts), None, {})
    geometry = shape(dict(draft.geometry or {}))
    is_swapped = any("look swapped" in problem for problem in found)
    if is_country_code(draft.iso_country_code) and not is_swapped:
        doubt = find_place_doubt(draft.geometry, draft.iso_country_code)
        doubts += [say_in_form(doubt)] if doubt else []
    zone = _zone_of(geometry)
    if draft.time_zone and zone and zone != draft.time_zone:
        doubts.append(
            f"Time zone is {draft.time_zone}, and the boundary lies in {zone}"
        )
    if present is not None:
        moved = replace(present, geometry=geometry, radius_m=draft.radius_m)
        doubts += map(say_in_form, find_move_doubts(present, moved))
    return Verdict(
        key,
        wrong,
        missing,
        (),
        tuple(doubts),
        area_km2(geometry, draft.radius_m),
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
    # Part by part: the box of an area on both sides of 180° is the whole world.
    boxes = [part.envelope.buffer(1) for part in shapely.get_parts(geometry)]
    around = shapely.union_all(boxes)
    return [
        mapping(outline(other.geometry, other.radius_m))
        for other in known.by_key.values()
        if other.key != key and around.intersects(other.geometry)
    ]


def _zone_of(geometry: BaseGeometry) -> str:
    inside = geometry.representative_point()
    return find_time_zone(inside.x, inside.y) or ""


def _find_date_doubts(first_date: str, today: date) -> list[str]:
    try:
        day = date.fromisoformat(first_date)
    except ValueError:
        return []
    if day < _OLDEST_DAY:
        return [f"First day {day} is before {_OLDEST_DAY:%Y}: is the year right?"]
    if day > today + _FARTHEST:
        return [f"First day {day} is more than a year ahead: is the year right?"]
    return []


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
