from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.geojson import city_to_feature
from mobility_pipeline.cities.known import Cities, RefusedCity
from mobility_pipeline.cities.legacy import Imported, import_legacy
from mobility_pipeline.cities.validation import find_conflicts, find_problems
from mobility_pipeline.errors import UsageError
from mobility_pipeline_tests.cities.examples import BOW_TIE, make_city, make_square

NOBODY = Cities(by_key={}, refused=())


def make_record(
    city: str = "Santiago",
    state_province: str = "Región Metropolitana",
    country: str = "Chile",
    latitude: object = "-33.4489",
    longitude: object = "-70.6693",
    **fields: object,
) -> dict[str, Any]:
    """A record of Santiago as the predecessor stored it, but for what is given."""
    return {
        "city_id": "0a0f2f4e-0000-4000-8000-000000000000",
        "country": country,
        "state_province": state_province,
        "city": city,
        "latitude": latitude,
        "longitude": longitude,
        "radius_meters": "20000",
        "notification_email": "somebody@example.org",
        **fields,
    }


def import_records(*records: object, existing: Cities = NOBODY) -> Imported:
    """Import these records."""
    return import_legacy(list(records), existing)


def test_circle_with_text_numbers() -> None:
    """Text coordinates and radius become numbers; country and place give the codes."""
    (city,) = import_records(make_record()).cities
    assert city_to_feature(city) == {
        "type": "Feature",
        "properties": {
            "key": "chile/region_metropolitana/santiago",
            "country": "Chile",
            "state_province": "Región Metropolitana",
            "city": "Santiago",
            "iso_country_code": "CL",
            "time_zone": "America/Santiago",
            "status": "active",
            "source": "imported from cities.json",
            "radius_m": 20000.0,
            "legacy_prefix": "chile/región_metropolitana/santiago",
        },
        "geometry": {"type": "Point", "coordinates": (-70.6693, -33.4489)},
    }


@pytest.mark.parametrize("radius", [5000, 5000.0, "5000", " 5000.0 ", "5e3"])
def test_radius_number_or_text(radius: object) -> None:
    """A radius may be a number or text."""
    (city,) = import_records(make_record(radius_meters=radius)).cities
    assert city.radius_m == 5000.0


SQUARE = make_square(-70.7, -33.5)
FEATURE = {"type": "Feature", "properties": {}, "geometry": SQUARE}


@pytest.mark.parametrize(
    "polygon", [SQUARE, FEATURE, {"type": "FeatureCollection", "features": [FEATURE]}]
)
@pytest.mark.parametrize("coordinates", ["-33.45", None])
def test_polygon(polygon: object, coordinates: object) -> None:
    """A geometry, Feature or collection of one is the boundary, point or no point."""
    record = make_record(
        polygon_geojson=polygon,
        latitude=coordinates,
        longitude=coordinates and "-70.6",
        radius_meters=None,
    )
    (city,) = import_records(record).cities
    assert (city.radius_m, city.time_zone) == (None, "America/Santiago")
    assert city.geometry.bounds == pytest.approx((-70.7, -33.5, -70.6, -33.4))


