import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from mobility_pipeline.cities.area import area_km2

EARTH_RADIUS_KM = 6371.0072
"""Authalic: the sphere with the ellipsoid's surface."""


@given(
    west=st.floats(-170, 170),
    south=st.floats(-80, 79),
    width=st.floats(0.01, 2),
    height=st.floats(0.01, 1),
)
def test_area_agrees_with_the_sphere(
    west: float, south: float, width: float, height: float
) -> None:
    """A box has the area of spherical geometry, but for 1 % of flattening."""
    north = south + height
    sphere = (
        EARTH_RADIUS_KM**2
        * math.radians(width)
        * (math.sin(math.radians(north)) - math.sin(math.radians(south)))
    )
    assert area_km2(box(west, south, west + width, north), None) == pytest.approx(
        sphere, rel=0.012
    )


@pytest.mark.parametrize("turn", [1, -1])
def test_holes_do_not_count(turn: int) -> None:
    """A hole is subtracted, whichever way its ring turns."""
    shell, hole = box(0, 0, 1, 1), box(0.2, 0.2, 0.4, 0.4)
    ring = list(hole.exterior.coords)[::turn]
    holed = Polygon(shell.exterior.coords, [ring])
    assert area_km2(holed, None) == pytest.approx(
        area_km2(shell, None) - area_km2(hole, None)
    )


def test_parts_add_up() -> None:
    """A MultiPolygon has the sum of its parts, though they turn opposite ways."""
    one, other = box(0, 0, 1, 1), Polygon([(5, 5), (5, 6), (6, 6), (6, 5), (5, 5)])
    both = MultiPolygon([one, other])
    assert area_km2(both, None) == pytest.approx(
        area_km2(one, None) + area_km2(other, None)
    )


def test_circle_is_pi_r_squared() -> None:
    """A radius of 1 km gives pi km²."""
    assert area_km2(Point(36.8, -1.3), 1000.0) == pytest.approx(math.pi)
