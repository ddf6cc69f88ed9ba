"""From settings to the region layer that a city is cut by."""

import polars as pl

from mobility_pipeline.analytics.regions import (
    RegionMap,
    cell_regions,
    h3_regions,
    polygon_regions,
)
from mobility_pipeline.cities.cell_layers import CellLayer
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.layer_files import GRID
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.clients import open_cell_layers, open_regions
from mobility_pipeline.settings import Settings


def open_region_map(settings: Settings, city: City) -> RegionMap:
    """Open the first layer of ANALYTICS_REGION_LAYERS that a city has.

    Raises:
        ConfigurationError: it has none of them.
        UnknownRegionLayerError: the layer is not of polygons, or its file is broken.
        StorageError: the registry's store failed.
    """
    names = [name.strip() for name in settings.analytics_region_layers.split(",")]
    polygons, networks = open_regions(settings), open_cell_layers(settings)
    for name in filter(None, names):
        if name == GRID:
            return h3_regions(city, settings.analytics_h3_resolution)
        if name in polygons.list_slugs(city.key):
            return polygon_regions(city, polygons.read(city.key, name))
        if name in networks.list_slugs(city.key):
            return _use_cells(city, networks.read(city.key, name))
    raise ConfigurationError(
        f"ANALYTICS_REGION_LAYERS: {city.key} has none of "
        f"{settings.analytics_region_layers!r}; end it with h3, which every city has"
    )


def _use_cells(city: City, layer: CellLayer) -> RegionMap:
    cells = pl.DataFrame(
        [(cell.id, cell.region_id, cell.lat, cell.lon) for cell in layer.cells],
        schema={
            "cell_id": pl.String,
            "region_id": pl.String,
            "lat": pl.Float64,
            "lon": pl.Float64,
        },
        orient="row",
    )
    mapping = cells.select("region_id", "cell_id").drop_nulls()
    return cell_regions(
        city, mapping, cells.select("cell_id", "lat", "lon"), layer.slug
    )
