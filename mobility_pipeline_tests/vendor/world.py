"""What the vendor tests are made of: small cities, days and a clock that does not wait."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from shapely.geometry import Point, box

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.schemas.feeds import FEEDS

FULL = FEEDS["pings_full"]
FIRST = date(2024, 5, 1)


def make_city(name: str, *, lon: float = 10.0, radius_m: float | None = None) -> City:
    """Return a city of half a degree, or a circle where a radius is given."""
    geometry = Point(lon, 50.0) if radius_m else box(lon, 50.0, lon + 0.5, 50.5)
    return City(
        key=f"country/{name}",
        country="Country",
        state_province="",
        city=name,
        iso_country_code="DE",
        time_zone="Europe/Berlin",
        status="active",
        geometry=geometry,
        radius_m=radius_m,
        source="made up",
    )


def make_cities(count: int) -> dict[str, City]:
    """Return cities `country/c0`, `country/c1`, …, side by side."""
    cities = [make_city(f"c{place}", lon=float(place)) for place in range(count)]
    return {city.key: city for city in cities}


def days_of(city: str, *offsets: int) -> set[CityDay]:
    """Return city-days of `country/<city>`, counted from FIRST."""
    return {
        CityDay(f"country/{city}", FIRST + timedelta(days=offset)) for offset in offsets
    }


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    slept_s: list[float] = field(default_factory=list[float])

    def now(self) -> datetime:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept_s.append(seconds)
        self.time += timedelta(seconds=seconds)
