from pathlib import Path

import pytest
import shapely
from shapely.geometry import LineString, Point, box, mapping

from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.regions import Regions
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.cities.uploads.layers import Layer, choose_layer
from mobility_pipeline.cities.uploads.opening import open_upload
from mobility_pipeline.cities.uploads.regions import read_regions
from mobility_pipeline.errors import UnknownRegionLayerError, UploadRefusedError
from mobility_pipeline_tests.cities.examples import KEY, make_city
from mobility_pipeline_tests.cities.uploads.files import make_geojson, make_geopackage

WEST, EAST = box(-123.1, 49.25, -123.05, 49.3), box(-123.05, 49.25, -123.0, 49.3)


def read_layer(*geometries: object, name: object = "Kitsilano") -> Layer:
    """A GeoJSON layer whose features all have one name."""
    content = make_geojson(*map(mapping, geometries), name=name)
    return choose_layer(open_upload(content, "City_Neighbourhoods.geojson"))


def test_regions_come_back_as_they_were_stored(
    tmp_path: Path, history: History
) -> None:
    """Names, ids and shapes of a stored layer; the registry does not take it for a city."""
    cities = tmp_path / "cities"
    cities.mkdir()
    store = open_store(str(cities), endpoint_url=None, region="us-west-2")
    registry, regions = Registry(store, history), Regions(store)
    registry.add(make_city())
    content = make_geopackage(tmp_path / "n.gpkg", {"City_Parts": [WEST, EAST]})
    layer = choose_layer(open_upload(content, "n.gpkg"))
    made, changes = read_regions(layer, "name", source="n.gpkg")
    assert changes == ()
    assert regions.write(make_city(), made) == []
    assert regions.list_slugs(KEY) == ["city_parts"]
    stored = regions.read(KEY, "city_parts")
    assert stored == made
    assert [(r.id, r.name) for r in stored.regions] == [
        ("part_0", "part 0"),
        ("part_1", "part 1"),
    ]
    shapes = [region.geometry for region in stored.regions]
    assert all(map(shapely.equals, shapes, (WEST, EAST)))
    known = registry.load()
    assert (list(known.by_key), known.refused) == ([KEY], ())


def test_points_and_equal_names_are_kept_apart() -> None:
    """Public spaces are points; the same name twice gets numbered ids; script is text."""
    layer = read_layer(Point(-123.0, 49.3), Point(-123.1, 49.3), name="<b>Plaza</b>")
    made, changes = read_regions(layer, "name", source="x")
    assert [region.id for region in made.regions] == ["b_plaza_b", "b_plaza_b-2"]
    assert made.regions[0].name == "<b>Plaza</b>"
    assert changes == ("several regions have one name: their ids are numbered",)


def test_numbered_ids_stay_unique() -> None:
    """A name that looks like a numbered one takes no id twice."""
    made, _ = read_regions(read_layer(WEST, EAST, name="中央"), "name", source="x")
    assert len({region.id for region in made.regions}) == 2


@pytest.mark.parametrize(
    ("layer", "field", "words"),
    [
        (read_layer(WEST), "NAME_1", "no column 'NAME_1'; its columns: name"),
        (read_layer(WEST, name=None), "name", "region 1 .* has no name"),
        (read_layer(WEST, name=" \t"), "name", "region 1 .* has no name"),
        (read_layer(LineString([(0, 0), (1, 1)])), "name", "is lines: regions are"),
    ],
)
def test_bad_regions_are_refused(layer: Layer, field: str, words: str) -> None:
    """Names are required, and shapes that something can be counted in."""
    with pytest.raises(UploadRefusedError, match=words):
        read_regions(layer, field, source="x")


def test_regions_elsewhere_are_named_or_refused(tmp_path: Path) -> None:
    """One region outside the city is told; none inside is another city's file."""
    cities = tmp_path / "cities"
    cities.mkdir()
    store = open_store(str(cities), endpoint_url=None, region="us-west-2")
    far = box(10, 10, 10.1, 10.1)
    some, _ = read_regions(read_layer(WEST, far), "name", source="x")
    assert Regions(store).write(make_city(), some) == ["Kitsilano"]
    none, _ = read_regions(read_layer(far), "name", source="x")
    with pytest.raises(UploadRefusedError, match=r"no region .* touches"):
        Regions(store).write(make_city(), none)


@pytest.mark.parametrize("slug", ["missing", "../../etc/passwd", "", "broken"])
def test_unknown_or_broken_layer_is_no_traceback(tmp_path: Path, slug: str) -> None:
    """What is not there, or was broken by hand, is said in one line."""
    cities = tmp_path / "cities"
    cities.mkdir()
    store = open_store(str(cities), endpoint_url=None, region="us-west-2")
    broken = tmp_path / f"{KEY}.regions" / "broken.geojson"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"features": [3]}')
    with pytest.raises(UnknownRegionLayerError):
        Regions(store).read(KEY, slug)
