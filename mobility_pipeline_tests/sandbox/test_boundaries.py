"""Boundaries as vendors' customers send them."""

import math

import pytest
import shapely
from pyproj import Geod

from mobility_pipeline.sandbox.boundaries import (
    circle,
    fingerprint,
    geometry_from_geojson,
    geometry_from_wkt,
)

TEXT = "POLYGON ((0 0, 2 0, 2 1, 0 1, 0 0))"
TURNED = "POLYGON ((2 1, 2 0, 0 0, 0 1, 2 1))"


@pytest.mark.parametrize("latitude", [0, 48, -65])
def test_a_circle_has_the_area_of_one(latitude: float) -> None:
    """At any latitude its geodesic area is pi r², within the error of 128 corners."""
    area_m2, _ = Geod(ellps="WGS84").geometry_area_perimeter(circle(latitude, 9, 5000))
    assert abs(area_m2) == pytest.approx(math.pi * 5000**2, rel=1e-3)


def test_the_fingerprint_is_of_the_shape() -> None:
    """Where a ring starts and how it turns does not matter; a corner does."""
    shape = geometry_from_wkt(TEXT)
    assert fingerprint(shape) == fingerprint(geometry_from_wkt(TURNED))
    assert fingerprint(shape) != fingerprint(shapely.box(0, 0, 2, 1.1))


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "FeatureCollection", "features": []},
        {"type": "Point", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [190, 0], [190, 1], [0, 0]]]},
        {"type": "Polygon", "coordinates": "text"},
    ],
)
def test_what_is_no_polygon_is_refused(value: dict) -> None:
    """Anything but a valid polygon in degrees is a ValueError."""
    with pytest.raises(ValueError, match=r"geometry|must be|out of range"):
        geometry_from_geojson(value)
