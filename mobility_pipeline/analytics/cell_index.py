"""The nearest cell of a mobile network to each point, and what its regions look like."""

from typing import cast

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Proj
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.uploads.repair import (
    crosses_antimeridian,
    cut_at_antimeridian,
)

Degrees = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Shapes = npt.NDArray[np.object_]

REACH_M = 2_000
"""Farther from every cell, a point is in no region."""
_BUFFER_M = 250
"""A region's boundary is that far from its outermost cells; for maps only."""


class CellIndex:
    """Finds the region of the nearest cell.

    Distances are those of an azimuthal equidistant map around the city: 100 km away they
    are 0.004 % off.
    """

    def __init__(
        self, area: BaseGeometry, lon: Degrees, lat: Degrees, region: Numbers
    ) -> None:
        """Make one.

        Args:
            area: of the city, EPSG:4326.
            lon: of the cells, in the order in which they win where two are equally near.
            lat: the same.
            region: number of each cell's region; -1 = none.
        """
        center = area.representative_point()
        self._plane = Proj(proj="aeqd", lon_0=center.x, lat_0=center.y, ellps="WGS84")
        self._points = self._project(lon, lat)
        self._region = region
        self._tree = shapely.STRtree(self._points)

    def find(self, lon: Degrees, lat: Degrees) -> Numbers:
        """Return the region of the nearest cell within reach; -1 = none."""
        regions = np.full(len(lon), -1, np.int64)
        # Its own `max_distance` makes the search many times slower.
        (point, cell), distance_m = self._tree.query_nearest(
            self._project(lon, lat), return_distance=True
        )
        near = distance_m <= REACH_M
        point, cell = point[near], cell[near]
        order = np.lexsort((cell, point))
        point, first = np.unique(point[order], return_index=True)
        regions[point] = self._region[cell[order][first]]
        return regions

    def centers(self) -> tuple[Degrees, Degrees]:
        """Return longitude and latitude of the mean of each region's cells."""
        has_region = self._region >= 0
        region = self._region[has_region]
        counts = np.bincount(region)
        x, y = (
            np.bincount(region, values[has_region]) / counts
            for values in shapely.get_coordinates(self._points).T
        )
        return self._plane(x, y, inverse=True)

    def boundaries(self) -> list[BaseGeometry]:
        """Return the convex hull of each region's cells, somewhat wider, EPSG:4326."""
        order = np.argsort(self._region, kind="stable")
        order = order[self._region[order] >= 0]
        collections = shapely.multipoints(
            self._points[order], indices=self._region[order]
        )
        hulls = shapely.convex_hull(collections)
        wider: Shapes = np.asarray(shapely.buffer(hulls, _BUFFER_M))
        return [self._to_degrees(shape) for shape in wider]

    def _project(self, lon: Degrees, lat: Degrees) -> Shapes:
        return cast("Shapes", shapely.points(*self._plane(lon, lat)))

    def _to_degrees(self, shape: Polygon) -> BaseGeometry:
        degrees = shapely.transform(shape, self._invert)
        if crosses_antimeridian(degrees):
            return cut_at_antimeridian(degrees)
        return degrees

    def _invert(self, positions: Degrees) -> Degrees:
        return np.column_stack(self._plane(*positions.T, inverse=True))
