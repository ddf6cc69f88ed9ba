import math
from typing import Any

import pyarrow as pa
import pytest

from mobility_pipeline.checks.finding import Severity
from mobility_pipeline.checks.place import (
    PlaceCount,
    count_inside,
    inside_area,
    other_boundary,
)
from mobility_pipeline_tests.cities.examples import make_city, make_square

SQUARE = make_city(geometry=make_square(10.0, 50.0, 0.1))
DISC = make_city(geometry={"type": "Point", "coordinates": [0.0, 0.0]}, radius_m=1_000)


def _batch(*points: tuple[float | None, float | None]) -> pa.RecordBatch:
    columns: dict[str, Any] = {
        "longitude": pa.array([point[0] for point in points], pa.float64()),
        "latitude": pa.array([point[1] for point in points], pa.float64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_polygon_holds_its_inside_and_its_rim() -> None:
    """In, on the corner, and 0.01 degrees beside it."""
    points = _batch((10.05, 50.05), (10.0, 50.0), (10.11, 50.05))
    assert count_inside(points, SQUARE) == PlaceCount(rows=3, placed=3, inside=2)


def test_longitude_comes_first() -> None:
    """The same numbers the other way round lie in Arabia."""
    assert count_inside(_batch((50.05, 10.05)), SQUARE).inside == 0


def test_a_disc_is_measured_on_the_ellipsoid() -> None:
    """At the equator 1 degree is 111,320 m of longitude but 110,574 m of latitude.

    990 and 1,010 m to the east and north, by these figures.
    """
    east, north = 1 / 111_320, 1 / 110_574
    points = _batch(
        (990 * east, 0), (1_010 * east, 0), (0, 990 * north), (0, 1_010 * north)
    )
    assert count_inside(points, DISC).inside == 2
    # 999 m of a sphere of 6,371 km to the north are 993 m, to the east 1,000.1 m.
    sphere = 999 / 111_195
    assert count_inside(_batch((0, sphere), (sphere, 0)), DISC).inside == 1


def test_null_nan_and_impossible_positions_are_not_placed() -> None:
    """They are neither inside nor outside."""
    points = _batch((None, 50.05), (10.05, math.nan), (10.05, 91.0), (math.inf, 0.0))
    assert count_inside(points, SQUARE) == PlaceCount(rows=4, placed=0, inside=0)


def test_an_empty_batch_counts_nothing() -> None:
    """And does not fail."""
    for city in (SQUARE, DISC):
        assert count_inside(_batch(), city) == PlaceCount()


def test_fewer_than_80_per_cent_inside_is_an_error() -> None:
    """80 of 100 pass: whole days of some devices may be tagged, but not of all."""
    assert inside_area(PlaceCount(rows=100, placed=100, inside=80)).passed
    found = inside_area(PlaceCount(rows=100, placed=100, inside=79))
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert found.numbers["inside_ratio"] == 0.79


def test_more_than_5_per_cent_without_position_is_a_warning() -> None:
    """5 of 100 are usual, 6 are not."""
    assert inside_area(PlaceCount(rows=100, placed=95, inside=95)).passed
    found = inside_area(PlaceCount(rows=100, placed=94, inside=94))
    assert (found.passed, found.severity) == (False, Severity.WARN)


@pytest.mark.parametrize(("rows", "is_fine"), [(0, True), (5, False)])
def test_without_positions_there_is_no_ratio(rows: int, is_fine: bool) -> None:
    """Absence is never zero: no rows are fine, rows without any position are not."""
    found = inside_area(PlaceCount(rows=rows))
    assert found.passed == is_fine
    assert "inside_ratio" not in found.numbers


def test_pings_bought_for_another_boundary_are_not_judged() -> None:
    """A city whose boundary was corrected since, and one that is no longer known."""
    assert other_boundary(SQUARE.boundary_sha256, SQUARE) is None
    moved = other_boundary("0" * 64, SQUARE)
    assert moved is not None
    assert not moved.passed
    assert "--refresh" in moved.message
    unknown = other_boundary("0" * 64, None)
    assert unknown is not None
    assert not unknown.passed