@pytest.mark.parametrize(
    ("record", "key", "legacy_prefix"),
    [
        (
            make_record(" Abha ", "'Asir", "Saudi Arabia", "18.2164", "42.5053"),
            "saudi_arabia/asir/abha",
            "saudi_arabia/'asir/abha",
        ),
        (
            make_record("İstanbul", "İstanbul", "Turkey", "41.01", "28.97"),
            "turkey/istanbul/istanbul",
            "turkey/i\u0307stanbul/i\u0307stanbul",
        ),
        (
            make_record("Bologna", "Emilia-Romagna", "Italy", "44.49", "11.34"),
            "italy/emilia_romagna/bologna",
            "italy/emilia-romagna/bologna",
        ),
        (
            make_record("Santiago", "  ", "Chile"),
            "chile/santiago",
            "chile/santiago",
        ),
        (
            make_record("San  José", "", "Costa Rica", "9.93", "-84.08"),
            "costa_rica/san_jose",
            "costa_rica/san__josé",
        ),
    ],
)
def test_key_and_old_prefix(record: object, key: str, legacy_prefix: str) -> None:
    """The key is ASCII; the old prefix is what the predecessor wrote, to the letter."""
    (city,) = import_records(record).cities
    assert (city.key, city.legacy_prefix) == (key, legacy_prefix)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"country": "Atlantis"}, "country 'Atlantis' is not known"),
        ({"country": ""}, "country is blank"),
        ({"city": None}, "city is blank"),
        ({"city": "!!!"}, "the names give no key"),
        ({"state_province": "'"}, "the names give no key"),
        (
            {"latitude": "33,4"},
            "not [longitude, latitude] in numbers: [-70.6693, '33,4']",
        ),
        ({"latitude": None}, "not [longitude, latitude] in numbers"),
        ({"latitude": "nan"}, "not [longitude, latitude] in numbers"),
        ({"latitude": "-70.6693", "longitude": "-33.4489"}, "look swapped"),
        ({"latitude": "33.4489"}, "lie in no time zone: on the open sea"),
        ({"longitude": "70.6693"}, "lie in no time zone: on the open sea"),
        ({"latitude": "145", "longitude": "-37"}, "look swapped"),
        ({"radius_meters": "wide"}, "a Point needs radius_m, not 'wide'"),
        ({"radius_meters": None}, "a Point needs radius_m, not None"),
        ({"radius_meters": "200000"}, "radius_m 200000 is not between"),
        (
            {"polygon_geojson": {"type": "Polygon", "coordinates": [BOW_TIE]}},
            "not valid",
        ),
        ({"polygon_geojson": make_square(-33.5, -70.7)}, "look swapped"),
        ({"polygon_geojson": FEATURE, "latitude": "99"}, "lie in no time zone"),
        ({"polygon_geojson": "POLYGON((0 0))"}, "geometry is missing"),
        ({"polygon_geojson": {"type": "Feature", "geometry": None}}, "is missing"),
        (
            {
                "polygon_geojson": {
                    "type": "FeatureCollection",
                    "features": [FEATURE] * 2,
                }
            },
            "not 'FeatureCollection'",
        ),
    ],
)
def test_bad_record_is_refused_by_name(fields: dict[str, Any], words: str) -> None:
    """What is wrong is said in the record's terms, and the good ones go on."""
    result = import_records(
        make_record() | fields,
        make_record("Nairobi", "", "Kenya", "-1.29", "36.82"),
    )
    assert [city.key for city in result.cities] == ["kenya/nairobi"]
    (refused,) = result.refused
    assert any(words in problem for problem in refused.problems), refused
    assert "example.org" not in repr(result)


@pytest.mark.parametrize(
    "fields",
    [
        {"latitude": "145", "longitude": "-37"},
        {"latitude": "-70.6693", "longitude": "-33.4489"},
        {"latitude": None},
        {
            "polygon_geojson": {"type": "Polygon", "coordinates": [BOW_TIE]},
            "latitude": None,
        },
    ],
)
def test_bad_boundary_is_one_problem(fields: dict[str, Any]) -> None:
    """A bad place or boundary is not also said to lie in no time zone."""
    (refused,) = import_records(make_record() | fields).refused
    (problem,) = refused.problems
    assert "time zone" not in problem


@pytest.mark.parametrize("known", [False, True])
def test_spellings_of_a_country_are_one_country(known: bool) -> None:
    """Turkey, turkiye and Türkiye give one country: the registry's, else the first."""
    spelled = ("Turkey", "turkiye", " Türkiye ")
    records = [
        make_record(f"İzmir {number}", "", country, str(38.4 + number / 10), "27.1")
        for number, country in enumerate(spelled)
    ]
    there = make_city("turkiye/bursa", iso_country_code="TR", country="Türkiye")
    existing = Cities({there.key: there} if known else {}, ())
    result = import_records(*records, existing=existing)
    slug = "turkiye" if known else "turkey"
    assert [city.key for city in result.cities] == [
        f"{slug}/izmir_{number}" for number in range(3)
    ]
    assert {city.country for city in result.cities} == {
        "Türkiye" if known else "Turkey"
    }
    assert result.cities[1].legacy_prefix == "turkiye/i\u0307zmir_1"


def test_same_city_in_two_spellings_of_its_country() -> None:
    """A city listed under Turkey and under Türkiye is a duplicate."""
    records = [
        make_record("Bursa", "", country, "40.2", "29.0")
        for country in ("Turkey", "Türkiye")
    ]
    (refused,) = import_records(*records).refused
    assert "duplicate of record 1" in refused.problems[0]


def test_every_problem_at_once() -> None:
    """A record with several defects is told all of them."""
    record = make_record("", "", "Atlantis", "north", "west", radius_meters=0)
    (refused,) = import_records(record).refused
    assert refused.name == "Atlantis"
    text = "\n".join(refused.problems)
    for words in ("city is blank", "Atlantis", "in numbers", "radius_m 0", "no key"):
        assert words in text


