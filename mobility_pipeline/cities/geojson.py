"""Cities as GeoJSON text: one Feature per city, and what a stored file must be.

Shape: RFC 7946 Feature, EPSG:4326, properties `key, country, state_province, city,
iso_country_code, time_zone, status, source, first_date?, radius_m?, legacy_prefix?`.
Other properties are ignored, and gone once the registry writes the file.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import shapely
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.validation import find_problems
from mobility_pipeline.errors import CityRefusedError

_POSITION = re.compile(r"\[\n\s+(\S+),\n\s+(\S+)\n\s+\]")


def parse_city(content: bytes, key: str) -> City:
    """Read the content of `<key>.geojson`.

    Raises:
        CityRefusedError: not UTF-8, not JSON, or not a valid city; every problem named.
    """
    try:
        feature = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise CityRefusedError(key, [f"is not UTF-8 text: {error.reason}"]) from error
    except (ValueError, RecursionError) as error:
        raise CityRefusedError(key, [f"is not JSON: {error}"]) from error
    return city_from_feature(feature, key)


def city_from_feature(feature: Mapping[str, Any], key: str) -> City:
    """Make the city a GeoJSON Feature describes; heights are dropped.

    Raises:
        CityRefusedError: the feature is not a valid city of this key.
    """
    problems = find_problems(feature, key)
    if problems:
        raise CityRefusedError(key, problems)
    properties = feature["properties"]
    radius_m, first_date = properties.get("radius_m"), properties.get("first_date")
    return City(
        key=key,
        country=properties["country"],
        state_province=properties.get("state_province") or "",
        city=properties["city"],
        iso_country_code=properties["iso_country_code"],
        time_zone=properties["time_zone"],
        status=properties["status"],
        geometry=_drop_heights(shape(feature["geometry"])),
        radius_m=None if radius_m is None else float(radius_m),
        source=properties["source"],
        first_date=None if first_date is None else date.fromisoformat(first_date),
        legacy_prefix=properties.get("legacy_prefix"),
    )


def city_to_feature(city: City) -> dict[str, Any]:
    """Describe a city as a GeoJSON Feature; what is null stays away."""
    optional = {
        "first_date": city.first_date.isoformat() if city.first_date else None,
        "radius_m": city.radius_m,
        "legacy_prefix": city.legacy_prefix,
    }
    return {
        "type": "Feature",
        "properties": {
            "key": city.key,
            "country": city.country,
            "state_province": city.state_province,
            "city": city.city,
            "iso_country_code": city.iso_country_code,
            "time_zone": city.time_zone,
            "status": city.status,
            "source": city.source,
            **{name: value for name, value in optional.items() if value is not None},
        },
        "geometry": mapping(city.geometry),
    }


def content_sha256(city: City) -> str:
    """Return the hex digest of all that is stored of a city: other content, other digest.

    Who edits a city says by it which content they saw, see `Registry.replace`.
    """
    return hashlib.sha256(dump_geojson(city_to_feature(city)).encode()).hexdigest()


def dump_geojson(document: Mapping[str, Any]) -> str:
    """Write GeoJSON the same way each time: sorted, readable, one position a line."""
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    # A raw line break never stands inside a JSON string, so this only meets positions.
    return _POSITION.sub(r"[\1, \2]", text) + "\n"


def _drop_heights(geometry: BaseGeometry) -> BaseGeometry:
    # Its **kwargs have no type.
    return shapely.force_2d(geometry)  # pyright: ignore[reportUnknownMemberType]
