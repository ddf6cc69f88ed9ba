import math
from dataclasses import replace
from typing import Any

import pytest

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.errors import CityRefusedError
from mobility_pipeline.serving.console.drafts import (
    Draft,
    complete,
    draft_of,
    find_overlaps,
    judge,
    mend_drawing,
    outline,
    to_city,
)
from mobility_pipeline.serving.console.map_view import read_drawing
from mobility_pipeline.serving.console.wording import in_words
from mobility_pipeline_tests.cities.examples import (
    BOW_TIE,
    KEY,
    VANCOUVER,
    make_city,
    make_square,
)

_SQUARE = make_square()


def _known(*cities: City) -> Cities:
    return Cities({city.key: city for city in cities}, ())


def _draft(**fields: Any) -> Draft:
    """A new city that is right but for what is given."""
    right = {
        "city": "Burnaby",
        "state_province": "British Columbia",
        "country": "Canada",
        "iso_country_code": "CA",
        "time_zone": "America/Vancouver",
        "source": "drawn by admin in the console",
        "geometry": _SQUARE,
    }
    return Draft(**(right | fields))


def test_draft_of_a_city_makes_the_same_city_again() -> None:
    """Opening the form and saving it changes nothing."""
    for city in (
        make_city(first_date="2025-01-01"),
        make_city(geometry={"type": "Point", "coordinates": VANCOUVER}, radius_m=500.0),
    ):
        assert to_city(draft_of(city), city) == city


def test_right_draft_has_its_key_and_its_size_and_nothing_to_say() -> None:
    """The size: 0.1° × 0.1° at 49.25° N by the lengths of a degree there."""
    verdict = judge(_draft(), _known(), None)
    assert verdict.key == "canada/british_columbia/burnaby"
    assert (verdict.problems, verdict.doubts, verdict.overlaps) == ((), (), {})
    expected = 11.12 * 11.132 * math.cos(math.radians(49.3))
    assert verdict.area_km2 == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"city": ""}, "city"),
        ({"city": "x" * 300}, "key"),
        ({"city": "a\x00b"}, "city"),
        ({"iso_country_code": "XX"}, "iso_country_code"),
        ({"iso_country_code": "' OR 1=1 --"}, "iso_country_code"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"first_date": "yesterday"}, "first_date"),
        ({"first_date": "2025-02-30"}, "first_date"),
        ({"geometry": None}, "geometry is missing"),
        (
            {"geometry": {"type": "Polygon", "coordinates": [BOW_TIE]}},
            "Self-intersection",
        ),
        ({"geometry": {"type": "Point", "coordinates": VANCOUVER}}, "radius_m"),
        (
            {"geometry": {"type": "Point", "coordinates": VANCOUVER}, "radius_m": 1e9},
            "radius_m",
        ),
        ({"geometry": make_square(170, 49, 20)}, "out of range"),
        ({"geometry": make_square(-130, 40, 20)}, "km²"),
    ],
)
def test_what_is_wrong_is_named_and_cannot_be_saved(
    fields: dict[str, Any], words: str
) -> None:
    """Each field of the form, and what can be wrong with a drawing."""
    draft = _draft(**fields)
    verdict = judge(draft, _known(), None)
    assert any(words in problem for problem in verdict.problems), verdict.problems
    with pytest.raises(CityRefusedError):
        to_city(draft, None)


@pytest.mark.parametrize(
    ("geometry", "code", "words"),
    [
        (make_square(-150, 30), "CA", "in the ocean"),
        (make_square(2.3, 48.8), "CA", "in France"),
        (make_square(-1.3, 36.8), "KE", "look swapped"),
    ],
)
def test_boundary_elsewhere_than_it_says_is_remarked(
    geometry: dict[str, Any], code: str, words: str
) -> None:
    """In the sea, in another country, or with longitude and latitude swapped."""
    verdict = judge(_draft(geometry=geometry, iso_country_code=code), _known(), None)
    said = [*verdict.problems, *verdict.doubts]
    assert any(words in text for text in said), said


def test_key_that_exists_is_a_problem_of_a_new_city_only() -> None:
    """Editing the city itself is no conflict."""
    city = make_city()
    draft = draft_of(city)
    assert judge(draft, _known(city), city).problems == ()
    assert "exists already" in judge(draft, _known(city), None).problems[-1]


def test_overlap_is_measured_with_every_other_city() -> None:
    """Half of a square is shared; a neighbour that touches shares nothing."""
    west, south = VANCOUVER
    half = make_city("canada/half", make_square(west + 0.05, south))
    beside = make_city("canada/beside", make_square(west + 0.1, south - 0.1))
    mine = make_city(KEY)
    shared = find_overlaps(mine.geometry, None, _known(half, beside, mine), KEY)
    verdict = judge(draft_of(mine), _known(mine), mine)
    assert verdict.area_km2 is not None
    assert shared == pytest.approx({"canada/half": verdict.area_km2 / 2}, rel=1e-6)


