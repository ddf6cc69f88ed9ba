import sqlite3
from contextlib import closing
from math import cos, pi, radians, sin
from pathlib import Path

import pytest
import shapely
from pyproj import Geod, Transformer
from shapely.geometry import LineString, Point, Polygon, box, mapping
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.uploads.boundary import Boundary, prepare_boundary
from mobility_pipeline.cities.uploads.layers import Layer, choose_layer
from mobility_pipeline.cities.uploads.opening import open_upload
from mobility_pipeline.errors import UploadRefusedError
from mobility_pipeline_tests.cities.examples import BOW_TIE, make_square
from mobility_pipeline_tests.cities.uploads.files import (
    make_geojson,
    make_geopackage,
    make_shapefile,
    make_zip,
)

UTM = box(500_000, 1_000_000, 510_000, 1_010_000)
"""10 × 10 km on the central meridian of UTM zone 36N."""
UTM_KM2 = 100 / 0.9996**2
"""Its true size: the scale on the central meridian is 0.9996."""


def read_shapefile(
    folder: Path, *shapes: BaseGeometry | None, crs: str | None
) -> Layer:
    """The layer of a zipped shapefile."""
    files = make_shapefile(folder, shapes, crs)
    return choose_layer(open_upload(make_zip(files), "area.zip"))


def read_geojson(*geometries: object, crs: str | None = None) -> Layer:
    """The layer of a GeoJSON file."""
    return choose_layer(open_upload(make_geojson(*geometries, crs=crs), "a.geojson"))


def kinds(boundary: Boundary) -> list[str]:
    """What was changed."""
    return [change.kind for change in boundary.changes]


def test_utm_shapefile_becomes_degrees(tmp_path: Path) -> None:
    """Its area is that of the square on the ground, its corner where pyproj says."""
    boundary = prepare_boundary(read_shapefile(tmp_path, UTM, crs="EPSG:32636"))
    assert boundary.area_km2 == pytest.approx(UTM_KM2, rel=1e-4)
    corner = Transformer.from_crs(32636, 4326, always_xy=True).transform(5e5, 1e6)
    vertices = shapely.extract_unique_points(boundary.geometry)
    assert vertices.distance(Point(corner)) < 2e-7
    assert boundary.crs == "EPSG:32636 WGS 84 / UTM zone 36N"
    assert kinds(boundary) == ["crs", "rounded"]


def test_web_mercator_geopackage_becomes_degrees(tmp_path: Path) -> None:
    """A square of 0.1° comes back as it was."""
    square = box(36.0, -1.3, 36.1, -1.2)
    there = Transformer.from_crs(4326, 3857, always_xy=True).transform
    projected = shapely.transform(square, there, interleaved=False)
    content = make_geopackage(tmp_path / "a.gpkg", {"area": [projected]}, "EPSG:3857")
    boundary = prepare_boundary(choose_layer(open_upload(content, "a.gpkg")))
    assert boundary.geometry.equals_exact(square, 2e-7, normalize=True)
    area, _ = Geod(ellps="WGS84").geometry_area_perimeter(square)
    assert boundary.area_km2 == pytest.approx(abs(area) / 1e6, rel=1e-5)


def test_features_are_merged(tmp_path: Path) -> None:
    """Two squares side by side and one across both: the overlap counts once."""
    shapes = [
        UTM,
        shapely.affinity.translate(UTM, 10_000),
        shapely.affinity.translate(UTM, 5_000),
    ]
    boundary = prepare_boundary(read_shapefile(tmp_path, *shapes, crs="EPSG:32636"))
    assert boundary.geometry.geom_type == "Polygon"
    assert boundary.area_km2 == pytest.approx(2 * UTM_KM2, rel=1e-4)
    merged = next(change for change in boundary.changes if change.kind == "merged")
    assert merged.area_before_km2 == pytest.approx(3 * UTM_KM2, rel=1e-4)
    assert merged.area_after_km2 == pytest.approx(2 * UTM_KM2, rel=1e-4)
    assert "3 features were merged" in merged.text
    assert "overlap" in merged.text


