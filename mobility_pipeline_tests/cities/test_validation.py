from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.places import find_place_doubt
from mobility_pipeline.cities.validation import admit, find_conflicts, find_problems
from mobility_pipeline_tests.cities.examples import (
    BOW_TIE,
    KEY,
    make_city,
    make_feature,
    make_square,
)

PARENT, CHILD = "chile/santiago", "chile/santiago/renca"


def test_valid_city_has_no_problem() -> None:
    """A complete feature passes, optional properties given or not."""
    assert find_problems(make_feature(), KEY) == []
    full = make_feature(
        first_date="2024-02-29", legacy_prefix="canada/van", radius_m=None
    )
    assert find_problems(full, KEY) == []


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"key": None}, "key None is not a path"),
        ({"key": "Canada/Vancouver"}, "is not a path"),
        ({"key": "vancouver"}, "is not a path"),
        ({"key": "a/b/c/d"}, "is not a path"),
        ({"key": "a//c"}, "is not a path"),
        ({"key": "../b"}, "is not a path"),
        ({"key": "a/b__c"}, "is not a path"),
        ({"key": "a/b\n"}, "is not a path"),
        ({"key": "a/" + "b" * 200}, "202 characters"),
        ({"country": "  "}, "country is blank"),
        ({"city": 5}, "city 5 is not text"),
        ({"city": "Van\x00"}, "city 'Van\\x00' holds control characters"),
        ({"city": "\ud800"}, "holds control characters"),
        ({"state_province": ["BC"]}, "state_province ['BC'] is not text"),
        ({"source": None}, "source None is not text"),
        ({"iso_country_code": "ca"}, "'ca' is not an ISO 3166-1"),
        ({"time_zone": "Vancouver"}, "'Vancouver' is not an IANA"),
        ({"status": "paused"}, "'paused' is not active or retired"),
        ({"status": []}, "is not active or retired"),
        ({"first_date": "2024-02-30"}, "'2024-02-30' is not a date"),
        ({"first_date": "20240101"}, "is not a date"),
        ({"first_date": 20240101}, "is not a date"),
        ({"legacy_prefix": 1}, "legacy_prefix 1 is not text"),
        ({"radius_m": 5}, "radius_m is only for a Point"),
    ],
)
def test_bad_property(properties: dict[str, object], words: str) -> None:
    """Each defect of the properties is named, and nothing else."""
    (problem,) = find_problems(make_feature(**properties))  # type: ignore[arg-type]
    assert words in problem


def test_key_must_be_the_path() -> None:
    """A file at another path than its key is refused."""
    (problem,) = find_problems(make_feature(), "canada/vancouver")
    assert KEY in problem
    assert "'canada/vancouver'" in problem


def test_every_problem_at_once() -> None:
    """One look names what is wrong with names, codes, dates and boundary."""
    feature = make_feature(
        {"type": "Polygon", "coordinates": [BOW_TIE]},
        city="",
        iso_country_code="XX",
        time_zone="Mars/Base",
        status=None,
        first_date="soon",
    )
    firsts = [problem.split()[0] for problem in find_problems(feature, KEY)]
    assert firsts == [
        "city",
        "iso_country_code",
        "time_zone",
        "status",
        "first_date",
        "geometry",
    ]


def test_missing_properties_do_not_hide_the_boundary() -> None:
    """Without properties the geometry is still judged."""
    problems = find_problems({"type": "Feature", "geometry": None})
    assert problems[0] == "properties are missing"
    assert problems[1].startswith("geometry is missing")


@pytest.mark.parametrize(
    ("longitude", "latitude", "words"),
    [
        (36.8, -1.3, "geometry is in Kenya, not in Canada: [36.85, -1.25]"),
        (-30, 0, "geometry is in the ocean, not in Canada: [-29.95, 0.05]"),
        (-98.5, 39.5, "geometry is in United States, not in Canada"),
        (18.2, 42.5, "not in Canada"),
    ],
)
def test_another_place_than_its_country(
    longitude: float, latitude: float, words: str
) -> None:
    """A boundary in the sea or abroad is a doubt that says where it is, no problem."""
    square = make_square(longitude, latitude)
    assert find_problems(make_feature(square)) == []
    assert words in (find_place_doubt(square, "CA") or "")


def test_place_in_its_country_is_no_doubt() -> None:
    """Nothing is said of Kenya in Kenya."""
    assert find_place_doubt(make_square(36.8, -1.3), "KE") is None


@pytest.mark.parametrize(
    ("longitude", "latitude", "code"),
    [(36.8, -1.3, "KE"), (28.9, 41.0, "TR"), (42.5, 18.2, "SA"), (18.2, -33.9, "ZA")],
)
def test_swap_in_range_is_found_by_the_country(
    longitude: float, latitude: float, code: str
) -> None:
    """[lat, lon] is a valid place for most cities, but not in their country."""
    right = make_feature(make_square(longitude, latitude), iso_country_code=code)
    assert find_problems(right) == []
    wrong = make_feature(make_square(latitude, longitude), iso_country_code=code)
    (problem,) = find_problems(wrong)
    assert "look swapped" in problem


