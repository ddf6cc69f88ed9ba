"""H3 cells of a city's area, and of points."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import shapely
from h3ronpy import ContainmentMode, cells_to_string
from h3ronpy.vector import (
    cells_to_coordinates,
    cells_to_wkb_polygons,
    coordinates_to_cells,
    geometry_to_cells,
)
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.diff import outline
from mobility_pipeline.cities.uploads.repair import (
    crosses_antimeridian,
    cut_at_antimeridian,
)

Cells = npt.NDArray[np.uint64]
Degrees = npt.NDArray[np.float64]

_HALF_TURN = 180
_CIRCUMSCRIBED = 1.0001
"""A circle's outline cuts its rim by up to 2e-5 of the radius; this much more holds it."""


class H3Index:
    """Finds points among some cells of one resolution."""

    def __init__(self, cells: Cells, resolution: int) -> None:
        """Make one of cells in ascending order."""
        self._cells = cells
        self._resolution = resolution

    def find(self, lon: Degrees, lat: Degrees) -> npt.NDArray[np.int64]:
        """Return each point's place among the cells; -1 = in none of them."""
        cells = _to_numpy(coordinates_to_cells(lat, lon, self._resolution))
        places = np.searchsorted(self._cells, cells)
        places[places == len(self._cells)] = 0
        return np.where(self._cells[places] == cells, places, -1)


def cells_touching(city: City, resolution: int) -> Cells:
    """Return the cells that share at least a point with a city's area, ascending."""
    shape = city.geometry
    if city.radius_m is not None:
        wider = replace(city, radius_m=city.radius_m * _CIRCUMSCRIBED)
        shape = _keep_in_world(outline(wider))
    cells = geometry_to_cells(shape, resolution, ContainmentMode.Covers)
    return np.unique(_to_numpy(cells))


def cell_ids(cells: Cells) -> list[str]:
    """Return the hexadecimal ids of cells; they ascend as cells do."""
    return pa.array(cells_to_string(cells)).to_pylist()


def cell_centers(cells: Cells) -> tuple[Degrees, Degrees]:
    """Return longitudes and latitudes of the cells' centres."""
    centers = pl.DataFrame(cells_to_coordinates(cells))
    return centers["lng"].to_numpy(), centers["lat"].to_numpy()


def cell_boundaries(cells: Cells) -> Sequence[BaseGeometry]:
    """Return the cells' polygons, cut in two at the antimeridian."""
    polygons = pa.array(cells_to_wkb_polygons(cells)).to_pylist()
    shapes = cast("npt.NDArray[np.object_]", shapely.from_wkb(polygons))
    west, _, east, _ = shapely.bounds(shapes).T  # pyright: ignore[reportUnknownMemberType]
    for torn in np.flatnonzero(east - west > _HALF_TURN):
        shapes[torn] = cut_at_antimeridian(shapes[torn])
    return shapes.tolist()


def _keep_in_world(shape: BaseGeometry) -> BaseGeometry:
    if crosses_antimeridian(shape):
        return cut_at_antimeridian(cast("Polygon", shape))
    return shape


def _to_numpy(cells: pa.Array) -> Cells:
    return pa.array(cells).to_numpy()
