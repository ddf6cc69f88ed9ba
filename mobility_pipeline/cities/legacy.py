"""Import of the predecessor's `cities.json`.

Shape: a JSON list of `{city_id, country, state_province, city, latitude, longitude,
radius_meters | polygon_geojson, notification_email}`; numbers may be text, states
blank.
`notification_email` is personal data and `city_id` means nothing here: neither is
imported. Nothing is repaired or invented: what does not fit is refused by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from shapely.geometry import shape

from mobility_pipeline.cities.boundaries import find_boundary_problems, read_number
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.countries import find_country_code
from mobility_pipeline.cities.geojson import city_from_feature
from mobility_pipeline.cities.keys import make_key
from mobility_pipeline.cities.known import Cities, RefusedCity
from mobility_pipeline.cities.time_zones import find_time_zone
from mobility_pipeline.cities.validation import admit, find_problems
from mobility_pipeline.errors import UsageError

SOURCE = "imported from cities.json"

_Record = Mapping[str, object]
_PLACE = ("country", "state_province", "city")


@dataclass(frozen=True)
class Imported:
    """What an import gives; nothing is stored yet."""

    cities: tuple[City, ...]
    """Valid cities with keys of their own that go with each other and the existing."""
    refused: tuple[RefusedCity, ...]
    """The other records in their order, by the name people write."""


def import_legacy(records: object, existing: Cities) -> Imported:
    """Turn the predecessor's records into cities.

    Of two records that make one key the first is taken. Of a key and its parent path
    (`chile/santiago/renca`, `chile/santiago`) the parent is refused, whichever comes
    first: naming its state mends it. Cities that exist already always stay.

    Args:
        records: the parsed `cities.json`.
        existing: the registry the cities will be added to.

    A country is written as in the registry, else as in its first record: Turkey, turkiye
    and Türkiye are one.

    Raises:
        UsageError: it is not a list.
    """
    if not isinstance(records, list):
        raise UsageError("cities.json must be a list of city records")
    cities: dict[str, City] = {}
    spellings = dict(existing.country_spellings)
    names: dict[str, _Named] = {}
    refused: dict[_Named, Sequence[str]] = {}
    for number, item in enumerate(cast("list[object]", records), 1):
        record = cast("_Record", item if isinstance(item, Mapping) else {})
        named = _Named(number, _make_name(record) or f"record {number}")
        city, problems = _read_record(record, spellings)
        problems = problems or _find_repeat(city, existing, cities, names)
        if city is None or problems:
            refused[named] = problems
        else:
            cities[city.key], names[city.key] = city, named
            spellings.setdefault(city.iso_country_code, city.country)
    admitted, conflicts = admit(cities.values(), tuple(existing.by_key.values()))
    refused |= {names[key]: _explain(texts) for key, texts in conflicts.items()}
    return Imported(
        cities=tuple(admitted),
        refused=tuple(
            RefusedCity(named.name, tuple(refused[named])) for named in sorted(refused)
        ),
    )


@dataclass(frozen=True, order=True)
class _Named:
    number: int
    """Of the record, from 1."""
    name: str


def _make_name(record: _Record) -> str:
    words = [_text(record, field) for field in reversed(_PLACE)]
    return ", ".join(word for word in words if word)


def _read_record(
    record: _Record, spellings: Mapping[str, str]
) -> tuple[City | None, list[str]]:
    if not record:
        return None, ["is not an object with city, country and coordinates"]
    country, state_province, city = (_text(record, field) for field in _PLACE)
    code = find_country_code(country)
    country = spellings.get(code or "", country)
    key = make_key(country, state_province, city)
    geometry, radius_m = _read_boundary(record)
    time_zone = _find_zone(record, geometry, radius_m)
    properties: dict[str, Any] = {
        "key": key,
        "country": country,
        "state_province": state_province,
        "city": city,
        "iso_country_code": code,
        "time_zone": time_zone,
        "status": "active",
        "source": SOURCE,
        "radius_m": radius_m,
        "legacy_prefix": _make_legacy_prefix(record),
    }
    feature = {"type": "Feature", "properties": properties, "geometry": geometry}
    problems = _reword(find_problems(feature), properties)
    return (None, problems) if problems else (city_from_feature(feature, key), [])


def _read_boundary(record: _Record) -> tuple[object, object]:
    """Return the geometry, and the radius where it is a Point."""
    polygon = record.get("polygon_geojson")
    if not polygon:
        position = [_number(record.get("longitude")), _number(record.get("latitude"))]
        point = {"type": "Point", "coordinates": position}
        return point, _number(record.get("radius_meters"))
    if isinstance(polygon, Mapping):
        document = cast("Mapping[str, object]", polygon)
        features = document.get("features")
        if isinstance(features, list) and len(cast("list[object]", features)) == 1:
            return _geometry(cast("list[object]", features)[0]), None
    return _geometry(cast("object", polygon)), None


def _geometry(document: object) -> object:
    """Return a Feature's geometry; what is none stays as it is, to be named."""
    if not isinstance(document, Mapping):
        return document
    members = cast("Mapping[str, object]", document)
    return members.get("geometry", members)


