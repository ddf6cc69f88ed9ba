"""Tests of `vendor.request`."""

import dataclasses
import json
from datetime import date

import pytest
from shapely.geometry import Polygon

from mobility_pipeline.errors import UsageError
from mobility_pipeline.vendor.planner import Limits
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.world import FIRST, FULL, make_cities, make_city

LAST = date(2024, 5, 3)


def test_body_holds_points_and_polygons_in_their_own_arrays() -> None:
    """A Point with a radius goes to geo_radius, a polygon to geo_json."""
    circle = make_city("circle", radius_m=1500.0)
    square = make_city("square", lon=20.0)
    body = JobRequest(FULL, FIRST, LAST, (square, circle)).body()
    assert body == {
        "date_range": {"from_date": "2024-05-01", "to_date": "2024-05-03"},
        "schema_type": "FULL",
        "geo_radius": [
            {
                "poi_id": circle.area_id,
                "latitude": 50.0,
                "longitude": 10.0,
                "distance_in_meters": 1500.0,
            }
        ],
        "geo_json": [
            {
                "poi_id": square.area_id,
                "geo_json": json.loads(json.dumps(square.boundary())),
            }
        ],
    }


def test_areas_are_numbered_within_their_array() -> None:
    """An area's index is its place in the array the body holds it in."""
    cities = (
        make_city("a", lon=1.0),
        make_city("b", radius_m=10.0),
        make_city("c", lon=3.0),
    )
    request = JobRequest(FULL, FIRST, LAST, cities)
    places = [(area.city, area.kind, area.index) for area in request.areas]
    assert places == [
        ("country/a", "geo_json", 0),
        ("country/b", "geo_radius", 0),
        ("country/c", "geo_json", 1),
    ]
    body = request.body()
    for area in request.areas:
        assert body[area.kind][area.index]["poi_id"] == area.area_id


def test_fingerprint_ignores_the_order_of_cities() -> None:
    """The same cities and days give the same fingerprint."""
    cities = tuple(make_cities(3).values())
    one = JobRequest(FULL, FIRST, LAST, cities)
    other = JobRequest(FULL, FIRST, LAST, cities[::-1])
    assert one.sha256 == other.sha256


def test_fingerprint_changes_with_a_boundary() -> None:
    """A moved boundary is another request."""
    one = JobRequest(FULL, FIRST, LAST, (make_city("a", lon=1.0),))
    other = JobRequest(FULL, FIRST, LAST, (make_city("a", lon=1.1),))
    assert one.sha256 != other.sha256


def test_request_without_a_city_is_refused() -> None:
    """No area would buy the whole world."""
    with pytest.raises(UsageError, match="whole world"):
        JobRequest(FULL, FIRST, LAST, ())


def test_reversed_days_are_refused() -> None:
    """The end is not before the start."""
    with pytest.raises(UsageError, match="reversed: 2024-05-03 is after 2024-05-01"):
        JobRequest(FULL, LAST, FIRST, (make_city("a"),))


def test_city_without_an_area_is_refused_by_name() -> None:
    """An empty geometry does not drop out silently."""
    empty = dataclasses.replace(make_city("hole"), geometry=Polygon())
    with pytest.raises(UsageError, match="country/hole has no area"):
        JobRequest(FULL, FIRST, LAST, (make_city("a", lon=1.0), empty))


def test_city_named_twice_is_refused() -> None:
    """Two areas of one id could not be told apart in the delivery."""
    city = make_city("a")
    with pytest.raises(UsageError, match="same area id"):
        JobRequest(FULL, FIRST, LAST, (city, city))


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(max_areas=2), "VERASET_MAX_AREAS allows 2"),
        (Limits(max_days=2), "VERASET_MAX_DAYS allows 2"),
    ],
)
def test_request_over_the_limits_is_refused(limits: Limits, words: str) -> None:
    """A job has no more areas or days than the contract allows."""
    request = JobRequest(FULL, FIRST, LAST, tuple(make_cities(3).values()))
    with pytest.raises(UsageError, match=words):
        request.check_limits(limits)
