import math
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from shapely.geometry import box, shape

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.errors import CityRefusedError
from mobility_pipeline.serving.console.drafts import (
    Draft,
    complete,
    draft_of,
    fill_blanks,
    find_neighbours,
    find_overlaps,
    judge,
    outline,
    to_city,
)
from mobility_pipeline.serving.console.drawings import (
    in_one_piece,
    mend_drawing,
    read_drawing,
    read_moved,
)
from mobility_pipeline_tests.cities.examples import (
    BOW_TIE,
    KEY,
    VANCOUVER,
    make_city,
    make_square,
)

_SQUARE = make_square()
_TODAY = date(2026, 3, 1)


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
    verdict = judge(_draft(), _known(), None, _TODAY)
    assert verdict.key == "canada/british_columbia/burnaby"
    assert (verdict.problems, verdict.doubts, verdict.overlaps) == ((), (), {})
    expected = 11.12 * 11.132 * math.cos(math.radians(49.3))
    assert verdict.area_km2 == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"city": ""}, "City is empty"),
        ({"city": "x" * 300}, "too long together"),
        ({"city": "a\x00b"}, "City "),
        ({"iso_country_code": "XX"}, "Country "),
        ({"iso_country_code": "' OR 1=1 --"}, "Country "),
        ({"time_zone": "Mars/Olympus"}, "Time zone "),
        ({"first_date": "yesterday"}, "First day "),
        ({"first_date": "2025-02-30"}, "First day "),
        ({"geometry": None}, "Boundary is missing"),
        (
            {"geometry": {"type": "Polygon", "coordinates": [BOW_TIE]}},
            "Self-intersection",
        ),
        (
            {"geometry": {"type": "Point", "coordinates": VANCOUVER}},
            "Radius in metres is empty",
        ),
        (
            {"geometry": {"type": "Point", "coordinates": VANCOUVER}, "radius_m": 1e9},
            "Radius in metres ",
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
    verdict = judge(draft, _known(), None, _TODAY)
    said = [*verdict.problems, *verdict.missing]
    assert any(words in problem for problem in said), said
    assert not any("_" in problem.split(" ")[0] for problem in said)
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
    verdict = judge(
        _draft(geometry=geometry, iso_country_code=code), _known(), None, _TODAY
    )
    said = [*verdict.problems, *verdict.doubts]
    assert any(words in text for text in said), said


def test_key_that_exists_is_a_problem_of_a_new_city_only() -> None:
    """Editing the city itself is no conflict."""
    city = make_city()
    draft = draft_of(city)
    assert judge(draft, _known(city), city, _TODAY).problems == ()
    assert "exists already" in judge(draft, _known(city), None, _TODAY).problems[-1]


def test_overlap_is_measured_with_every_other_city() -> None:
    """Half of a square is shared; a neighbour that touches shares nothing."""
    west, south = VANCOUVER
    half = make_city("canada/half", make_square(west + 0.05, south))
    beside = make_city("canada/beside", make_square(west + 0.1, south - 0.1))
    mine = make_city(KEY)
    shared = find_overlaps(mine.geometry, None, _known(half, beside, mine), KEY)
    verdict = judge(draft_of(mine), _known(mine), mine, _TODAY)
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


def test_new_form_only_says_what_is_still_missing() -> None:
    """Each thing once, by its label; nothing of keys and codes."""
    verdict = judge(Draft(), _known(), None, _TODAY)
    assert verdict.problems == ()
    assert verdict.missing == (
        "Country is not chosen",
        "City is empty",
        "Source of the boundary is empty",
        "Time zone is filled in from the boundary, or typed",
        "Boundary is missing: draw it, look it up or upload it",
    )
    assert verdict.boundary_problems == ()


def test_refused_drawing_says_why_beside_the_map() -> None:
    """The form may have other problems, which are not the drawing's."""
    draft = _draft(city="", geometry=make_square(-130, 40, 20))
    verdict = judge(draft, _known(), None, _TODAY)
    [problem] = verdict.boundary_problems
    assert problem.startswith("Area is ")
    assert problem.endswith("not between 0.1 and 50,000 km²")


def test_drawing_that_crosses_itself_is_two_triangles() -> None:
    """A quarter of the square each: half of 0.1° × 0.1° at the equator."""
    mended, [said] = mend_drawing({"type": "Polygon", "coordinates": [BOW_TIE]})
    assert shape(dict(mended)).is_valid
    assert shape(dict(mended)).area == pytest.approx(0.005)
    before = "0.000 km² before, "
    assert before in said
    area = float(said.split(before)[1].split(" ")[0])
    assert area == pytest.approx(11.132 * 11.057 / 2, rel=0.001)
    verdict = judge(_draft(geometry=mended), _known(), None, _TODAY)
    assert not verdict.boundary_problems


def test_right_drawing_is_left_as_it_is() -> None:
    """A square, a circle, and a line that has no area to repair."""
    line = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0], [0, 0]]]}
    for geometry in (_SQUARE, {"type": "Point", "coordinates": VANCOUVER}, line):
        assert mend_drawing(geometry) == (geometry, [])


