import csv
import io
import json

import pytest

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.export import CSV_COLUMNS, export_csv, export_geojson
from mobility_pipeline.cities.geojson import city_from_feature
from mobility_pipeline_tests.cities.examples import make_city, make_square

ABHA = make_city(
    "saudi_arabia/asir/abha",
    make_square(42.5, 18.2),
    country="Saudi Arabia",
    state_province="'Asir",
    city='أبها, "Abha"',
    iso_country_code="SA",
    time_zone="Asia/Riyadh",
    first_date="2024-05-01",
)
NAIROBI = make_city(
    "kenya/nairobi",
    {"type": "Point", "coordinates": [36.8, -1.3]},
    radius_m=2000,
    iso_country_code="KE",
    time_zone="Africa/Nairobi",
    status="retired",
    legacy_prefix="kenya/nairobi",
)


def test_geojson_holds_every_city() -> None:
    """The collection is sorted by key, and each feature reads back as its city."""
    collection = json.loads(export_geojson([ABHA, NAIROBI]))
    assert collection["type"] == "FeatureCollection"
    cities = [
        city_from_feature(feature, feature["properties"]["key"])
        for feature in collection["features"]
    ]
    assert cities == [NAIROBI, ABHA]


def test_csv_holds_every_city() -> None:
    """One row per city, sorted by key; quotes, commas and scripts survive."""
    nairobi, abha = csv.DictReader(io.StringIO(export_csv([ABHA, NAIROBI])))
    assert tuple(abha) == CSV_COLUMNS
    assert (abha["city"], abha["state_province"]) == ('أبها, "Abha"', "'Asir")
    assert abha["area_id"] == ABHA.area_id
    assert (abha["first_date"], abha["radius_m"]) == ("2024-05-01", "")
    assert (nairobi["status"], nairobi["legacy_prefix"]) == ("retired", "kenya/nairobi")
    assert (nairobi["latitude"], nairobi["longitude"]) == ("-1.3", "36.8")


def test_csv_measures() -> None:
    """Area is km² and the centre that of the square."""
    (abha,) = csv.DictReader(io.StringIO(export_csv([ABHA])))
    assert float(abha["area_km2"]) == pytest.approx(
        area_km2(ABHA.geometry, None), abs=0.001
    )
    assert (float(abha["latitude"]), float(abha["longitude"])) == (18.25, 42.55)


def test_no_city_is_an_empty_table() -> None:
    """Without cities there is a header, and a collection without features."""
    assert export_csv([]) == ",".join(CSV_COLUMNS) + "\n"
    assert json.loads(export_geojson([]))["features"] == []
