"""Cities for other programs: one GeoJSON FeatureCollection, or a CSV table."""

import csv
import io
from collections.abc import Iterable

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson

CSV_COLUMNS = (
    "key",
    "country",
    "state_province",
    "city",
    "iso_country_code",
    "time_zone",
    "status",
    "first_date",
    "area_id",
    "area_km2",
    "radius_m",
    "latitude",
    "longitude",
    "source",
    "legacy_prefix",
)
"""Latitude and longitude are the boundary's centroid, in degrees."""


def export_geojson(cities: Iterable[City]) -> str:
    """Write a FeatureCollection, EPSG:4326, sorted by key."""
    features = [city_to_feature(city) for city in _sorted(cities)]
    return dump_geojson({"type": "FeatureCollection", "features": features})


def export_csv(cities: Iterable[City]) -> str:
    """Write one row per city, sorted by key, with a header; null is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    writer.writerows(_row(city) for city in _sorted(cities))
    return text.getvalue()


def _sorted(cities: Iterable[City]) -> list[City]:
    return sorted(cities, key=lambda city: city.key)


def _row(city: City) -> list[object]:
    centre = city.geometry.centroid
    return [
        city.key,
        city.country,
        city.state_province,
        city.city,
        city.iso_country_code,
        city.time_zone,
        city.status,
        city.first_date,
        city.area_id,
        round(area_km2(city.geometry, city.radius_m), 3),
        city.radius_m,
        round(centre.y, 6),
        round(centre.x, 6),
        city.source,
        city.legacy_prefix,
    ]
