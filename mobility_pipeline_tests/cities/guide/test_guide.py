import io
import re
import zipfile

import pytest

from mobility_pipeline.cities.guide.page import render_guide
from mobility_pipeline.cities.guide.template import make_template
from mobility_pipeline.cities.uploads.boundary import prepare_boundary
from mobility_pipeline.cities.uploads.layers import Upload, choose_layer
from mobility_pipeline.cities.uploads.opening import open_upload
from mobility_pipeline.cities.uploads.regions import read_regions
from mobility_pipeline_tests.cities.uploads.files import make_zip

LAYERS = [
    "City_Admin_Boundary",
    "City_Urban_Boundary",
    "City_Neighbourhoods",
    "City_Public_Spaces",
]
KM2_IN_UTM = {"City_Admin_Boundary": 114.0, "City_Urban_Boundary": 46.5}
"""By hand: 12 × 10 km less a corner of 3 × 3 / 2 and a lake of 1 × 1.5; 8 × 6 less it."""


@pytest.fixture(scope="module")
def members() -> dict[str, bytes]:
    """The files of the template."""
    with zipfile.ZipFile(io.BytesIO(make_template())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(params=["shapefile", "geopackage"])
def filled_in(request: pytest.FixtureRequest, members: dict[str, bytes]) -> Upload:
    """The template as an administration sends either half of it."""
    if request.param == "geopackage":
        return open_upload(members["City.gpkg"], "City.gpkg")
    shapefiles = {
        name: content
        for name, content in members.items()
        if name.startswith("shapefile")
    }
    return open_upload(make_zip(shapefiles), "City.zip")


def test_template_is_the_same_each_time(members: dict[str, bytes]) -> None:
    """No time of the day is in it."""
    assert make_template() == make_template()
    assert {"README.txt", "City.gpkg"} < members.keys()
    for layer in LAYERS:
        for suffix in ("shp", "shx", "dbf", "prj", "cpg"):
            assert f"shapefile/{layer}.{suffix}" in members


def test_template_passes_our_own_validator(filled_in: Upload) -> None:
    """Its boundaries are boundaries of the size drawn, its parts regions with names."""
    assert [layer.name for layer in filled_in.layers[:2]] == LAYERS[:2]
    assert {layer.name for layer in filled_in.layers} == set(LAYERS)
    for name, km2 in KM2_IN_UTM.items():
        boundary = prepare_boundary(choose_layer(filled_in, name))
        # UTM is 0.04 % short at its middle, where the example lies.
        assert boundary.area_km2 == pytest.approx(km2 / 0.9996**2, rel=2e-4)
        assert {change.kind for change in boundary.changes} <= {"crs", "rounded"}
    for name in LAYERS[2:]:
        made, _ = read_regions(choose_layer(filled_in, name), "name", source="template")
        assert len(made.regions) == 2


def test_whole_template_is_readable_at_once() -> None:
    """Sent as it is, the layers of both halves are told apart by their file."""
    upload = open_upload(make_template(), "boundary_template.zip")
    names = [layer.name for layer in upload.layers]
    assert len(names) == len(set(names)) == 2 * len(LAYERS)
    assert "City.gpkg/City_Admin_Boundary" in names


def test_guide_is_one_self_contained_page() -> None:
    """Nothing is loaded from anywhere, no placeholder is left, each layer is named."""
    page = render_guide().replace("<wbr>", "")
    assert not re.search(r"<script|<link|<img|https?://|url\(|@import", page)
    assert "$" not in page
    assert "50 MB" in page
    for layer in LAYERS:
        assert layer in page
    assert page.count("<h1") == 1