def test_holes_and_islands_stay() -> None:
    """A lake is no land, an island is."""
    lake = box(0.02, 0.02, 0.04, 0.04)
    shape = box(0, 0, 0.1, 0.1).difference(lake).union(box(0.2, 0, 0.25, 0.05))
    boundary = prepare_boundary(read_geojson(mapping(shape)))
    assert boundary.geometry.equals(shape)
    assert boundary.changes == ()


def test_crossing_ring_is_repaired_with_the_areas() -> None:
    """The two halves of a bow tie cancel out before, and count after."""
    boundary = prepare_boundary(
        read_geojson({"type": "Polygon", "coordinates": [BOW_TIE]})
    )
    assert boundary.geometry.is_valid
    repaired = next(change for change in boundary.changes if change.kind == "repaired")
    half, _ = Geod(ellps="WGS84").geometry_area_perimeter(
        Polygon([(0, 0), (0.05, 0.05), (0, 0.1)])
    )
    assert repaired.area_after_km2 == pytest.approx(2 * abs(half) / 1e6, rel=1e-3)
    assert repaired.area_before_km2 == pytest.approx(0, abs=0.01)
    assert "Self-intersection" in repaired.text


def test_heights_measures_and_empty_features_go(tmp_path: Path) -> None:
    """What can't be used is left out and said."""
    high = shapely.force_3d(UTM, 12.0)
    layer = read_shapefile(tmp_path, high, None, crs="EPSG:32636")
    boundary = prepare_boundary(layer)
    assert not boundary.geometry.has_z
    assert "heights (Z) were dropped" in [change.text for change in boundary.changes]
    assert "1 of 2 features have no geometry and were left out" in [
        change.text for change in boundary.changes
    ]


def test_measures_are_dropped(tmp_path: Path) -> None:
    """M coordinates are said to be gone, too."""
    measured = shapely.from_wkt(
        "POLYGON M ((0 0 1, 0.1 0 1, 0.1 0.1 1, 0 0.1 1, 0 0 1))"
    )
    path = tmp_path / "a.gpkg"
    make_geopackage(path, {"area": [box(0, 0, 0.1, 0.1)]})
    wkb = b"GP\x00\x01" + (4326).to_bytes(4, "little")
    wkb += shapely.to_wkb(measured, flavor="iso", output_dimension=4)
    with closing(sqlite3.connect(path)) as database:
        triggers = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        )
        for (name,) in triggers.fetchall():  # they call functions that GDAL brings
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE area SET geom = ?", (wkb,))
        database.execute("UPDATE gpkg_geometry_columns SET m = 1")
        database.commit()
    boundary = prepare_boundary(choose_layer(open_upload(path.read_bytes(), "a.gpkg")))
    assert "measures (M) were dropped" in [change.text for change in boundary.changes]


def test_crs_by_hand_stands_in_for_the_prj(tmp_path: Path) -> None:
    """Without .prj nothing is guessed; with EPSG:32636 it is the same area."""
    layer = read_shapefile(tmp_path, UTM, crs=None)
    with pytest.raises(UploadRefusedError, match=r"no \.prj; give the CRS by hand"):
        prepare_boundary(layer)
    boundary = prepare_boundary(layer, crs=" epsg:32636 ")
    assert boundary.area_km2 == pytest.approx(UTM_KM2, rel=1e-4)


def test_crs_by_hand_goes_before_the_files(tmp_path: Path) -> None:
    """A wrong .prj is overruled, and that is said."""
    layer = read_shapefile(tmp_path, UTM, crs="EPSG:32637")
    boundary = prepare_boundary(layer, crs="EPSG:32636")
    assert boundary.geometry.bounds[0] == pytest.approx(33.0, abs=1e-6)
    assert "was given by hand" in boundary.changes[0].text


