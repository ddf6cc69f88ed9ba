"""What is wrong with cities: every problem of one, every conflict between two."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, cast

from mobility_pipeline.cities.boundaries import find_boundary_problems
from mobility_pipeline.cities.countries import is_country_code
from mobility_pipeline.cities.places import find_place_problems
from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.time_zones import is_time_zone

if TYPE_CHECKING:
    from mobility_pipeline.cities.city import City

MAX_KEY_LENGTH = 200
STATUSES = ("active", "retired")

_KEY = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*(?:/[a-z0-9]+(?:_[a-z0-9]+)*){1,2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOT_TEXT = ("Cc", "Cs")


def find_problems(feature: object, path_key: str | None = None) -> list[str]:
    """Name every problem of one city; never raises, whatever the input.

    Args:
        feature: a GeoJSON Feature as parsed from JSON, see `geojson.py`.
        path_key: the key its file's path says; None = do not compare.

    Returns:
        One sentence each, the first word the member it is about; empty = a valid city.
    """
    if not isinstance(feature, Mapping):
        return [f"is not a GeoJSON Feature: {quote(feature)}"]
    members = cast("Mapping[str, object]", feature)
    if members.get("type") != "Feature":
        return [f"is not a GeoJSON Feature: type is {quote(members.get('type'))}"]
    properties = members.get("properties")
    if not isinstance(properties, Mapping):
        properties, problems = {}, ["properties are missing"]
    else:
        problems = _find_property_problems(
            cast("Mapping[str, object]", properties), path_key
        )
    fields = cast("Mapping[str, object]", properties)
    boundary = find_boundary_problems(members.get("geometry"), fields.get("radius_m"))
    code = fields.get("iso_country_code")
    if not boundary and is_country_code(code):
        boundary = find_place_problems(members["geometry"], code)
    return problems + boundary


def find_conflicts(cities: Iterable["City"]) -> dict[str, list[str]]:
    """Name every pair of cities that cannot be in one registry.

    Keys must be unique, no key may be the parent path of another, and area ids must be
    unique over active and retired cities, or a delivery could not be told apart.

    Returns:
        Key -> one sentence per conflict. Both cities of a pair are in it; who has to go
        is the caller's choice (`admit`).
    """
    listed = list(cities)
    conflicts: dict[str, list[str]] = {}
    by_key: dict[str, City] = {}
    by_area: dict[str, City] = {}
    for city in listed:
        if city.key in by_key:
            conflicts.setdefault(city.key, []).append(f"key {city.key} is not unique")
            continue
        by_key[city.key] = city
        twin = by_area.setdefault(city.area_id, city)
        if twin is not city:
            for one, other in ((twin, city), (city, twin)):
                conflicts.setdefault(one.key, []).append(
                    f"area_id {one.area_id} is also that of {other.key}: "
                    "same name and same boundary"
                )
    for key in by_key:
        for parent in _parents(key):
            if parent in by_key:
                conflicts.setdefault(parent, []).append(
                    f"key {parent} is the parent path of {key}"
                )
                conflicts.setdefault(key, []).append(
                    f"key {key} lies below {parent}, which is a city itself"
                )
    return conflicts


def admit(
    candidates: Iterable["City"], existing: Sequence["City"] = ()
) -> tuple[list["City"], dict[str, list[str]]]:
    """Take as many cities as go together, and say why the others do not.

    Who stays does not depend on their order: existing cities, then active before
    retired ones, then longer paths (of `chile/santiago` and `chile/santiago/renca` the
    first is refused: naming its state mends it), then the first in key order.

    Args:
        candidates: cities with different keys.
        existing: cities that stay in any case and do not conflict.

    Returns:
        The admitted candidates in key order; refused key -> its conflicts with those
        that stay.
    """
    ordered = sorted(candidates, key=_precedence)
    if not find_conflicts([*existing, *ordered]):
        return sorted(ordered, key=lambda city: city.key), {}
    admitted: list[City] = []
    refused: dict[str, list[str]] = {}
    for city in ordered:
        conflicts = find_conflicts([*existing, *admitted, city])
        if city.key in conflicts:
            refused[city.key] = conflicts[city.key]
        else:
            admitted.append(city)
    return sorted(admitted, key=lambda city: city.key), refused


def _find_property_problems(
    properties: Mapping[str, object], path_key: str | None
) -> list[str]:
    problems = _find_key_problems(properties.get("key"), path_key)
    for name in ("country", "city", "source"):
        problems += _find_text_problems(name, properties.get(name), required=True)
    for name in ("state_province", "legacy_prefix"):
        problems += _find_text_problems(name, properties.get(name), required=False)
    code = properties.get("iso_country_code")
    if not is_country_code(code):
        problems.append(
            f"iso_country_code {quote(code)} is not an ISO 3166-1 alpha-2 code"
        )
    zone = properties.get("time_zone")
    if not is_time_zone(zone):
        problems.append(f"time_zone {quote(zone)} is not an IANA time zone")
    status = properties.get("status")
    if status not in STATUSES:
        problems.append(f"status {quote(status)} is not active or retired")
    first_date = properties.get("first_date")
    if first_date is not None and not _is_date(first_date):
        problems.append(f"first_date {quote(first_date)} is not a date like 2024-01-31")
    return problems


def _find_key_problems(key: object, path_key: str | None) -> list[str]:
    problems: list[str] = []
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        problems.append(
            f"key {quote(key)} is not a path like country/state/city or "
            "country/city of a-z, 0-9 and single _ between words"
        )
    elif len(key) > MAX_KEY_LENGTH:
        problems.append(f"key has {len(key)} characters, more than {MAX_KEY_LENGTH}")
    if path_key is not None and key != path_key:
        problems.append(
            f"key {quote(key)} is not what its file's path says: {quote(path_key)}"
        )
    return problems


def _find_text_problems(name: str, value: object, *, required: bool) -> list[str]:
    if value is None and not required:
        return []
    if not isinstance(value, str):
        return [f"{name} {quote(value)} is not text"]
    if required and not value.strip():
        return [f"{name} is blank"]
    if any(unicodedata.category(character) in _NOT_TEXT for character in value):
        return [f"{name} {value!r} holds control characters"]
    return []


def _is_date(value: object) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _parents(key: str) -> list[str]:
    levels = key.split("/")
    return ["/".join(levels[:depth]) for depth in range(1, len(levels))]


def _precedence(city: "City") -> tuple[bool, int, str]:
    return (not city.is_active, -city.key.count("/"), city.key)
