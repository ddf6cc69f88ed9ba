"""Where a city-day lies in its feed's bucket. Readers glob `date=*/*.parquet`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobility_pipeline.cities.city import CityDay

MANIFEST_NAME = "_manifest.json"


def city_day_prefix(city_day: "CityDay") -> str:
    """Return the folder of a city-day, with a slash at its end."""
    return f"data/{city_day.city}/date={city_day.date.isoformat()}/"


def part_name(number: int, sha256: str) -> str:
    """Return the name of a part: other bytes, other name."""
    return f"part-{number:05d}-{sha256[:8]}.snappy.parquet"
