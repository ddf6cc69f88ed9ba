"""Region maps: which region of a city's layer each point is in, at most one.

Shape: a layer is an H3 grid over the city, polygons that somebody uploaded, or the
serving areas of a network's cells.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import shapely
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.analytics.cell_index import CellIndex
from mobility_pipeline.analytics.h3_index import (
    H3Index,
    cell_boundaries,
    cell_centers,
    cell_ids,
    cells_touching,
)
from mobility_pipeline.analytics.polygon_index import PolygonIndex
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.layer_files import GRID
from mobility_pipeline.cities.regions import RegionLayer
from mobility_pipeline.errors import UnknownRegionLayerError

REGION_COLUMNS = {
    "region_id": pl.String,
    "name": pl.String,
    "center_lon": pl.Float64,
    "center_lat": pl.Float64,
    "boundary_wkb": pl.Binary,
}

Degrees = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


class PointIndex(Protocol):
    """Finds the region of points."""

    def find(self, lon: Degrees, lat: Degrees) -> Rows:
        """Return each point's row in the table of regions; -1 = none.

        Args:
            lon: EPSG:4326 degrees, finite and in range.
            lat: the same.
        """
        ...


@dataclass(frozen=True)
class RegionMap:
    """A city's region layer in use."""

    city: str
    """The city's key."""
    layer: str
    """`h3`, or the slug of an uploaded layer."""
    sha256: str
    """Hex digest of the layer's content; changes when a point's region may."""
    regions: pl.DataFrame
    """One row per region, sorted by `region_id`: `REGION_COLUMNS`; the name is null in
    layers without names, the centre and the boundary are EPSG:4326, (lon, lat)."""
    index: PointIndex

    def assign(self, lon: Degrees, lat: Degrees) -> pl.Series:
        """Return the `region_id` of each point.

        Args:
            lon: EPSG:4326 degrees; of anything that is no position, NaN and out of
                range, the region is null.
            lat: the same.

        Returns:
            As many values as points, in their order; null = in no region.
        """
        # Comparisons with NaN are false.
        is_placed = (np.abs(lon) <= 180) & (np.abs(lat) <= 90)
        rows = np.full(len(lon), -1, np.int64)
        if is_placed.all():
            rows = self.index.find(lon, lat)
        else:
            rows[is_placed] = self.index.find(lon[is_placed], lat[is_placed])
        return _take_ids(self.regions, rows)


@dataclass(frozen=True)
class CellRegionMap(RegionMap):
    """A region layer made of a network's cells."""

    region_of_cell: pl.DataFrame
    """`cell_id`, `region_id`; one row per cell that has a region."""

    def assign_cells(self, cell_id: pl.Series) -> pl.Series:
        """Return the `region_id` of each cell; null = unknown cell, or in no region."""
        cells, regions = (
            self.region_of_cell["cell_id"],
            self.region_of_cell["region_id"],
        )
        found = cell_id.cast(pl.String).replace_strict(
            cells, regions, default=None, return_dtype=pl.String
        )
        return found.alias("region_id")


def h3_regions(city: City, resolution: int) -> RegionMap:
    """Lay H3 cells over a city's area: every cell that touches it is a region.

    Args:
        city: whose polygon, or geodesic disc around a point, it is.
        resolution: 0 (cells of 4.3 M km²) to 15 (0.9 m²); 8 is 0.74 km².

    Returns:
        Regions whose ids are the cells' hexadecimal ids, without names.

    References:
        Uber H3, <https://h3geo.org/docs/core-library/restable>.
    """
    cells = cells_touching(city, resolution)
    frame = _make_frame(
        cell_ids(cells), None, cell_boundaries(cells), *cell_centers(cells)
    )
    index = H3Index(cells, resolution)
    return RegionMap(city.key, GRID, _digest(GRID, frame), frame, index)


