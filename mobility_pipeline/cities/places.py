"""Whether a boundary lies where its city says: in its country, not in the sea.

Source: time zones of the world (`time_zones.py`), each of which is in one country by
`zone.tab` of the tzdata package. They hold territorial waters, so a harbour is on land.
"""

from typing import Any, cast

from shapely.geometry import shape

from mobility_pipeline.cities.countries import country_name, may_be_written_as
from mobility_pipeline.cities.time_zones import find_time_zone, find_zone_country

_OCEAN = "the ocean"


def find_country_at(longitude: float, latitude: float) -> str | None:
    """Find the country of a point.

    Args:
        longitude: degrees, -180 to 180.
        latitude: degrees, -90 to 90.

    Returns:
        ISO 3166-1 alpha-2, or None on the open sea.
    """
    zone = find_time_zone(longitude, latitude)
    return None if zone is None else find_zone_country(zone)


def name_place(longitude: float, latitude: float) -> str:
    """Say where a point is: the country's name, or the ocean."""
    code = find_country_at(longitude, latitude)
    return _OCEAN if code is None else country_name(code)


def is_in_country(longitude: float, latitude: float, iso_country_code: str) -> bool:
    """Return whether a city of this code may lie at a point."""
    found = find_country_at(longitude, latitude)
    return found is not None and may_be_written_as(found, iso_country_code)


def find_place_problems(geometry: object, iso_country_code: str) -> list[str]:
    """Find a boundary that lies in the sea or in another country than its city.

    Most cities are valid places with longitude and latitude swapped, so the range of
    the numbers alone cannot tell.

    Args:
        geometry: a valid GeoJSON geometry, EPSG:4326, (lon, lat).
        iso_country_code: a valid code of the city.
    """
    inside = shape(cast("Any", geometry)).representative_point()
    longitude, latitude = inside.x, inside.y
    if is_in_country(longitude, latitude, iso_country_code):
        return []
    country = country_name(iso_country_code)
    text = (
        f"geometry is in {name_place(longitude, latitude)}, not in {country}: "
        f"[{longitude:g}, {latitude:g}]"
    )
    if abs(longitude) <= 90 and is_in_country(latitude, longitude, iso_country_code):
        text += (
            f"; longitude and latitude look swapped: [{latitude:g}, {longitude:g}] is "
            f"in {country}, and GeoJSON wants [lon, lat]"
        )
    return [text]