@pytest.mark.parametrize(
    ("crs", "words"),
    [
        ("UTM 36N", "is not written like EPSG:32636"),
        ("32636", "is not written like EPSG:32636"),
        ("EPSG:999999", "is unknown"),
        ("+proj=utm +zone=36", "is not written like EPSG:32636"),
        ("EPSG:5773", "is not a place on a map"),
        ("EPSG:4978", "is not a place on a map"),
        ("EPSG:32601", "lie outside the area"),
        ("EPSG:4326", "are no degrees"),
        ("EPSG:27700", "outside the area"),
    ],
)
def test_wrong_crs_by_hand_is_refused(tmp_path: Path, crs: str, words: str) -> None:
    """Never a guess, and never a city on the other side of the world."""
    frame = UTM if crs != "EPSG:27700" else box(-900_000, -900_000, -890_000, -890_000)
    layer = read_shapefile(tmp_path, frame, crs=None)
    if crs == "EPSG:32601":  # what zone 1 has there, but far from zone 1
        layer = read_shapefile(
            tmp_path / "b", shapely.affinity.translate(UTM, 3_000_000), crs=None
        )
    with pytest.raises(UploadRefusedError, match=words):
        prepare_boundary(layer, crs=crs)


@pytest.mark.parametrize(
    ("prj", "words"),
    [
        (b"rubbish", "prj is unknown"),
        (b"", "prj is unknown|no .prj"),
        (b"\xff\xfe\x00", "prj is unknown"),
    ],
)
def test_unknown_prj_is_refused(tmp_path: Path, prj: bytes, words: str) -> None:
    """A .prj that nobody knows is like none."""
    files = make_shapefile(tmp_path, [UTM]) | {"area.prj": prj}
    layer = choose_layer(open_upload(make_zip(files), "area.zip"))
    with pytest.raises(UploadRefusedError, match=words):
        prepare_boundary(layer)