def test_drawing_over_180_degrees_is_cut_and_shown_in_one_piece() -> None:
    """From 179.9 to 180.1: two halves of a tenth of a degree, shown as one square."""
    mended, [said] = mend_drawing(make_square(179.9, -17, 0.2))
    assert "180°" in said
    area = shape(dict(mended))
    assert (area.bounds[0], area.bounds[2]) == (-180, 180)
    shown = in_one_piece(area)
    assert shown.equals(box(179.9, -17, 180.1, -16.8))
    assert in_one_piece(shape(_SQUARE)) == shape(_SQUARE)


def test_neighbours_of_an_area_over_180_degrees_are_near_it() -> None:
    """Not all cities of its latitude."""
    mended, _ = mend_drawing(make_square(179.9, -17, 0.2))
    near = make_city("fiji/near", make_square(-179.5, -17))
    far = make_city("niger/far", make_square(10, -17))
    [found] = find_neighbours(shape(dict(mended)), _known(near, far), KEY)
    assert shape(found) == near.geometry


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        "x",
        {"type": "Point", "coordinates": [1, 2]},
        {"type": "Polygon"},
        {"type": "Polygon", "coordinates": [[["a", 1]]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[]]},
    ],
)
def test_moved_corner_that_says_nothing_usable_is_nothing(geometry: object) -> None:
    """A browser may send anything."""
    assert read_moved(geometry) is None


def test_moved_corner_is_read_to_a_centimetre() -> None:
    """Seven decimals."""
    ring = [[0.123456789, 0], [1, 0], [1, 1], [0.123456789, 0]]
    moved = read_moved({"type": "Polygon", "coordinates": [ring]})
    assert moved is not None
    assert moved["coordinates"][0][0] == [0.1234568, 0]


def test_area_that_shares_nothing_with_the_old_one_is_doubted() -> None:
    """One degree of longitude further east at 49.3° N: 72.7 km."""
    city = make_city()
    moved = replace(draft_of(city), geometry=make_square(VANCOUVER[0] + 1))
    doubts = judge(moved, _known(city), city, _TODAY).doubts
    assert any("lies 73 km from the old one" in doubt for doubt in doubts), doubts
    assert judge(draft_of(city), _known(city), city, _TODAY).doubts == ()


@pytest.mark.parametrize(("size", "is_doubted"), [(0.4, True), (0.3, False)])
def test_area_of_quite_another_size_is_doubted(size: float, is_doubted: bool) -> None:
    """Four times as wide is 16 times as large; three times is 9 times."""
    city = make_city()
    wide = replace(draft_of(city), geometry=make_square(size=size))
    doubts = judge(wide, _known(city), city, _TODAY).doubts
    assert any("is that meant?" in doubt for doubt in doubts) == is_doubted


@pytest.mark.parametrize(
    ("day", "is_doubted"),
    [
        ("1970-01-01", True),
        ("2014-12-31", True),
        ("2015-01-01", False),
        ("2027-03-02", False),
        ("2027-03-03", True),
        ("", False),
    ],
)
def test_absurd_first_day_is_doubted(day: str, is_doubted: bool) -> None:
    """Before 2015, or more than a year after 2026-03-01."""
    verdict = judge(_draft(first_date=day), _known(), None, _TODAY)
    assert any("First day" in doubt for doubt in verdict.doubts) == is_doubted
    assert verdict.problems == ()


def test_time_zone_follows_the_boundary_until_one_is_typed() -> None:
    """From Vancouver to Paris; a typed one stays, and one that is cleared follows again."""
    paris = make_square(2.3, 48.8)
    filled = complete(_draft(time_zone=""), _known())
    moved = complete(replace(filled, geometry=paris), _known())
    assert (filled.time_zone, moved.time_zone) == ("America/Vancouver", "Europe/Paris")
    typed = complete(replace(filled, time_zone="America/Toronto"), _known())
    assert complete(replace(typed, geometry=paris), _known()).time_zone == (
        "America/Toronto"
    )
    saved = draft_of(make_city())
    assert (
        complete(replace(saved, geometry=paris), _known()).time_zone == "Europe/Paris"
    )


def test_look_up_fills_in_what_is_blank_only() -> None:
    """The state is what stands before the country; a postcode is no state."""
    place = "Burnaby, Metro Vancouver, British Columbia, V5H, 12345, Canada"
    filled = fill_blanks(Draft(), "Burnaby", place.replace("V5H, ", ""))
    assert (filled.city, filled.state_province) == ("Burnaby", "British Columbia")
    typed = _draft(city="Mine", state_province="BC")
    assert fill_blanks(typed, "Burnaby", place) == typed
    assert fill_blanks(Draft(), "Monaco", "Monaco, Monaco").state_province == ""
