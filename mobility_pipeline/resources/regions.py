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
from mobility_pipeline.cities.regions import RegionLayer
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
    layer = _read_layer(settings, city)
    if layer is None:
        return h3_regions(city, settings.analytics_h3_resolution)
    if isinstance(layer, RegionLayer):
        return polygon_regions(city, layer)
    cells = _to_frame(layer)
    mapping = cells.select("region_id", "cell_id").drop_nulls()
    places = cells.select("cell_id", "lat", "lon")
    return cell_regions(city, mapping, places, layer.slug)


def find_cells(settings: Settings, city: City) -> pl.DataFrame | None:
    """Return `cell_id`, `lat` and `lon` of a city's network; None = its layer is none.

    Raises:
        ConfigurationError: the city has none of ANALYTICS_REGION_LAYERS.
        UnknownRegionLayerError: the layer's file is broken.
        StorageError: the registry's store failed.
    """
    layer = _read_layer(settings, city)
    if not isinstance(layer, CellLayer):
        return None
    return _to_frame(layer).select("cell_id", "lat", "lon")


def _read_layer(settings: Settings, city: City) -> RegionLayer | CellLayer | None:
    """Read the city's layer; None = the grid, which is computed."""
    names = [name.strip() for name in settings.analytics_region_layers.split(",")]
    polygons, networks = open_regions(settings), open_cell_layers(settings)
    for name in filter(None, names):
        if name == GRID:
            return None
        if name in polygons.list_slugs(city.key):
            return polygons.read(city.key, name)
        if name in networks.list_slugs(city.key):
            return networks.read(city.key, name)
    raise ConfigurationError(
        f"ANALYTICS_REGION_LAYERS: {city.key} has none of "
        f"{settings.analytics_region_layers!r}; end it with h3, which every city has"
    )


def _to_frame(layer: CellLayer) -> pl.DataFrame:
    return pl.DataFrame(
        [(cell.id, cell.region_id, cell.lat, cell.lon) for cell in layer.cells],
        schema={
            "cell_id": pl.String,
            "region_id": pl.String,
            "lat": pl.Float64,
            "lon": pl.Float64,
        },
        orient="row",
    )
