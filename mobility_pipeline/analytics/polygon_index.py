"""Which polygon of a layer each point is in: a raster answers most, exact tests the rest.

A quadtree of boxes is laid over the layer. A box that one polygon has to itself, or none,
answers for every point in it; only boxes that a rim runs through keep their polygons,
for an exact test of each of their points. The answers are those of testing every point
against every polygon.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

Degrees = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Shapes = npt.NDArray[np.object_]

_NONE, _MIXED = -1, -2
_COARSE_LEVEL = 4
_LEVELS = range(8, 11)
"""The raster has 256 to 1,024 boxes a side: eight a polygon, and up to 4 MB."""
_MARGIN = 1e-9
"""Degrees, 0.1 mm: a point may be rounded into the box beside its own."""


class PolygonIndex:
    """Finds points in polygons that may overlap: the smaller area wins, then the first."""

    def __init__(self, polygons: Sequence[BaseGeometry]) -> None:
        """Build the raster; some seconds for thousands of detailed polygons.

        Args:
            polygons: at least one, with area, EPSG:4326.
        """
        shapes = np.array(polygons, dtype=object)
        areas = [polygon.area for polygon in polygons]
        self._row_of_rank = np.argsort(areas, kind="stable")
        self._ranked: Shapes = shapes[self._row_of_rank]
        shapely.prepare(self._ranked)
        self._bounds: Degrees = shapely.total_bounds(shapes)  # pyright: ignore[reportUnknownMemberType]
        boxes_a_polygon = np.floor(np.log2(8 * np.sqrt(len(shapes))))
        self._level = int(np.clip(boxes_a_polygon, _LEVELS[0], _LEVELS[-1]))
        self._raster = np.full((1 << self._level, 1 << self._level), _NONE, np.int32)
        self._fill()

    def find(self, lon: Degrees, lat: Degrees) -> Numbers:
        """Return each point's polygon, by its place in the list; -1 = in none.

        A point on a rim is in the polygon.
        """
        west, south, east, north = self._bounds
        ranks = np.full(len(lon), _NONE, np.int64)
        inside = np.flatnonzero(
            (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        )
        side = 1 << self._level
        column = _scale(lon[inside], west, east, side)
        row = _scale(lat[inside], south, north, side)
        found = self._raster[row, column]
        ranks[inside] = found
        unsure = inside[found <= _MIXED]
        leaf = _MIXED - found[found <= _MIXED].astype(np.int64)
        ranks[unsure] = self._test(lon[unsure], lat[unsure], leaf)
        return np.where(ranks >= 0, self._row_of_rank[ranks], _NONE)

    def _test(self, lon: Degrees, lat: Degrees, leaf: Numbers) -> Numbers:
        """Ask the polygons of each point's box, best first."""
        ranks = np.full(len(lon), _NONE, np.int64)
        place, end = self._starts[leaf], self._starts[leaf + 1]
        open_points = np.arange(len(lon))
        while len(open_points):
            asked = self._candidates[place[open_points]]
            hit = shapely.intersects_xy(
                self._ranked[asked], lon[open_points], lat[open_points]
            )
            ranks[open_points[hit]] = asked[hit]
            open_points = open_points[~hit]
            place[open_points] += 1
            open_points = open_points[place[open_points] < end[open_points]]
        return ranks

    def _fill(self) -> None:
        """Settle boxes level by level, and keep what the last ones hold."""
        level = _COARSE_LEVEL
        row, column = (part.ravel() for part in np.indices((1 << level, 1 << level)))
        tree = shapely.STRtree(self._ranked)
        box, rank = tree.query(self._boxes(level, row, column), predicate="intersects")
        order = np.lexsort((rank, box))
        box, rank = box[order], rank[order]
        while True:
            row, column, box, rank = self._settle(level, row, column, box, rank)
            if level == self._level:
                break
            level += 1
            row, column, box, rank = self._split(level, row, column, box, rank)
        self._raster[row, column] = _MIXED - np.arange(len(row))
        self._candidates = rank
        self._starts = np.searchsorted(box, np.arange(len(row) + 1))

    def _settle(
        self, level: int, row: Numbers, column: Numbers, box: Numbers, rank: Numbers
    ) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Paint the boxes that are one polygon's, and return those that are mixed.

        Args:
            level: of the boxes.
            row: of each box.
            column: of each box.
            box: number of the box of each pair, ascending.
            rank: of a polygon that touches it, ascending within the box.
        """
        boxes = self._boxes(level, row, column)
        covers = shapely.covers(self._ranked[rank], boxes[box])
        # What covers a whole box hides what comes after it.
        covered_before = np.cumsum(covers) - covers
        first = np.searchsorted(box, box)
        seen = covered_before == covered_before[first]
        box, rank, covers, first = box[seen], rank[seen], covers[seen], first[seen]
        is_first = np.diff(box, prepend=-1) != 0
        alone = covers & is_first
        self._paint(level, row[box[alone]], column[box[alone]], rank[alone])
        settled = np.zeros(len(row), bool)
        settled[box[alone]] = True
        open_pairs = ~settled[box]
        kept, numbers = np.unique(box[open_pairs], return_inverse=True)
        return row[kept], column[kept], numbers, rank[open_pairs]

    def _split(
        self, level: int, row: Numbers, column: Numbers, box: Numbers, rank: Numbers
    ) -> tuple[Numbers, Numbers, Numbers, Numbers]:
        """Cut each box in four, and keep the pairs that still touch."""
        down, right = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
        row = (2 * row[:, None] + down).ravel()
        column = (2 * column[:, None] + right).ravel()
        quarter = np.arange(4)
        box = (4 * box[:, None] + quarter).ravel()
        rank = np.repeat(rank, 4)
        boxes = self._boxes(level, row, column)
        touches = shapely.intersects(self._ranked[rank], boxes[box])
        box, rank = box[touches], rank[touches]
        order = np.lexsort((rank, box))
        return row, column, box[order], rank[order]

    def _boxes(self, level: int, row: Numbers, column: Numbers) -> Shapes:
        west, south, east, north = self._bounds
        width, height = (east - west) / (1 << level), (north - south) / (1 << level)
        return cast(
            "Shapes",
            shapely.box(
                west + column * width - _MARGIN,
                south + row * height - _MARGIN,
                west + (column + 1) * width + _MARGIN,
                south + (row + 1) * height + _MARGIN,
            ),
        )

    def _paint(self, level: int, row: Numbers, column: Numbers, rank: Numbers) -> None:
        """Give boxes of any level to polygons."""
        size = 1 << (self._level - level)
        steps = np.arange(size)
        rows = (row[:, None] * size + steps)[:, :, None]
        columns = (column[:, None] * size + steps)[:, None, :]
        self._raster[rows, columns] = rank[:, None, None]


def _scale(degrees: Degrees, start: float, end: float, side: int) -> Numbers:
    """Return the row or column of a raster that positions fall into."""
    place = ((degrees - start) * (side / (end - start))).astype(np.int64)
    return np.minimum(place, side - 1)