def test_swapped_circle_is_found() -> None:
    """A point with radius is looked at as well."""
    point = {"type": "Point", "coordinates": [-1.3, 36.8]}
    (problem,) = find_problems(
        make_feature(point, radius_m=1000, iso_country_code="KE")
    )
    assert "look swapped" in problem


@pytest.mark.parametrize(
    ("longitude", "latitude", "codes"),
    [
        (-66.1, 18.4, ("PR", "US")),
        (114.15, 22.3, ("HK", "CN")),
        (55.45, -20.9, ("RE", "FR")),
        (35.2, 31.9, ("PS", "IL")),
    ],
)
def test_territory_may_have_either_code(
    longitude: float, latitude: float, codes: tuple[str, ...]
) -> None:
    """A territory's own code and that of its state are both fine."""
    for code in codes:
        square = make_square(longitude, latitude, 0.02)
        assert find_problems(make_feature(square, iso_country_code=code)) == []


def test_another_time_zone_is_fine() -> None:
    """A city that uses another zone than its place is left alone."""
    assert find_problems(make_feature(time_zone="Asia/Tokyo")) == []


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20),
    lambda values: (
        st.lists(values, max_size=5)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "geometry", "coordinates", "x"]),
            values,
            max_size=4,
        )
    ),
    max_leaves=20,
)
fields = st.sampled_from([*make_feature()["properties"], "radius_m", "first_date"])


@given(json_values)
def test_never_raises(document: object) -> None:
    """Any JSON at all is judged, not an exception, and none of it is a city."""
    problems = find_problems(document, KEY)
    assert problems
    assert all(problem.encode() for problem in problems)


@given(st.dictionaries(fields, json_values), json_values)
def test_never_raises_inside_a_feature(
    properties: dict[str, object], geometry: object
) -> None:
    """Any JSON in any property or as geometry is judged, not an exception."""
    feature = make_feature(geometry)
    feature["properties"] |= properties
    assert all(problem.encode() for problem in find_problems(feature, KEY))


def test_different_cities_do_not_conflict() -> None:
    """Neighbours, and names that only begin alike, go together."""
    keys = ["chile/santiago", "chile/santiago_sur", "chile/maipu/santiago"]
    cities = [
        make_city(key, make_square(size=0.1 + 0.01 * n)) for n, key in enumerate(keys)
    ]
    assert find_conflicts(cities) == {}


def test_parent_path_conflicts() -> None:
    """A key and its parent path are both named, each with the other."""
    conflicts = find_conflicts([make_city(PARENT), make_city(CHILD)])
    assert conflicts == {
        PARENT: [f"key {PARENT} is the parent path of {CHILD}"],
        CHILD: [f"key {CHILD} lies below {PARENT}, which is a city itself"],
    }


def test_same_key_conflicts() -> None:
    """A key that comes twice is named."""
    other = make_city(geometry=make_square(size=0.2))
    assert find_conflicts([make_city(), other]) == {KEY: [f"key {KEY} is not unique"]}


def test_same_area_id_conflicts_with_a_retired_city() -> None:
    """Same city name and boundary make one area id, which even retired cities keep."""
    retired = make_city("canada/vancouver", status="retired")
    conflicts = find_conflicts([make_city(), retired])
    assert set(conflicts) == {KEY, "canada/vancouver"}
    assert f"area_id {retired.area_id}" in conflicts[KEY][0]


def test_who_stays_does_not_depend_on_order() -> None:
    """The longer path and the active city stay, in whatever order they come."""
    twin = replace(make_city("canada/vancouver"), status="retired")
    cities = [make_city(PARENT), make_city(CHILD), make_city(), twin]
    for ordered in permutations(cities):
        admitted, refused = admit(ordered)
        assert [city.key for city in admitted] == [KEY, CHILD]
        assert set(refused) == {PARENT, "canada/vancouver"}


def test_existing_city_stays() -> None:
    """What is there already wins over a better candidate."""
    admitted, refused = admit([make_city(CHILD)], [make_city(PARENT)])
    assert admitted == []
    assert set(refused) == {CHILD}


levels = st.sampled_from(["a", "b", "c"])
keys = st.lists(levels, min_size=2, max_size=3).map("/".join)


@given(st.sets(keys, max_size=12))
def test_admitted_cities_never_conflict(names: set[str]) -> None:
    """Whatever the keys: the admitted do not conflict, and nobody gets lost."""
    admitted, refused = admit([make_city(key) for key in names])
    assert find_conflicts(admitted) == {}
    assert {city.key for city in admitted} | set(refused) == names
    assert len(admitted) + len(refused) == len(names)
    assert all(refused.values())
