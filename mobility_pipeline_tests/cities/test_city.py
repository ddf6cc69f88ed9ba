from dataclasses import replace
from datetime import date

from shapely.geometry import Polygon

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline_tests.cities.examples import make_city, make_square


def test_renaming_keeps_the_area() -> None:
    """Names, status and source are no part of the boundary's identity."""
    city = make_city()
    renamed = replace(city, city="Vancouver (City)", source="other", status="retired")
    assert renamed.area_id == city.area_id


def test_new_boundary_is_a_new_area() -> None:
    """Another boundary, or another radius, gives another area id."""
    point = {"type": "Point", "coordinates": [-123.1, 49.25]}
    cities = [
        make_city(),
        make_city(geometry=make_square(size=0.11)),
        make_city(geometry=point, radius_m=1000),
        make_city(geometry=point, radius_m=1001),
    ]
    assert len({city.area_id for city in cities}) == len(cities)


def test_same_boundary_written_otherwise_is_the_same_area() -> None:
    """Where a ring starts and which way it turns does not matter."""
    ring = make_square()["coordinates"][0]
    city = make_city()
    turned = replace(city, geometry=Polygon([*ring[2:], *ring[1:3]][::-1]))
    assert turned.area_id == city.area_id


def test_whole_number_radius_is_the_same_area() -> None:
    """A radius of 5000 and one of 5000.0 are one area."""
    point = {"type": "Point", "coordinates": [-123.1, 49.25]}
    whole = make_city(geometry=point, radius_m=5000)
    assert whole.area_id == make_city(geometry=point, radius_m=5000.0).area_id


def test_boundary_is_geojson() -> None:
    """The boundary that is sent is the GeoJSON geometry that was read."""
    boundary = make_city().boundary()
    assert boundary["type"] == "Polygon"
    corners = [list(position) for position in boundary["coordinates"][0]]
    assert corners == make_square()["coordinates"][0]


def test_city_days_sort() -> None:
    """City-days sort by city, then date."""
    early, late = date(2025, 1, 1), date(2025, 1, 2)
    days = [CityDay("b", early), CityDay("a", late), CityDay("a", early)]
    assert sorted(days) == days[::-1]
