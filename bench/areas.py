"""The cities a benchmark's vendor job asks for."""

from functools import cache

from shapely.geometry import Point

from mobility_pipeline.cities.city import City

COUNTRIES = ("AU", "BR", "CA", "CL", "DE", "KE", "MX", "TR")


@cache
def make_cities(count: int) -> tuple[City, ...]:
    """Make cities on a grid, as circles; sorted by key, which is their order when sent."""
    return tuple(_make_city(number) for number in range(count))


def _make_city(number: int) -> City:
    lon, lat = -170.0 + 16.0 * (number % 20), -45.0 + 9.0 * (number // 20)
    return City(
        key=f"benchland/city_{number:03d}",
        country="Benchland",
        state_province="",
        city=f"City {number:03d}",
        iso_country_code=COUNTRIES[number % len(COUNTRIES)],
        time_zone="Etc/UTC",
        status="active",
        geometry=Point(lon, lat),
        radius_m=20_000.0,
        source="made up for the benchmark",
    )
