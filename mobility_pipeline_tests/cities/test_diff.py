import math
from dataclasses import replace
from datetime import date

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point, box

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.diff import diff_changes, diff_city, outline
from mobility_pipeline.cities.versions import CityChange
from mobility_pipeline_tests.cities.examples import KEY, make_city, make_square

LEFT = make_city(geometry=make_square(0, 0, 1), time_zone="Etc/GMT")
RIGHT = make_city(geometry=make_square(0.5, 0, 1), time_zone="Etc/GMT")


def test_fields_that_differ_are_named() -> None:
    """Each with its text before and after; what one does not have is null."""
    other = replace(LEFT, city="Van", first_date=date(2025, 1, 1))
    diff = diff_city(KEY, LEFT, other)
    assert diff is not None
    assert diff.boundary is None
    fields = [(field.name, field.before, field.after) for field in diff.fields]
    assert sorted(fields) == [
        ("city", "Vancouver", "Van"),
        ("first_date", None, "2025-01-01"),
    ]


def test_nothing_differs_from_itself() -> None:
    """A purge changes nothing of the city."""
    assert diff_city(KEY, LEFT, make_city(geometry=make_square(0, 0, 1))) is not None
    assert diff_changes([CityChange(KEY, LEFT, LEFT)]) == ()


def test_shifted_square_differs_by_what_does_not_overlap() -> None:
    """Two squares of 1° that overlap by half: what only one has is half of each."""
    diff = diff_city(KEY, LEFT, RIGHT)
    assert diff is not None
    assert diff.boundary is not None
    strips = area_km2(box(0, 0, 0.5, 1), None) + area_km2(box(1, 0, 1.5, 1), None)
    assert diff.boundary.symmetric_difference_km2 == pytest.approx(strips)
    assert diff.boundary.area_before_km2 == pytest.approx(12309, abs=1)
    assert (diff.boundary.vertices_before, diff.boundary.vertices_after) == (4, 4)
    assert diff.boundary.area_id_before == LEFT.area_id
    assert diff.boundary.area_id_after == RIGHT.area_id


def test_holes_and_parts_count_as_vertices() -> None:
    """Two squares, one with a triangular hole: 4 + 4 + 3."""
    hole = [(0.2, 0.2), (0.4, 0.2), (0.3, 0.4)]
    holed = shapely.Polygon(box(0, 0, 1, 1).exterior.coords, [hole])
    city = replace(LEFT, geometry=shapely.MultiPolygon([holed, box(2, 2, 3, 3)]))
    diff = diff_city(KEY, LEFT, city)
    assert diff is not None
    assert diff.boundary is not None
    assert diff.boundary.vertices_after == 11


def test_circle_in_a_circle_differs_by_the_ring() -> None:
    """The ring of 2 km and 1 km has 3 π km²."""
    small, large = (
        replace(LEFT, geometry=Point(10, 50), radius_m=radius)
        for radius in (1000.0, 2000.0)
    )
    diff = diff_city(KEY, small, large)
    assert diff is not None
    assert diff.boundary is not None
    ring = diff.boundary.symmetric_difference_km2
    assert ring == pytest.approx(3 * math.pi, rel=1e-4)
    assert diff.boundary.vertices_after == 1


def test_circle_over_the_antimeridian_is_one_piece() -> None:
    """Its outline is as large as the circle."""
    city = replace(LEFT, geometry=Point(179.99, 0), radius_m=5000.0)
    area = area_km2(outline(city), None)
    assert area == pytest.approx(25 * math.pi, rel=1e-4)


def test_city_that_comes_or_goes_has_all_its_area() -> None:
    """Nothing is not the same as a city of no size, and both ways give the same."""
    came, went = diff_city(KEY, None, LEFT), diff_city(KEY, LEFT, None)
    assert came is not None
    assert went is not None
    assert came.boundary is not None
    assert went.boundary is not None
    assert came.boundary.symmetric_difference_km2 == came.boundary.area_after_km2
    assert went.boundary.symmetric_difference_km2 == went.boundary.area_before_km2
    assert (came.boundary.area_before_km2, came.boundary.area_id_before) == (0, None)
    assert all(field.before is None for field in came.fields)


corners = st.tuples(st.floats(-60, 60), st.floats(-60, 60), st.floats(0.01, 0.3))


@given(corners, corners, st.booleans())
def test_difference_is_symmetric_and_adds_up(
    one: tuple[float, float, float], other: tuple[float, float, float], is_circle: bool
) -> None:
    """Both directions give the same number: A + B - 2 (A and B), by a second way."""
    a = replace(LEFT, geometry=box(one[0], one[1], one[0] + one[2], one[1] + one[2]))
    b = replace(
        LEFT, geometry=box(other[0], other[1], other[0] + other[2], other[1] + 0.3)
    )
    if is_circle:
        b = replace(b, geometry=Point(other[0], other[1]), radius_m=other[2] * 100_000)
    forth, back = diff_city(KEY, a, b), diff_city(KEY, b, a)
    if forth is None or forth.boundary is None:
        assert back == forth
        return
    assert back is not None
    assert back.boundary is not None
    found = forth.boundary.symmetric_difference_km2
    assert found == back.boundary.symmetric_difference_km2
    common = shapely.intersection(outline(a), outline(b))
    areas = area_km2(outline(a), None) + area_km2(outline(b), None)
    # An edge along a parallel that is cut in two is another geodesic: 0.1 % at this size.
    expected = areas - 2 * area_km2(common, None)
    assert found == pytest.approx(expected, abs=1e-3 * areas)
