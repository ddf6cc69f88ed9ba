"""The cities that come with the project."""

import shutil
from pathlib import Path

import pycountry
import pytest

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.cities.time_zones import find_time_zone
from mobility_pipeline_tests.cities.registries import make_history

FOLDER = Path(__file__).resolve().parents[2] / "cities"
SIZES_KM2 = {
    "australia/victoria/melbourne": (32, 43),  # local government area, 37.7
    "canada/british_columbia/vancouver": (98, 132),  # city proper, 115
    "chile/region_metropolitana/santiago": (640, 960),  # built-up area, about 800
    "dominican_republic/santiago/santiago": (30, 300),  # no figure at hand
    "kenya/nairobi/nairobi": (590, 800),  # county, 696
    "saudi_arabia/asir/abha": (30, 300),  # no figure at hand
    "turkiye/istanbul/esenler": (15.6, 21.2),  # district, 18.4
    "turkiye/istanbul/istanbul": (4540, 6140),  # province, about 5,340 of land
}
"""Plausible sizes: commonly quoted ones, from memory, give or take 15 to 20 %. Where none
is at hand only the order of magnitude is checked."""


@pytest.fixture(scope="module")
def cities() -> Cities:
    """The registry of the checkout."""
    store = open_store(str(FOLDER), endpoint_url=None, region="us-west-2")
    return Registry(store).load()


def test_eight_cities_are_valid(cities: Cities) -> None:
    """All eight load, none is refused, and each says that it is approximate."""
    assert cities.refused == ()
    assert set(cities.by_key) == set(SIZES_KM2)
    assert all("approximate" in city.source for city in cities.by_key.values())


@pytest.mark.parametrize("key", SIZES_KM2)
def test_size_is_plausible(cities: Cities, key: str) -> None:
    """An approximate outline has about the size people quote for the city."""
    city = cities.by_key[key]
    size = area_km2(city.geometry, city.radius_m)
    smallest, largest = SIZES_KM2[key]
    assert smallest <= size <= largest


@pytest.mark.parametrize("key", SIZES_KM2)
def test_place_and_names_agree(cities: Cities, key: str) -> None:
    """The centre lies in the stated time zone, the country has the stated code."""
    city = cities.by_key[key]
    inside = city.geometry.representative_point()
    assert find_time_zone(inside.x, inside.y) == city.time_zone
    country = pycountry.countries.get(alpha_2=city.iso_country_code)
    assert country is not None
    assert country.name == city.country


def test_hard_cases_are_there(cities: Cities) -> None:
    """One name in two countries, a city inside another, and a name that is no ASCII."""
    by_key = cities.by_key
    santiagos = [city for city in by_key.values() if city.city == "Santiago"]
    assert {city.iso_country_code for city in santiagos} == {"CL", "DO"}
    istanbul = by_key["turkiye/istanbul/istanbul"].geometry
    assert istanbul.contains(by_key["turkiye/istanbul/esenler"].geometry)
    assert istanbul.geom_type == "MultiPolygon"
    abha = by_key["saudi_arabia/asir/abha"]
    assert (abha.state_province, abha.city) == ("'Asir", "أبها")


def test_files_are_as_the_registry_writes_them(cities: Cities) -> None:
    """An edit by the registry changes only what was edited."""
    for key, city in cities.by_key.items():
        text = (FOLDER / f"{key}.geojson").read_text("utf-8")
        assert text == dump_geojson(city_to_feature(city))


def test_registry_can_retire_one(cities: Cities, tmp_path: Path) -> None:
    """A city whose key is not the slug of its names can be changed like any other."""
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    Registry(store, make_history(tmp_path / "history")).retire("saudi_arabia/asir/abha")
    assert len(Registry(store).load().active) == len(cities.by_key) - 1
