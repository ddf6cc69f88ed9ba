import pytest

from mobility_pipeline.cities.moved_area import find_move_doubts
from mobility_pipeline_tests.cities.examples import VANCOUVER, make_city, make_square

_WEST, _SOUTH = VANCOUVER


def test_same_area_is_not_doubted() -> None:
    """Whatever else of the city changes."""
    assert find_move_doubts(make_city(), make_city(city="Van")) == []


def test_area_that_shares_a_part_is_not_doubted() -> None:
    """Half of it."""
    moved = make_city(geometry=make_square(_WEST + 0.05))
    assert find_move_doubts(make_city(), moved) == []


@pytest.mark.parametrize(("degrees", "km"), [(0.1, 7), (1, 73)])
def test_area_that_shares_nothing_is_doubted_with_its_distance(
    degrees: float, km: int
) -> None:
    """A degree of longitude is 72.7 km at 49.3° N; a common border is nothing shared."""
    moved = make_city(geometry=make_square(_WEST + degrees))
    [doubt] = find_move_doubts(make_city(), moved)
    assert f"lies {km} km from the old one and shares nothing with it" in doubt


def test_area_that_shrinks_more_than_tenfold_is_doubted() -> None:
    """To a sixteenth: from 81 to 5 km²."""
    [doubt] = find_move_doubts(make_city(), make_city(geometry=make_square(size=0.025)))
    assert doubt == "the area goes from 80.89 to 5.06 km²: is that meant?"


def test_circle_is_compared_by_its_ring() -> None:
    """A circle within the old square, of a fifth of its size."""
    circle = {"type": "Point", "coordinates": [_WEST + 0.05, _SOUTH + 0.05]}
    assert (
        find_move_doubts(make_city(), make_city(geometry=circle, radius_m=2_300.0))
        == []
    )
