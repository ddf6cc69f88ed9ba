import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.boundaries import find_boundary_problems
from mobility_pipeline_tests.cities.examples import BOW_TIE, make_square

OPEN = make_square()["coordinates"][0][:-1]


def polygon(*rings: object) -> dict[str, Any]:
    """A GeoJSON Polygon of these rings."""
    return {"type": "Polygon", "coordinates": list(rings)}


def point(*numbers: object) -> dict[str, Any]:
    """A GeoJSON Point of these numbers."""
    return {"type": "Point", "coordinates": list(numbers)}


@pytest.mark.parametrize(
    ("geometry", "radius_m"),
    [
        (make_square(), None),
        (
            polygon(
                [[*position, 12.5] for position in make_square()["coordinates"][0]]
            ),
            None,
        ),
        ({"type": "MultiPolygon", "coordinates": [make_square()["coordinates"]]}, None),
        (point(36.8, -1.3), 15_000),
        (point(36.8, -1.3, 1795), 15_000.5),
        (point(36.8, -1.3), 100_000),
        (point(36.8, -1.3), 1),
    ],
)
def test_good_boundary(geometry: object, radius_m: object) -> None:
    """Polygons, multipolygons and circles are fine, with or without heights."""
    assert find_boundary_problems(geometry, radius_m) == []


@pytest.mark.parametrize(
    ("geometry", "radius_m", "words"),
    [
        (None, None, "geometry is missing"),
        ([], None, "geometry is missing"),
        ({"type": "LineString", "coordinates": OPEN}, None, "not 'LineString'"),
        ({"type": ["Polygon"]}, None, "not ['Polygon']"),
        ({"type": "Polygon"}, None, "ring"),
        ({"type": "MultiPolygon"}, None, "not a list"),
        (polygon(), None, "empty"),
        (polygon([]), None, "empty"),
        ({"type": "MultiPolygon", "coordinates": []}, None, "empty"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, None, "empty"),
        (point(), 1000, "empty"),
        (polygon(OPEN), None, "not closed"),
        (polygon(OPEN[:2]), None, "fewer than 4"),
        (polygon(BOW_TIE), None, "not valid: Self-intersection"),
        (polygon([[0, 0]] * 4), None, "not valid"),
        (polygon([[0, 0], ["1", 0], [1, 1], [0, 0]]), None, "position 2 of ring 1"),
        (polygon([[0, 0], [float("nan"), 0], [1, 1], [0, 0]]), None, "position 2"),
        (polygon([[0, 0], [True, 0], [1, 1], [0, 0]]), None, "position 2"),
        (polygon([[0, 0], [10**400, 0], [1, 1], [0, 0]]), None, "position 2"),
        (polygon([[0, 0], [10**5000, 0], [1, 1], [0, 0]]), None, "position 2"),
        (polygon([[0, 0], [0, 0, 0, 0], [1, 1], [0, 0]]), None, "position 2"),
        (make_square(49.25, -123.1), None, "look swapped"),
        (make_square(459_000, 5_459_000, 5000), None, "out of range"),
        (make_square(179.95, 0), None, "out of range"),
        (make_square(size=0.001), None, "km², not between"),
        (make_square(0, 0, 10), None, "km², not between"),
        (make_square(), 500, "radius_m is only for a Point"),
        (point(36.8, -1.3), None, "needs radius_m"),
        (point(36.8, -1.3), "5000", "needs radius_m"),
        (point(36.8, -1.3), float("inf"), "needs radius_m"),
        (point(36.8, -1.3), 0, "radius_m 0 is not between"),
        (point(36.8, -1.3), -5, "radius_m -5 is not between"),
        (point(36.8, -1.3), 100_001, "is not between 1 and 100,000 m"),
        (point("36.8", "-1.3"), 1000, "the Point is not [longitude, latitude]"),
        (point(-1.3, 136.8), 1000, "look swapped"),
        (point(200, 200), 1000, "out of range, first [200, 200]"),
    ],
)
def test_bad_boundary(geometry: object, radius_m: object, words: str) -> None:
    """Each defect is named."""
    problems = find_boundary_problems(geometry, radius_m)
    assert any(words in problem for problem in problems), problems


def test_every_problem_at_once() -> None:
    """One look names the open ring, the crossing, the range and the stray radius."""
    ring = [[longitude + 200, latitude] for longitude, latitude in BOW_TIE[:-1]]
    problems = find_boundary_problems(polygon(ring), 5)
    text = "\n".join(problems)
    for words in (
        "not closed",
        "Self-intersection",
        "out of range",
        "only for a Point",
    ):
        assert words in text


def test_part_is_named() -> None:
    """A problem says which ring of which polygon has it."""
    geometry = {"type": "MultiPolygon", "coordinates": [[OPEN], [OPEN, "x"]]}
    problems = find_boundary_problems(geometry, None)
    assert problems[0].startswith("ring 1 of polygon 1 is not closed")
    assert problems[2].startswith("ring 2 of polygon 2 is not a list")


def test_hole_outside_is_not_valid() -> None:
    """A hole must lie inside its shell."""
    hole = make_square(0, 0)["coordinates"][0]
    (problem,) = find_boundary_problems(polygon([*OPEN, OPEN[0]], hole), None)
    assert problem.startswith("geometry is not valid: Hole lies outside shell")


numbers = st.one_of(
    st.floats(), st.integers(-(10**400), 10**400), st.text(), st.none(), st.booleans()
)
nested = st.recursive(numbers, st.lists, max_leaves=30)


@given(
    kind=st.sampled_from(["Point", "Polygon", "MultiPolygon", "", None]),
    coordinates=nested,
    radius_m=nested,
)
def test_never_raises(kind: object, coordinates: object, radius_m: object) -> None:
    """Any nesting of any JSON values gives problems, not an exception."""
    geometry = {"type": kind, "coordinates": coordinates}
    before = copy.deepcopy(geometry)
    assert isinstance(find_boundary_problems(geometry, radius_m), list)
    assert repr(geometry) == repr(before)


positions = st.lists(st.floats(allow_nan=False), min_size=2, max_size=2)


@given(st.lists(st.lists(positions, min_size=3, max_size=8), min_size=1, max_size=3))
def test_never_raises_on_rings(rings: list[list[list[float]]]) -> None:
    """Closed rings of any floats, tiny and huge, give problems, not an exception."""
    closed = [[*ring, ring[0]] for ring in rings]
    assert isinstance(find_boundary_problems(polygon(*closed), None), list)