def test_circle_overlaps_what_its_ring_reaches() -> None:
    """Its ring has the circle's size: a polygon of 72 sides lacks 0.13 % of it."""
    point = {"type": "Point", "coordinates": VANCOUVER}
    circle = make_city("canada/circle", point, radius_m=5_000.0)
    ring = outline(circle.geometry, 5_000.0)
    shared = find_overlaps(ring, None, _known(circle), KEY)
    assert shared["canada/circle"] == pytest.approx(math.pi * 25, rel=0.002)


def test_what_follows_from_the_rest_is_filled_in() -> None:
    """The country as other cities write it, and the boundary's time zone."""
    bare = _draft(country="", time_zone="")
    here = complete(bare, _known(make_city(country="Kanada")))
    assert (here.country, here.time_zone) == ("Kanada", "America/Vancouver")
    assert complete(bare, _known()).country == "Canada"


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"layerType": "polygon"},
        {"layerType": "polygon", "layer": {"_latlngs": []}},
        {"layerType": "polygon", "layer": {"_latlngs": [[]]}},
        {"layerType": "polygon", "layer": {"_latlngs": [["x"]]}},
        {"layerType": "polygon", "layer": {"_latlngs": [[{"lat": "a", "lng": 1}]]}},
        {"layerType": "circle", "layer": {"_latlng": None, "_mRadius": 1}},
        {"layerType": "circle", "layer": {"_latlng": {"lat": 1, "lng": 2}}},
    ],
)
def test_drawing_that_says_nothing_usable_is_nothing(arguments: dict[str, Any]) -> None:
    """A browser may send anything."""
    assert read_drawing(arguments) is None


def test_drawing_becomes_a_closed_ring_or_a_circle() -> None:
    """(lat, lng) of Leaflet becomes (lon, lat)."""
    corners = [{"lat": 1, "lng": 2}, {"lat": 1, "lng": 3}, {"lat": 2, "lng": 3}]
    drawn = read_drawing({"layerType": "polygon", "layer": {"_latlngs": [corners]}})
    ring = [[2, 1], [3, 1], [3, 2], [2, 1]]
    assert drawn == ({"type": "Polygon", "coordinates": [ring]}, None)
    layer = {"_latlng": {"lat": 1, "lng": 2}, "_mRadius": 1234.56}
    circle = read_drawing({"layerType": "circle", "layer": layer})
    assert circle == ({"type": "Point", "coordinates": [2, 1]}, 1234.6)


def test_crossing_lines_are_mended_and_said() -> None:
    """A bow tie of two triangles; the size is that of both."""
    bow_tie = {
        "type": "Polygon",
        "coordinates": [[[0, 0], [0.2, 0.2], [0.2, 0], [0, 0.2], [0, 0]]],
    }
    mended, said = mend_drawing(bow_tie)
    assert mended["type"] == "MultiPolygon"
    assert len(mended["coordinates"]) == 2
    assert "mended to 2 parts" in said
    square = {
        "type": "Polygon",
        "coordinates": [[[0, 0], [0.2, 0], [0.2, 0.2], [0, 0.2], [0, 0]]],
    }
    assert mend_drawing(square) == (square, "")


def test_form_speaks_of_its_boxes() -> None:
    """Of empty ones only that they are empty; of others by their label."""
    nothing = Draft()
    problems = judge(nothing, _known(), None).problems
    assert in_words(problems, nothing) == [
        "Country is not chosen",
        "City is empty",
        "There is no boundary yet",
    ]
    typed = replace(nothing, city="Perth", iso_country_code="AU", first_date="soon")
    said = in_words(judge(typed, _known(), None).problems, typed)
    assert said[0] == "There is no boundary yet"
    assert any(line.startswith("First day expected") for line in said)
    assert not any("_" in line.split(" ")[0] for line in said)


def test_area_of_another_city_raises_a_doubt() -> None:
    """Half a world away, or 25 times as large; a little larger is fine."""
    city = make_city()

    def doubts(geometry: dict[str, Any]) -> str:
        moved = replace(draft_of(city), geometry=geometry)
        return " ".join(judge(moved, _known(city), city).doubts)

    assert "shares nothing with it" in doubts(make_square(116, -32))
    assert "is it another city's?" in doubts(make_square(size=0.5))
    assert "another city" not in doubts(make_square(size=0.12))
