"""Known places, from city files."""

import json
import logging
from pathlib import Path

import pytest

from mobility_pipeline.sandbox.boundaries import circle
from mobility_pipeline.sandbox.launch import SHIPPED_CITIES
from mobility_pipeline.sandbox.places import Place, load_world

POINT = {
    "type": "Feature",
    "properties": {"radius_m": 5000, "iso_country_code": "KE", "city": "Nairobi"},
    "geometry": {"type": "Point", "coordinates": [36.8, -1.3]},
}


def test_a_point_with_radius_is_the_circle_a_request_would_send(tmp_path: Path) -> None:
    """The same circle asked for by radius is the same place, not a second one."""
    (tmp_path / "nairobi.geojson").write_text(json.dumps(POINT))
    world = load_world(tmp_path)
    (place,) = world.places_of([circle(-1.3, 36.8, 5000)])
    assert (place.iso_country_code, place.city) == ("KE", "Nairobi")


def test_places_out_of_reach_are_left_out(tmp_path: Path) -> None:
    """Only places whose people can be seen in the areas count."""
    (tmp_path / "nairobi.geojson").write_text(json.dumps(POINT))
    madrid = circle(40.4, -3.7, 5000)
    assert load_world(tmp_path).places_of([madrid]) == [Place(madrid)]


def test_a_broken_city_file_is_logged_and_the_rest_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One bad file does not empty the world."""
    (tmp_path / "bad.geojson").write_text("{}")
    (tmp_path / "nairobi.geojson").write_text(json.dumps(POINT))
    with caplog.at_level(logging.WARNING):
        assert len(load_world(tmp_path).known) == 1
    assert "bad.geojson" in caplog.text


def test_no_folder_is_an_empty_world(tmp_path: Path) -> None:
    """Without known places only requested areas have people."""
    assert load_world(None).known == load_world(tmp_path / "none").known == ()


def test_every_shipped_city_is_a_known_place() -> None:
    """No city file that comes with the project is unreadable here."""
    files = list(SHIPPED_CITIES.rglob("*.geojson"))
    assert len(load_world(SHIPPED_CITIES).known) == len(files)
