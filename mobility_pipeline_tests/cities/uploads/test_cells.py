from pathlib import Path

import pytest

from mobility_pipeline.cities.cell_layers import CellLayer, CellLayers, NetworkCell
from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.regions import Region, RegionLayer, Regions
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.cities.uploads.cells import read_cells
from mobility_pipeline.errors import UnknownRegionLayerError, UploadRefusedError
from mobility_pipeline_tests.cities.examples import KEY, make_city

REGION_CELL = "region_id,cell_id\nRA,A1\nRA,A2\nRB,B1\n"
CELL_LOC = "cell_id,lat,lon\nA1,49.3,-123.1\nA2,49.31,-123.1\nB1,49.3,-123.05\n"


def read(region_cell: str = REGION_CELL, cell_loc: str = CELL_LOC) -> CellLayer:
    """The layer of two files."""
    layer, _ = read_cells(
        region_cell.encode(), cell_loc.encode(), name="Operator A", source="made here"
    )
    return layer


def test_two_tables_become_a_layer() -> None:
    """Sorted by cell, whatever the order of rows and columns; a BOM does no harm."""
    layer = read()
    assert (layer.slug, layer.region_ids) == ("operator_a", ["RA", "RB"])
    assert layer.cells[0] == NetworkCell("A1", "RA", -123.1, 49.3)
    shuffled = "\ufefflon ,LAT,cell_id,height\n-123.05,49.3,B1,9\n" + (
        "-123.1,49.31, A2 ,9\n-123.1,49.3,A1,9\n"
    )
    assert read(cell_loc=shuffled).cells == layer.cells
    assert read(REGION_CELL + "RA,A1\n").cells == layer.cells


def test_cells_without_region_are_kept_and_named() -> None:
    """They stand in a neighbourhood too."""
    layer, notes = read_cells(
        REGION_CELL.encode(),
        (CELL_LOC + "C1,49.2,-123\n").encode(),
        name="A",
        source="",
    )
    assert layer.cells[-1] == NetworkCell("C1", None, -123.0, 49.2)
    assert notes == ("1 cells serve no region",)


@pytest.mark.parametrize(
    ("region_cell", "said"),
    [
        ("", "names nothing"),
        ("region_id,cell_id\n", "region_cell has no rows"),
        ("region,cell_id\nRA,A1\n", "has no column region_id: .* names 'region'"),
        (REGION_CELL + "RB,A1\n", "line 5 .* 'A1' is in region 'RB' and in 'RA'"),
        (REGION_CELL + "RB,\n", "line 5 of region_cell has no cell_id"),
        (REGION_CELL + "RB\n", "line 5 of region_cell has no cell_id"),
        (REGION_CELL + "RB,Z9\n", "1 cells of region_cell have no row .* 'Z9'"),
        ('region_id,cell_id\n"' + "x" * 200_000, "is not a CSV file"),
    ],
)
def test_bad_region_cell_is_refused_in_words(region_cell: str, said: str) -> None:
    """Missing column, nothing in it, a cell in two regions, a cell without place."""
    with pytest.raises(UploadRefusedError, match=said):
        read(region_cell)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("A1,49.4,-123.1", "line 5 of cell_loc: cell 'A1' is in two places"),
        ("C1,north,-123.1", "line 5 of cell_loc: lat 'north', .* is no position"),
        ("C1,nan,-123.1", "is no position"),
        ("C1,0,0", "is no position"),
        ("C1,-123.1,49.3", "are lat and lon swapped"),
        ("C1,91,200", "is out of range"),
        ("C1,49.3", "has no lon"),
    ],
)
def test_bad_places_are_refused_in_words(row: str, said: str) -> None:
    """Each with its line."""
    with pytest.raises(UploadRefusedError, match=said):
        read(cell_loc=CELL_LOC + row + "\n")


def test_file_that_is_no_text_is_refused() -> None:
    """A spreadsheet, for example."""
    with pytest.raises(UploadRefusedError, match="cell_loc is not a CSV file in UTF-8"):
        read_cells(REGION_CELL.encode(), b"PK\x03\x04\xff", name="A", source="")


def test_layer_comes_back_as_it_was_stored(tmp_path: Path, history: History) -> None:
    """Beside the city, which the registry does not confuse with one."""
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    registry, layers = Registry(store, history), CellLayers(store)
    registry.add(make_city())
    layers.write(make_city(), read())
    assert layers.list_slugs(KEY) == ["operator_a"]
    assert layers.read(KEY, "operator_a") == read()
    assert Regions(store).list_slugs(KEY) == []
    assert [*registry.load().by_key] == [KEY]
    assert registry.load().refused == ()
    with pytest.raises(UnknownRegionLayerError, match="has no region layer"):
        layers.read(KEY, "operator_b")


def test_name_belongs_to_one_kind(tmp_path: Path) -> None:
    """Polygons and cells of one name, or a layer called as the grid, are refused."""
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    city, cells = make_city(), read()
    part = Region("a", "A", city.geometry)
    Regions(store).write(city, RegionLayer(cells.slug, "A", "", (part,)))
    with pytest.raises(UploadRefusedError, match="polygons or points"):
        CellLayers(store).write(city, cells)
    with pytest.raises(UploadRefusedError, match="the grid that every city has"):
        Regions(store).write(city, RegionLayer("h3", "H3", "", (part,)))


def test_cells_of_another_city_are_refused(tmp_path: Path) -> None:
    """None of them is near."""
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    far = CELL_LOC.replace("-123", "-23")
    with pytest.raises(UploadRefusedError, match=r"no cell .* is near"):
        CellLayers(store).write(make_city(), read(cell_loc=far))