@pytest.mark.parametrize("record", [None, 5, "Santiago", [], {}])
def test_what_is_no_record_is_refused_by_number(record: object) -> None:
    """Without a name there is the record's number."""
    (refused,) = import_records(record).refused
    assert refused.name == "record 1"


@pytest.mark.parametrize("records", [None, {}, "[]", 5])
def test_what_is_no_list_is_refused(records: object) -> None:
    """The file must hold a list."""
    with pytest.raises(UsageError, match="must be a list"):
        import_legacy(records, NOBODY)


def test_same_city_twice() -> None:
    """Of two equal records the first is taken, the second named as its duplicate."""
    result = import_records(make_record(), make_record(city=" SANTIAGO"))
    (refused,) = result.refused
    assert refused.name == "SANTIAGO, Región Metropolitana, Chile"
    assert "duplicate of record 1 (Santiago, " in refused.problems[0]
    assert [city.city for city in result.cities] == ["Santiago"]


def test_same_key_with_another_area() -> None:
    """No key is invented: the second record is refused, naming both."""
    (refused,) = import_records(make_record(), make_record(radius_meters=9000)).refused
    assert "same key chile/region_metropolitana/santiago" in refused.problems[0]
    assert "with another area" in refused.problems[0]


def test_same_name_in_two_countries() -> None:
    """Santiago in Chile and in the Dominican Republic are two cities."""
    result = import_records(
        make_record(),
        make_record("Santiago", "Santiago", "Dominican Republic", "19.45", "-70.7"),
    )
    assert [city.iso_country_code for city in result.cities] == ["CL", "DO"]
    assert result.refused == ()


@pytest.mark.parametrize("turn", [1, -1])
def test_parent_path_is_refused(turn: int) -> None:
    """Of chile/santiago and cities below it the first is refused, and told the cure."""
    records = [
        make_record("Santiago", ""),
        make_record("Renca", "Santiago", latitude="-33.40", longitude="-70.72"),
        make_record("Maipú", "Santiago", latitude="-33.51", longitude="-70.76"),
    ]
    result = import_records(*records[::turn])
    keys = [city.key for city in result.cities]
    assert keys == ["chile/santiago/maipu", "chile/santiago/renca"]
    (refused,) = result.refused
    assert refused.name == "Santiago, Chile"
    assert "give it its state_province" in refused.problems[0]


def test_import_again_adds_nothing() -> None:
    """Cities that are in the registry already are refused as duplicates."""
    cities = import_records(make_record()).cities
    existing = Cities({city.key: city for city in cities}, ())
    again = import_records(make_record(), existing=existing)
    assert again.cities == ()
    assert "duplicate of the registry's city" in again.refused[0].problems[0]


def test_existing_cities_stay() -> None:
    """A record that lies below an existing city, or whose file is bad, is refused."""
    parent = make_city("chile/santiago", make_square(-70.7, -33.5))
    broken = RefusedCity("kenya/nairobi", ("is not JSON",))
    result = import_records(
        make_record("Renca", "Santiago"),
        make_record("Nairobi", "", "Kenya", "-1.29", "36.82"),
        existing=Cities({parent.key: parent}, (broken,)),
    )
    assert result.cities == ()
    renca, nairobi = result.refused
    assert "lies below chile/santiago" in renca.problems[0]
    assert "is refused: mend that" in nairobi.problems[0]


names = st.sampled_from(
    ["Santiago", "Renca", "'Asir", "Köln", "أبها", "", " ", "?", "a/b"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "geometry", "features"]), values)
    ),
    max_leaves=8,
)
numbers = (
    st.sampled_from(["-33.4", "-70.6", -33.4, "x", None, 0, "1e400"]) | json_values
)
records = st.lists(
    json_values
    | st.builds(
        make_record,
        names,
        names,
        st.sampled_from(["Chile", "Peru", "Turkey", "Nowhere"]),
        latitude=st.just("-33.4") | numbers,
        longitude=st.just("-70.6") | numbers,
        radius_meters=st.just("9000") | numbers,
        polygon_geojson=st.none() | st.just(FEATURE) | json_values,
    ),
    max_size=12,
)


@given(records)
def test_import_is_valid_unique_and_complete(found: list[object]) -> None:
    """Whatever the records: valid keys, unique, none a parent; nothing gets lost."""
    result = import_legacy(found, NOBODY)
    for city in result.cities:
        assert find_problems(city_to_feature(city), city.key) == []
    assert find_conflicts(result.cities) == {}
    assert len(result.cities) + len(result.refused) == len(found)
    assert all(refused.name and refused.problems for refused in result.refused)
