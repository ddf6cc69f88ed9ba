import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from shapely.geometry import Point, box

from mobility_pipeline.cities.uploads.boundary import prepare_boundary
from mobility_pipeline.cities.uploads.layers import choose_layer
from mobility_pipeline.cities.uploads.opening import open_upload
from mobility_pipeline.errors import UploadRefusedError
from mobility_pipeline_tests.cities.examples import make_square
from mobility_pipeline_tests.cities.uploads.files import (
    make_geojson,
    make_geopackage,
    make_shapefile,
    make_zip,
)

SQUARE = box(0.1, 0.1, 0.3, 0.3)
UTM = box(500_000, 1_000_000, 510_000, 1_010_000)


def test_layers_are_listed_with_what_they_hold(tmp_path: Path) -> None:
    """Name, kind, features, CRS and extent of each; boundaries by name come first."""
    layers = {
        "big_region": [box(0, 0, 1, 1)],
        "squares": [Point(0.2, 0.2), Point(0.25, 0.2)],
        "Kisumu_Urban_Boundary": [SQUARE],
        "Kisumu_Admin_Boundary": [SQUARE, SQUARE],
    }
    upload = open_upload(make_geopackage(tmp_path / "a.gpkg", layers), "a.gpkg")
    listed = [(x.name, x.kind, len(x.geometries)) for x in upload.layers]
    assert listed == [
        ("Kisumu_Admin_Boundary", "polygons", 2),
        ("Kisumu_Urban_Boundary", "polygons", 1),
        ("big_region", "polygons", 1),
        ("squares", "points", 2),
    ]
    first = upload.layers[0]
    assert (first.crs and first.crs.to_epsg(), first.bbox) == (4326, SQUARE.bounds)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["x", "Kisumu_Admin_Boundary"], "Kisumu_Admin_Boundary"),
        (["Kisumu_Urban_Boundary", "huge"], "Kisumu_Urban_Boundary"),
        (["kisumu admin-boundary", "x"], "kisumu admin-boundary"),
        (["anything"], "anything"),
        (["a", "b"], None),
        (["K_Admin_Boundary", "K_Urban_Boundary"], None),
        (["K_Admin_Boundary_old", "x"], None),
    ],
)
def test_layer_is_chosen_by_name_or_by_a_person(
    tmp_path: Path, names: list[str], chosen: str | None
) -> None:
    """One name of the guide decides; none or several are asked about, with a list."""
    layers = {name: [SQUARE] for name in names}
    upload = open_upload(make_geopackage(tmp_path / "a.gpkg", layers), "a.gpkg")
    if chosen is None:
        with pytest.raises(UploadRefusedError, match="choose the layer; there are: "):
            choose_layer(upload)
    else:
        assert choose_layer(upload).name == chosen
    assert choose_layer(upload, names[-1]).name == names[-1]
    with pytest.raises(UploadRefusedError, match="there is no layer 'nothing'"):
        choose_layer(upload, "nothing")


@pytest.mark.parametrize(
    "name", ["a<script>alert(1)</script>", "مدينة", 'a"b;--', "a'b"]
)
def test_odd_layer_names_are_only_names(tmp_path: Path, name: str) -> None:
    """Script, quotes and other scripts are kept as text."""
    content = make_geopackage(tmp_path / "a.gpkg", {name: [SQUARE]})
    assert choose_layer(open_upload(content, "a.gpkg"), name).kind == "polygons"


def test_control_characters_leave_names() -> None:
    """A file name can't paint on a terminal, and never is a path."""
    upload = open_upload(make_geojson(), "../../etc/\x1b[31mred\n.geojson")
    assert [layer.name for layer in upload.layers] == ["[31mred"]
    assert upload.file_name == "[31mred .geojson"


@pytest.mark.parametrize("missing", [".shx", ".dbf", ".shp"])
def test_missing_part_of_a_shapefile_is_named(tmp_path: Path, missing: str) -> None:
    """A shapefile without one of its files says which."""
    files = make_shapefile(tmp_path, [UTM])
    files = {name: part for name, part in files.items() if not name.endswith(missing)}
    with pytest.raises(UploadRefusedError, match=rf"\{missing}"):
        open_upload(make_zip(files), "area.zip")


def test_shapefiles_in_folders_and_capitals_are_read(tmp_path: Path) -> None:
    """Two of one name in two folders keep their folders' names."""
    files = make_shapefile(tmp_path, [UTM])
    members = {f"A/{name.upper()}": part for name, part in files.items()}
    members |= {f"b c/{name}": part for name, part in files.items()}
    members = {name.replace("AREA", "area"): part for name, part in members.items()}
    upload = open_upload(make_zip(members), "two.zip")
    assert [layer.name for layer in upload.layers] == ["A/area", "b c/area"]


