"""Where a city-day lies in its feed's bucket. Readers glob `date=*/*.parquet`."""

import re
from datetime import date

from mobility_pipeline.cities.city import CityDay

MANIFEST_NAME = "_manifest.json"
ERASED_NAME = "_erased.json"
"""Stands for good in the folder of a city-day that was erased; its name says all."""
PINGS_FOLDER = "data"
ANALYTICS_FOLDER = "analytics"

_KEY = re.compile(r"(?P<city>.+)/date=(?P<date>\d{4}-\d{2}-\d{2})/(?P<name>[^/]+)")


def city_prefix(city: str, folder: str = PINGS_FOLDER) -> str:
    """Return the folder of a city's days, with a slash at its end."""
    return f"{folder}/{city}/"


def place(key: str, folder: str = PINGS_FOLDER) -> tuple[CityDay, str] | None:
    """Return the city-day and the name that a key stands for; None = no city-day's.

    Args:
        key: of an object.
        folder: of the table, as for `city_day_prefix`.
    """
    if not key.startswith(f"{folder}/"):
        return None
    match = _KEY.fullmatch(key.removeprefix(f"{folder}/"))
    if match is None:
        return None
    try:
        day = date.fromisoformat(match["date"])
    except ValueError:
        return None
    return CityDay(match["city"], day), match["name"]


def city_day_prefix(city_day: CityDay, folder: str = PINGS_FOLDER) -> str:
    """Return the folder of a city-day, with a slash at its end.

    Args:
        city_day: city and date.
        folder: of the table: pings are in `data`, see also `table_folder`.
    """
    return f"{folder}/{city_day.city}/date={city_day.date.isoformat()}/"


def table_folder(table: str) -> str:
    """Return the folder of a derived table."""
    return f"{ANALYTICS_FOLDER}/{table}"


def part_name(number: int, sha256: str) -> str:
    """Return the name of a part: other bytes, other name."""
    return f"part-{number:05d}-{sha256[:8]}.snappy.parquet"
