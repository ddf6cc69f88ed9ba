from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Polygon, box

from mobility_pipeline.cities.osm_area import assemble
from mobility_pipeline.errors import BoundaryRefusedError

Corner = tuple[float, float]
SQUARE: list[Corner] = [(0, 0), (4, 0), (4, 4), (0, 4), (0, 0)]
HOLE: list[Corner] = [(1, 1), (3, 1), (3, 3), (1, 3), (1, 1)]
ISLAND: list[Corner] = [(1.5, 1.5), (2, 1.5), (2, 2), (1.5, 2), (1.5, 1.5)]


def way(
    corners: list[Corner], role: str | None = "outer", ref: int = 1
) -> dict[str, Any]:
    """A member as `out geom` gives it."""
    geometry = [{"lat": float(lat), "lon": float(lon)} for lon, lat in corners]
    return {"type": "way", "ref": ref, "role": role, "geometry": geometry}


def put_together(*members: dict[str, Any]) -> MultiPolygon:
    """The area of these members."""
    return MultiPolygon(assemble(7, members))


def test_ways_in_any_order_and_direction_make_a_ring() -> None:
    """A square of three ways, one reversed; nodes and sub-areas are ignored."""
    area = put_together(
        {"type": "node", "ref": 1, "role": "admin_centre", "lat": 2.0, "lon": 2.0},
        way(SQUARE[3:]),
        way(SQUARE[2:4][::-1]),
        {"type": "relation", "ref": 2, "role": "subarea"},
        way(SQUARE[:3]),
    )
    assert area.equals(Polygon(SQUARE))


@given(st.permutations(range(8)), st.lists(st.booleans(), min_size=8, max_size=8))
def test_hole_is_kept(order: list[int], turned: list[bool]) -> None:
    """However the edges of shell and hole are mixed and turned, the area is the same."""
    edges = [way(SQUARE[n : n + 2]) for n in range(4)]
    edges += [way(HOLE[n : n + 2], "inner") for n in range(4)]
    for edge, turn in zip(edges, turned, strict=True):
        edge["geometry"] = edge["geometry"][::-1] if turn else edge["geometry"]
    area = put_together(*(edges[n] for n in order))
    assert area.equals(Polygon(SQUARE, [HOLE]))
    assert area.area == 16 - 4


def test_island_in_a_hole_is_kept() -> None:
    """Outer, inner, outer: 16 - 4 + 0.25."""
    area = put_together(way(SQUARE), way(HOLE, "inner"), way(ISLAND))
    assert area.area == pytest.approx(12.25)


@pytest.mark.parametrize("role", ["", None])
def test_way_without_role_is_outer(role: str | None) -> None:
    """An empty role means outer."""
    assert put_together(way(SQUARE, role)).equals(Polygon(SQUARE))


def test_two_outers_are_two_polygons() -> None:
    """Both sides of a strait."""
    other = [(lon + 10, lat) for lon, lat in SQUARE]
    polygons = assemble(7, [way(SQUARE), way(other)])
    assert [polygon.area for polygon in polygons] == [16, 16]


def test_rings_that_touch_in_a_point_are_fine() -> None:
    """Two squares with a corner in common."""
    other = [(lon + 4, lat + 4) for lon, lat in SQUARE]
    members = [way(SQUARE[:3]), way(other[:3]), way(SQUARE[2:]), way(other[2:])]
    assert put_together(*members).equals(
        MultiPolygon([box(0, 0, 4, 4), box(4, 4, 8, 8)])
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([], "has no outer ways"),
        ([way(HOLE, "inner")], "has no outer ways"),
        ([way(SQUARE, "label")], "has no outer ways"),
        ([way(SQUARE[:4])], r"not closed: it ends at \[0, 0\], \[0, 4\]"),
        ([way(SQUARE[:2]), way(SQUARE[2:])], r"not closed: it ends at"),
        ([way(SQUARE), way(HOLE[:4], "inner")], r"not closed: it ends at \[1, 1\]"),
        ([way(SQUARE), way([], ref=5)], "way/5 of relation/7 came without"),
        ([{"type": "way", "ref": 5, "role": "outer"}], "way/5 .* came without"),
        (
            [{**way(SQUARE), "geometry": [None, *way(SQUARE)["geometry"]]}],
            "way/1 .* came without",
        ),
        ([way([(0, 0), (4, 4), (4, 0), (0, 4), (0, 0)])], "cross or overlap"),
        (
            [way(SQUARE), way([(a + 9, b) for a, b in HOLE], "inner")],
            "cross or overlap",
        ),
        ([way(SQUARE), way([(a + 2, b) for a, b in SQUARE])], "cross or overlap"),
        ([way([(0, 0), (0, 0), (0, 0), (0, 0)])], "cross or overlap"),
    ],
)
def test_what_is_no_area_is_refused(members: list[dict[str, Any]], words: str) -> None:
    """Open, crossing, missing or stray lines are an error, never a repaired guess."""
    with pytest.raises(BoundaryRefusedError, match=words):
        assemble(7, members)
