"""`mobility cities boundary · add --boundary · edit · regions · guide`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from shapely.geometry import box, mapping

from mobility_pipeline_tests.cities.uploads.files import (
    make_geojson,
    make_geopackage,
    make_shapefile,
    make_zip,
)
from mobility_pipeline_tests.conftest import CITIES, Workplace

UTM = box(500_000, 5_450_000, 510_000, 5_460_000)


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A user without any account."""
    return make_workplace({})


@pytest.fixture
def shapefile(place: Workplace) -> Path:
    """10 × 10 km near Vancouver in UTM zone 10N, zipped."""
    file = place.home / "Vancouver.zip"
    file.write_bytes(make_zip(make_shapefile(place.home / "s", [UTM], "EPSG:32610")))
    return file


def test_report_says_what_would_change_and_changes_nothing(
    place: Workplace, shapefile: Path
) -> None:
    """Layers, area and changes, as a document and as a table."""
    before = {path: path.read_bytes() for path in place.cities.rglob("*.geojson")}
    answer = place.run("cities", "boundary", str(shapefile), "--json")
    assert answer.code == 0
    assert [layer["name"] for layer in answer.document["layers"]] == ["area"]
    boundary = answer.document["boundary"]
    assert boundary["area_km2"] == pytest.approx(100 / 0.9996**2, rel=1e-3)
    assert [change["kind"] for change in boundary["changes"]] == ["crs", "rounded"]
    assert boundary["simplification_offered"] is None
    shown = place.run("cities", "boundary", str(shapefile))
    assert "100." in shown.stdout
    assert "UTM zone 10N" in shown.stdout
    after = {path: path.read_bytes() for path in place.cities.rglob("*.geojson")}
    assert after == before


def test_unusable_file_is_one_line(place: Workplace) -> None:
    """A person's mistake is exit code 2 and words."""
    file = place.home / "points.geojson"
    file.write_bytes(make_geojson({"type": "Point", "coordinates": [1, 1]}))
    answer = place.run("cities", "boundary", str(file), "--json")
    assert answer.code == 2
    assert answer.document["error"]["type"] == "UploadRefusedError"
    assert "holds points" in answer.document["error"]["message"]


def test_edit_gives_a_city_another_area(place: Workplace, shapefile: Path) -> None:
    """The boundary and its source change, the area id with it, nothing else."""
    path = place.cities / f"{CITIES[0]}.geojson"
    before = json.loads(path.read_text())["properties"]
    answer = place.run(
        "cities", "edit", CITIES[0], "--boundary", str(shapefile), "--json"
    )
    assert answer.code == 0
    assert answer.document["area_id"] != answer.document["area_id_before"]
    after = json.loads(path.read_text())["properties"]
    assert "Vancouver.zip, layer area, EPSG:32610" in after["source"]
    assert {**after, "source": ""} == {**before, "source": ""}


def test_circle_becomes_a_polygon(place: Workplace) -> None:
    """A city bought as a radius loses the radius."""
    file = place.home / "nairobi.geojson"
    file.write_bytes(make_geojson(mapping(box(36.7, -1.4, 36.9, -1.2))))
    assert place.run("cities", "edit", CITIES[1], "--boundary", str(file)).code == 0
    stored = json.loads((place.cities / f"{CITIES[1]}.geojson").read_text())
    assert stored["geometry"]["type"] == "Polygon"
    assert "radius_m" not in stored["properties"]


def test_edit_warns_of_an_area_far_from_the_old_one(place: Workplace) -> None:
    """Nairobi's boundary given to Vancouver: said, and done, as a person may know better."""
    file = place.home / "nairobi.geojson"
    file.write_bytes(make_geojson(mapping(box(36.7, -1.4, 36.9, -1.2))))
    answer = place.run("cities", "edit", CITIES[0], "--boundary", str(file))
    assert answer.code == 0
    said = " ".join(answer.stderr.split())
    assert "warning: the new area lies 14," in said
    assert "shares nothing with it: is it another city's?" in said


