from pathlib import Path

import numpy as np
import pytest

from mobility_pipeline.analytics.regions import CellRegionMap, RegionMap
from mobility_pipeline.cities.cell_layers import CellLayer, CellLayers, NetworkCell
from mobility_pipeline.cities.regions import Region, RegionLayer, Regions
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.cities.examples import make_city

CITY = make_city()


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry's folder with a polygon layer `parts` and a cell layer `network`."""
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    part = Region("whole", "Whole", CITY.geometry)
    Regions(store).write(CITY, RegionLayer("parts", "Parts", "", (part,)))
    cells = NetworkCell("A1", "RA", -123.1, 49.3), NetworkCell("X", None, -123.0, 49.3)
    CellLayers(store).write(CITY, CellLayer("network", "Network", "", cells))
    return tmp_path


def open_map(registry: Path, **variables: str) -> RegionMap:
    """The city's region map under some settings."""
    settings = read_settings({"MOBILITY_CITIES": str(registry), **variables})
    return open_region_map(settings, CITY)


def assign(regions: RegionMap) -> str | None:
    """The region of a point near A1."""
    return regions.assign(np.array([-123.099]), np.array([49.3]))[0]


def test_every_city_has_the_grid(registry: Path) -> None:
    """Resolution 8, unless the setting says otherwise."""
    assert open_map(registry).layer == "h3"
    assert assign(open_map(registry))[1] == "8"
    assert assign(open_map(registry, ANALYTICS_H3_RESOLUTION="9"))[1] == "9"


def test_first_layer_that_a_city_has_is_used(registry: Path) -> None:
    """In the order of the setting, of whichever kind."""
    wanted = open_map(registry, ANALYTICS_REGION_LAYERS="wards, parts,h3")
    assert (wanted.layer, assign(wanted)) == ("parts", "whole")
    cells = open_map(registry, ANALYTICS_REGION_LAYERS="network,parts")
    assert isinstance(cells, CellRegionMap)
    assert (cells.layer, assign(cells)) == ("network", "RA")
    assert cells.regions["region_id"].to_list() == ["RA"]


def test_city_without_any_of_them_says_what_to_do(registry: Path) -> None:
    """A list that does not end with the grid may fit other cities only."""
    with pytest.raises(ConfigurationError, match="end it with h3"):
        open_map(registry, ANALYTICS_REGION_LAYERS="wards")