@pytest.mark.parametrize(
    ("geometries", "words"),
    [
        ([mapping(Point(1, 1))], "holds points: a boundary is made of polygons"),
        ([mapping(LineString([(0, 0), (1, 1)]))], "holds lines"),
        ([make_square(), mapping(Point(1, 1))], "several kinds of geometry"),
        ([None], "is empty"),
        ([{"type": "Polygon", "coordinates": []}], "is empty"),
        ([mapping(box(0, 0, 1e-4, 1e-4))], "area is .* km², not between"),
        ([mapping(box(0, 0, 5, 5))], "area is .* km², not between"),
        ([mapping(box(500_000, 0, 510_000, 10_000))], "are no degrees"),
        ([mapping(box(10, 100, 11, 101))], "look swapped"),
        (
            [{"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]}],
            "geometry is empty",
        ),
    ],
)
def test_what_is_no_area_is_refused(geometries: list[object], words: str) -> None:
    """Points, lines, nothing, specks and continents: in words."""
    with pytest.raises(UploadRefusedError, match=words):
        prepare_boundary(read_geojson(*geometries))


def test_layer_without_features_is_empty() -> None:
    """An empty layer says so."""
    content = b'{"type": "FeatureCollection", "features": []}'
    with pytest.raises(UploadRefusedError, match="is empty"):
        prepare_boundary(choose_layer(open_upload(content, "a.geojson")))


def test_degrees_under_a_utm_crs_are_noticed(tmp_path: Path) -> None:
    """The most usual mistake: the .prj says metres, the numbers are degrees."""
    layer = read_shapefile(tmp_path, box(33, 9, 33.1, 9.1), crs="EPSG:32636")
    with pytest.raises(UploadRefusedError, match="look like degrees"):
        prepare_boundary(layer)


@pytest.mark.parametrize(
    "ring",
    [
        [[179.9, -17], [-179.9, -17], [-179.9, -16.8], [179.9, -16.8], [179.9, -17]],
        [[179.9, -17], [180.1, -17], [180.1, -16.8], [179.9, -16.8], [179.9, -17]],
        [[-180.1, -17], [-179.9, -17], [-179.9, -16.8], [-180.1, -16.8], [-180.1, -17]],
    ],
)
def test_area_across_the_antimeridian_is_cut_there(ring: list[list[float]]) -> None:
    """A piece of Fiji is two squares of 0.1° × 0.2°, not a belt round the world."""
    boundary = prepare_boundary(
        read_geojson({"type": "Polygon", "coordinates": [ring]})
    )
    expected = box(179.9, -17, 180, -16.8).union(box(-180, -17, -179.9, -16.8))
    assert boundary.geometry.equals_exact(expected, 1e-7, normalize=True)
    assert kinds(boundary)[0] == "antimeridian"


def make_coast(vertices: int) -> Polygon:
    """A disc of 0.1° with a rough rim."""
    rim = (
        (0.1 + 0.001 * sin(37 * angle), angle)
        for angle in (2 * pi * number / vertices for number in range(vertices))
    )
    return Polygon([(r * cos(angle), r * sin(angle)) for r, angle in rim])


def test_simplification_is_offered_and_not_made_silently() -> None:
    """Above 5,000 vertices the figures are shown; the boundary is as it was."""
    coast = make_coast(6_000)
    boundary = prepare_boundary(read_geojson(mapping(coast)))
    offer = boundary.offer
    assert boundary.vertices == 6_001
    assert offer is not None
    assert offer.geometry.is_valid
    assert offer.vertices == shapely.get_num_coordinates(offer.geometry) < 5_000
    geod = Geod(ellps="WGS84")
    areas = [
        abs(geod.geometry_area_perimeter(shape)[0]) / 1e6
        for shape in (boundary.geometry, offer.geometry)
    ]
    assert [offer.area_before_km2, offer.area_after_km2] == pytest.approx(areas)
    assert offer.moved_km2 >= abs(areas[1] - areas[0]) - 1e-6
    degrees = boundary.geometry.hausdorff_distance(offer.geometry)
    assert degrees * 111_320 / cos(radians(0)) < offer.tolerance_m * 1.5 + 0.05


def test_simplification_is_taken_when_asked_for() -> None:
    """Taken, it is one of the changes, and no longer offered."""
    boundary = prepare_boundary(read_geojson(mapping(make_coast(6_000))), simplify=True)
    assert boundary.vertices < 5_000
    assert boundary.offer is None
    assert kinds(boundary)[-1] == "simplified"
    assert "6,001 vertices become" in boundary.changes[-1].text


def test_small_boundary_is_not_simplified_even_if_asked() -> None:
    """Nothing is offered below 5,000 vertices."""
    boundary = prepare_boundary(read_geojson(make_square()), simplify=True)
    assert (boundary.vertices, boundary.offer) == (5, None)
    assert "simplified" not in kinds(boundary)


def test_too_many_islands_cannot_be_simplified() -> None:
    """1,300 squares have 6,500 vertices whatever one does: that is said."""
    squares = [box(x / 50, y / 50, x / 50 + 0.01, y / 50 + 0.01)
               for x in range(50) for y in range(26)]  # fmt: skip
    layer = read_geojson(mapping(shapely.MultiPolygon(squares)))
    assert prepare_boundary(layer).offer is None
    with pytest.raises(UploadRefusedError, match="too many separate parts"):
        prepare_boundary(layer, simplify=True)


@pytest.mark.parametrize(
    ("name", "is_doubted"),
    [
        ("Bilma_Neighbourhoods", True),
        ("bilma neighborhoods", True),
        ("Public_Spaces", True),
        ("Bilma_Public_Spaces_2025", True),
        ("Bilma_Admin_Boundary", False),
        ("Bilma", False),
        ("Public_Spaceship", False),
    ],
)
def test_sole_layer_of_parts_is_doubted(name: str, is_doubted: bool) -> None:
    """The guide's names of neighbourhoods and public spaces; it may be taken all the same."""
    content = make_geojson(make_square())
    layer = choose_layer(open_upload(content, f"{name}.geojson"))
    boundary = prepare_boundary(layer)
    said = [change.text for change in boundary.changes if change.kind == "doubt"]
    assert any("looks like parts of the city" in text for text in said) == is_doubted