def test_city_is_added_with_a_boundary(place: Workplace, shapefile: Path) -> None:
    """The Feature names the city, the file its area; source says where it is from."""
    properties = {
        "country": "Canada",
        "state_province": "British Columbia",
        "city": "Burnaby",
        "iso_country_code": "CA",
        "time_zone": "America/Vancouver",
        "status": "active",
    }
    file = place.home / "burnaby.geojson"
    feature = {"type": "Feature", "properties": properties, "geometry": None}
    file.write_text(json.dumps(feature))
    answer = place.run(
        "cities", "add", str(file), "--boundary", str(shapefile), "--json"
    )
    assert answer.document == {"added": "canada/british_columbia/burnaby"}
    stored = json.loads(
        (place.cities / f"{answer.document['added']}.geojson").read_text()
    )
    assert stored["geometry"]["type"] == "Polygon"
    assert stored["properties"]["source"].startswith("uploaded Vancouver.zip")


def test_boundary_options_alone_are_wrong_usage(place: Workplace) -> None:
    """`--layer` without `--boundary` would be ignored: it is refused."""
    file = place.home / "x.geojson"
    file.write_bytes(make_geojson())
    answer = place.run("cities", "add", str(file), "--layer", "x", "--json")
    assert (answer.code, "--boundary" in answer.stdout) == (2, True)


def test_regions_are_kept_beside_the_city(place: Workplace) -> None:
    """Added, listed, and no city of their own."""
    west, east = box(-123.2, 49.2, -123.1, 49.3), box(-123.1, 49.2, -123.0, 49.3)
    layers = {"Neighbourhoods": [west, east], "other": [west]}
    file = place.home / "parts.gpkg"
    make_geopackage(file, layers)
    arguments = (
        "cities",
        "regions",
        "add",
        CITIES[0],
        str(file),
        "--name-field",
        "name",
    )
    unchosen = place.run(*arguments, "--json")
    assert (unchosen.code, "--layer" in unchosen.stdout) == (2, True)
    added = place.run(*arguments, "--layer", "Neighbourhoods", "--json")
    assert (added.code, added.document["regions"]) == (0, 2)
    listed = place.run("cities", "regions", "list", CITIES[0], "--json")
    assert [row["layer"] for row in listed.document["region_layers"]] == [
        "neighbourhoods"
    ]
    assert place.run("cities", "list", "--json").code == 0
    unknown = place.run("cities", "regions", "list", "atlantis", "--json")
    assert (unknown.code, "atlantis" in unknown.stdout) == (2, True)


def test_cells_are_kept_beside_the_city(place: Workplace) -> None:
    """Added and listed with the other layers; a cell in two regions is one line."""
    loc, mapping_file = place.home / "cell_loc.csv", place.home / "region_cell.csv"
    loc.write_text("cell_id,lat,lon\nA1,49.25,-123.1\nB1,49.26,-123.1\n")
    mapping_file.write_text("region_id,cell_id\nRA,A1\nRB,B1\n")
    arguments = ("cities", "regions", "add-cells", CITIES[0], "--layer", "Operator A")
    files = ("--region-cell", str(mapping_file), "--cell-loc", str(loc), "--json")
    added = place.run(*arguments, *files)
    assert (added.code, added.document) == (
        0,
        {
            "city": CITIES[0],
            "layer": "operator_a",
            "regions": 2,
            "cells": 2,
            "notes": [],
        },
    )
    listed = place.run("cities", "regions", "list", CITIES[0], "--json")
    layer = listed.document["region_layers"][0]
    assert (layer["layer"], layer["cells"]) == ("operator_a", 2)
    mapping_file.write_text("region_id,cell_id\nRA,A1\nRB,A1\n")
    refused = place.run(*arguments, *files)
    assert (refused.code, refused.document["error"]["type"]) == (
        2,
        "UploadRefusedError",
    )


def test_guide_and_template_are_written(place: Workplace) -> None:
    """A page and a zip, wherever they are wanted."""
    out = place.home / "new" / "guide"
    answer = place.run("cities", "guide", "--out", str(out), "--json")
    assert answer.code == 0
    assert {path.name for path in out.iterdir()} == {
        "submission_guide.html",
        "boundary_template.zip",
    }
    blocked = place.run("cities", "guide", "--out", str(out / "boundary_template.zip"))
    assert blocked.code == 2