def _find_zone(record: _Record, geometry: object, radius_m: object) -> str | None:
    """Find the time zone of the record's point, else of a point inside its boundary."""
    longitude = read_number(_number(record.get("longitude")))
    latitude = read_number(_number(record.get("latitude")))
    if longitude is None or latitude is None:
        if find_boundary_problems(geometry, radius_m):
            return None
        inside = shape(cast("Any", geometry)).representative_point()
        longitude, latitude = inside.x, inside.y
    if abs(longitude) > 180 or abs(latitude) > 90:
        return None
    return find_time_zone(longitude, latitude)


def _reword(problems: Sequence[str], properties: Mapping[str, Any]) -> list[str]:
    """Say what is wrong in the words of the record, not of the file it would become."""
    words = {
        "key": "the names give no key: each of country, state and city needs a letter "
        "or digit that can be written in ASCII",
        "iso_country_code": f"country {properties['country']!r} is not known: use its "
        "English name as in ISO 3166",
        "time_zone": "latitude and longitude lie in no time zone: on the open sea, "
        "swapped or missing",
    }
    firsts = [problem.split(" ", 1)[0] for problem in problems]
    # Without a good boundary no time zone was looked for: that is no second problem.
    bad_boundary = any(first not in properties for first in firsts)
    return [
        words.get(first, problem)
        for first, problem in zip(firsts, problems, strict=True)
        if not (bad_boundary and first == "time_zone")
    ]


def _find_repeat(
    city: City | None,
    existing: Cities,
    cities: Mapping[str, City],
    names: Mapping[str, _Named],
) -> list[str]:
    if city is None:
        return []
    if any(refused.name == city.key for refused in existing.refused):
        return [f"the registry has a file of key {city.key} that is refused: mend that"]
    if city.key in existing.by_key:
        twin, whose = existing.by_key[city.key], "the registry's city"
    elif city.key in cities:
        twin, named = cities[city.key], names[city.key]
        whose = f"record {named.number} ({named.name})"
    else:
        return []
    if twin.boundary_sha256 == city.boundary_sha256:
        return [f"is a duplicate of {whose}: same key {city.key}, same area"]
    return [
        f"makes the same key {city.key} as {whose}, with another area: "
        "write its name or state differently, or remove one"
    ]


def _explain(conflicts: Sequence[str]) -> list[str]:
    return [
        f"{text}; give it its state_province" if "parent path" in text else text
        for text in conflicts
    ]


def _make_legacy_prefix(record: _Record) -> str:
    """Make the storage prefix exactly as the predecessor did, accents and all."""
    words = [_text(record, field) for field in _PLACE]
    return "/".join(word.lower().replace(" ", "_") for word in words if word)


def _text(record: _Record, field: str) -> str:
    value = record.get(field)
    return value.strip() if isinstance(value, str) else ""


def _number(value: object) -> object:
    """Read a number that may be text; what is neither stays as it is, to be named."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value