@pytest.mark.parametrize("part", [".shp", ".shx"])
def test_damaged_shapefile_is_no_traceback(tmp_path: Path, part: str) -> None:
    """A part that is cut short is refused."""
    files = make_shapefile(tmp_path, [UTM, UTM])
    cut = {
        name: content[:60] if name.endswith(part) else content
        for name, content in files.items()
    }
    with pytest.raises(UploadRefusedError):
        prepare_boundary(choose_layer(open_upload(make_zip(cut), "area.zip")))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b"[1, 2]", "not GeoJSON"),
        (b'{"type": "Topology"}', "its type is 'Topology'"),
        (b'{"type": "FeatureCollection"}', "no list of features"),
        (b'{"type": "FeatureCollection", "features": [3]}', "feature 1 is not"),
        (b"[" * 200_000, "is not GeoJSON: nested too deeply"),
        ('{"type": "Feature", "x": "é"}'.encode("latin-1"), "not UTF-8"),
        (make_geojson().replace(b"49.25", b"NaN"), "not a finite number"),
        (make_geojson().replace(b"49.25", b"-Infinity"), "not a finite number"),
        (make_geojson().replace(b"49.25", b"1e999"), "not a finite number"),
        (
            make_geojson({"type": "Polygon", "coordinates": 3}),
            "feature 1 has a geometry",
        ),
        (make_geojson({"type": "Circle"}), "feature 1 has a geometry"),
        (make_geojson(crs="urn:ogc:def:crs:EPSG::99999"), "is unknown"),
        (make_geojson(crs="/etc/passwd"), "is not written like"),
        (
            make_geojson(crs="+proj=longlat +nadgrids=/etc/passwd"),
            "is not written like",
        ),
    ],
)
def test_bad_geojson_is_refused_in_words(content: bytes, words: str) -> None:
    """Each problem names the feature or what the text is."""
    with pytest.raises(UploadRefusedError, match=words):
        open_upload(content, "area.geojson")


def test_feature_and_bare_geometry_are_read() -> None:
    """All three shapes of a GeoJSON document are one layer."""
    feature = {"type": "Feature", "properties": None, "geometry": make_square()}
    for document in (feature, make_square()):
        upload = open_upload(json.dumps(document).encode(), "area.json")
        assert upload.layers[0].kind == "polygons"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE VIRTUAL TABLE evil USING fts5(x)", "virtual table, 'evil'"),
        ("CREATE VIEW v AS SELECT * FROM area", None),
        ("UPDATE gpkg_contents SET table_name = 'gone'", "missing"),
        ("DROP TABLE gpkg_contents", "not a readable GeoPackage"),
    ],
)
def test_geopackage_with_more_than_tables(
    tmp_path: Path, statement: str, words: str | None
) -> None:
    """Virtual tables could open other files; a view that is no layer is left alone."""
    path = tmp_path / "a.gpkg"
    make_geopackage(path, {"area": [SQUARE]})
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute(statement)
        database.commit()
    if words is None:
        upload = open_upload(path.read_bytes(), "a.gpkg")
        assert [layer.name for layer in upload.layers] == ["area"]
    else:
        with pytest.raises(UploadRefusedError, match=words):
            open_upload(path.read_bytes(), "a.gpkg")


def test_view_as_a_layer_is_refused(tmp_path: Path) -> None:
    """A view is a program, not a table."""
    path = tmp_path / "a.gpkg"
    make_geopackage(path, {"area": [SQUARE]})
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE VIEW v AS SELECT * FROM area")
        database.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, srs_id) "
            "VALUES ('v', 'features', 'v', 4326)"
        )
        database.commit()
    with pytest.raises(UploadRefusedError, match="a view: export it as a layer"):
        open_upload(path.read_bytes(), "a.gpkg")


def test_geopackage_that_somebody_had_open_is_read(tmp_path: Path) -> None:
    """QGIS leaves GeoPackages in write-ahead mode."""
    path = tmp_path / "a.gpkg"
    make_geopackage(path, {"area": [SQUARE]})
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    assert path.read_bytes()[18] == 2
    assert open_upload(path.read_bytes(), "a.gpkg").layers[0].name == "area"


@pytest.mark.parametrize("length", [16, 100, 5_000])
def test_cut_geopackage_is_refused(tmp_path: Path, length: int) -> None:
    """A download that broke off is no traceback."""
    content = make_geopackage(tmp_path / "a.gpkg", {"area": [SQUARE]})[:length]
    with pytest.raises(UploadRefusedError):
        open_upload(content, "a.gpkg")


def test_other_databases_are_refused(tmp_path: Path) -> None:
    """A SQLite file that is no GeoPackage says so."""
    with closing(sqlite3.connect(tmp_path / "a.db")) as database:
        database.execute("CREATE TABLE t (x)")
        database.commit()
    with pytest.raises(UploadRefusedError, match="not a readable GeoPackage"):
        open_upload((tmp_path / "a.db").read_bytes(), "a.gpkg")
