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
    """Find a boundary that is in its country only with longitude and latitude swapped.

    Most cities are valid places either way round, so the range of the numbers alone
    cannot tell.

    Args:
        geometry: a valid GeoJSON geometry, EPSG:4326, (lon, lat).
        iso_country_code: a valid code of the city.
    """
    longitude, latitude = _position(geometry)
    if (
        abs(longitude) > 90
        or is_in_country(longitude, latitude, iso_country_code)
        or not is_in_country(latitude, longitude, iso_country_code)
    ):
        return []
    country = country_name(iso_country_code)
    return [
        f"geometry is in {name_place(longitude, latitude)}, not in {country}: "
        f"[{longitude:g}, {latitude:g}]; longitude and latitude look swapped: "
        f"[{latitude:g}, {longitude:g}] is in {country}, and GeoJSON wants [lon, lat]"
    ]


def find_place_doubt(geometry: object, iso_country_code: str) -> str | None:
    """Say that a boundary is in the sea or in another country than its city; else None.

    A doubt and no problem: the map of countries may be wrong, and borders are disputed.

    Args:
        geometry: a valid GeoJSON geometry, EPSG:4326, (lon, lat).
        iso_country_code: a valid code of the city.
    """
    longitude, latitude = _position(geometry)
    if is_in_country(longitude, latitude, iso_country_code):
        return None
    return (
        f"geometry is in {name_place(longitude, latitude)}, not in "
        f"{country_name(iso_country_code)}: [{longitude:g}, {latitude:g}]"
    )


def _position(geometry: object) -> tuple[float, float]:
    inside = shape(cast("Any", geometry)).representative_point()
    return inside.x, inside.y
