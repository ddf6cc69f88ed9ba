import pytest

from mobility_pipeline.cities.time_zones import find_time_zone, is_time_zone


@pytest.mark.parametrize(
    ("longitude", "latitude", "zone"),
    [
        (-123.12, 49.28, "America/Vancouver"),
        (36.82, -1.29, "Africa/Nairobi"),
        (28.88, 41.04, "Europe/Istanbul"),
        (144.96, -37.81, "Australia/Melbourne"),
    ],
)
def test_city_lies_in_its_zone(longitude: float, latitude: float, zone: str) -> None:
    """A point on land gives the zone people there use, which exists."""
    assert find_time_zone(longitude, latitude) == zone
    assert is_time_zone(zone)


def test_open_sea_has_no_zone() -> None:
    """A point in the middle of the Atlantic gives none."""
    assert find_time_zone(-30.0, 30.0) is None


@pytest.mark.parametrize(
    "name", ["", "Vancouver", "../UTC", "/etc/passwd", "\0", None, 3]
)
def test_what_is_no_zone(name: object) -> None:
    """Anything that is not an IANA name is refused."""
    assert not is_time_zone(name)