def polygon_regions(city: City, layer: RegionLayer) -> RegionMap:
    """Use an uploaded layer of polygons as it is.

    Where polygons overlap, the smaller one (in square degrees) has the points, then the
    smaller id; rims belong to their polygon, so a shared one goes by the same rule.

    Raises:
        UnknownRegionLayerError: a region is a point, or there is none at all.
    """
    points = [region.id for region in layer.regions if region.geometry.area == 0]
    if points or not layer.regions:
        problem = (
            f"{len(points)} of its regions are points" if points else "it is empty"
        )
        raise UnknownRegionLayerError(
            f"region layer {layer.slug!r} of {city.key} can't say which region a ping is "
            f"in: {problem}; upload polygons or name another in ANALYTICS_REGION_LAYERS"
        )
    ordered = sorted(layer.regions, key=lambda region: region.id)
    shapes = [region.geometry for region in ordered]
    frame = _make_frame(
        [region.id for region in ordered],
        [region.name for region in ordered],
        shapes,
        *_centers_inside(shapes),
    )
    digest = _digest(layer.slug, frame)
    return RegionMap(city.key, layer.slug, digest, frame, PolygonIndex(shapes))


def cell_regions(
    city: City, region_cell: pl.DataFrame, cell_loc: pl.DataFrame, layer: str = "cells"
) -> CellRegionMap:
    """Use the cells of a network: a point is where its nearest cell is, within 2,000 m.

    A cell without region counts as a neighbour too: points nearest to it are in none. Of
    cells equally near, the smallest `cell_id` decides.

    Args:
        city: whose cells they are.
        region_cell: `region_id`, `cell_id`, text; each cell once. Cells without place
            are known to `assign_cells` alone.
        cell_loc: `cell_id`, `lat`, `lon`, EPSG:4326 degrees; each cell once.
        layer: the layer's slug.

    Returns:
        Regions of at least one cell with a place: the centre is the mean of the cells,
        the boundary their convex hull, 250 m wider.
    """
    mapping = region_cell.select("cell_id", "region_id").sort("cell_id")
    placed = cell_loc.join(mapping, on="cell_id", how="left").sort("cell_id")
    lon, lat = placed["lon"].to_numpy(), placed["lat"].to_numpy()
    ids = placed["region_id"].unique().drop_nulls().sort()
    rows = placed["region_id"].replace_strict(
        ids, pl.int_range(len(ids), eager=True), default=-1, return_dtype=pl.Int64
    )
    index = CellIndex(city.geometry, lon, lat, rows.to_numpy())
    center_lon, center_lat = index.centers()
    frame = _make_frame(ids, None, index.boundaries(), center_lon, center_lat)
    digest = _digest(layer, frame, repr((placed.rows(), mapping.rows())).encode())
    return CellRegionMap(city.key, layer, digest, frame, index, mapping)


def _make_frame(
    ids: Sequence[str] | pl.Series,
    names: Sequence[str] | None,
    boundaries: Sequence[BaseGeometry],
    center_lon: Degrees,
    center_lat: Degrees,
) -> pl.DataFrame:
    columns = {
        "region_id": ids,
        "name": names if names is not None else [None] * len(ids),
        "center_lon": center_lon,
        "center_lat": center_lat,
        "boundary_wkb": shapely.to_wkb(np.array(boundaries, dtype=object)),
    }
    return pl.DataFrame(columns, schema=REGION_COLUMNS)


def _centers_inside(shapes: Sequence[BaseGeometry]) -> tuple[Degrees, Degrees]:
    """Return centroids; where one is not in its polygon, a point that is."""
    polygons = np.array(shapes, dtype=object)
    centroids = shapely.centroid(polygons)
    centers = np.where(
        shapely.intersects(polygons, centroids),
        centroids,
        shapely.point_on_surface(polygons),
    )
    lon, lat = shapely.get_coordinates(centers).T
    return lon, lat


def _take_ids(regions: pl.DataFrame, rows: Rows) -> pl.Series:
    ids = regions["region_id"]
    with_null = pl.concat([ids, pl.Series("region_id", [None], pl.String)])
    return with_null.gather(np.where(rows < 0, len(ids), rows))


def _digest(layer: str, frame: pl.DataFrame, more: bytes = b"") -> str:
    digest = hashlib.sha256(layer.encode())
    for row in frame.iter_rows():
        digest.update(repr(row).encode())
    digest.update(more)
    return digest.hexdigest()
