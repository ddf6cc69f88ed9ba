import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import (
    city_from_feature,
    city_to_feature,
    dump_geojson,
    parse_city,
)
from mobility_pipeline.errors import CityRefusedError
from mobility_pipeline_tests.cities.examples import (
    KEY,
    make_city,
    make_feature,
    make_square,
)

words = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
).filter(str.strip)
# Inside Canada, the country of the examples.
longitudes, latitudes = st.floats(-115, -100), st.floats(52, 58)
squares = st.builds(make_square, longitudes, latitudes, st.floats(0.01, 0.5))
circles = st.tuples(longitudes, latitudes, st.floats(200, 100_000))


@st.composite
def cities(draw: st.DrawFn) -> City:
    """Valid cities of any names, somewhere."""
    if draw(st.booleans()):
        geometry, radius_m = draw(squares), None
    else:
        longitude, latitude, radius_m = draw(circles)
        geometry = {"type": "Point", "coordinates": [longitude, latitude]}
    feature = make_feature(
        geometry,
        radius_m=radius_m,
        country=draw(words),
        city=draw(words),
        state_province=draw(words | st.just("")),
        source=draw(words),
        status=draw(st.sampled_from(["active", "retired"])),
        first_date=draw(st.none() | st.dates().map(date.isoformat)),
        legacy_prefix=draw(st.none() | words),
    )
    return city_from_feature(feature, KEY)


@given(cities())
def test_round_trip(city: City) -> None:
    """A city that is written and read again is the same, to the last bit."""
    text = dump_geojson(city_to_feature(city))
    again = parse_city(text.encode(), KEY)
    assert again == city
    assert again.area_id == city.area_id
    assert dump_geojson(city_to_feature(again)) == text


def test_text_is_for_people() -> None:
    """Names stay in their script, positions on one line, and the file ends its line."""
    text = dump_geojson(make_feature(city="أبها", state_province="'Asir"))
    assert '"city": "أبها"' in text
    assert '"state_province": "\'Asir"' in text
    assert "[-123.1, 49.25],\n" in text
    assert text.endswith("}\n")
    assert text == dump_geojson(json.loads(text))


def test_name_like_a_position_is_left_alone() -> None:
    """Only positions are put on one line, never the inside of a name."""
    feature = make_feature(city="[ 1,  2 ] [\\n 1,\\n 2\\n]")
    assert json.loads(dump_geojson(feature)) == feature


def test_heights_are_dropped() -> None:
    """Three-dimensional positions give the same area as flat ones."""
    flat = make_square()
    high = [[*position, 70.0] for position in flat["coordinates"][0]]
    city = make_city(geometry={"type": "Polygon", "coordinates": [high]})
    assert city == make_city(geometry=flat)
    assert city.area_id == make_city(geometry=flat).area_id


def test_null_is_absent() -> None:
    """What is null is not written; a missing state reads as none."""
    feature = make_feature()
    del feature["properties"]["state_province"]
    city = city_from_feature(feature, KEY)
    assert city.state_province == ""
    assert not {"first_date", "radius_m", "legacy_prefix"} & set(
        city_to_feature(city)["properties"]
    )


def test_byte_order_mark_is_fine() -> None:
    """A file saved with a UTF-8 byte order mark reads."""
    content = dump_geojson(make_feature()).encode("utf-8-sig")
    assert parse_city(content, KEY) == make_city()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"1" * 5000, "is not JSON"),
        ("Córdoba".encode("latin-1"), "is not UTF-8"),
        (dump_geojson(make_feature()).encode("utf-16"), "is not UTF-8"),
        (b"[]", "is not a GeoJSON Feature"),
        (b'{"type": "FeatureCollection", "features": []}', "'FeatureCollection'"),
        (b"NaN", "is not a GeoJSON Feature"),
    ],
)
def test_not_a_city_file(content: bytes, words: str) -> None:
    """Whatever the bytes, the refusal says what they are not."""
    with pytest.raises(CityRefusedError, match=words) as caught:
        parse_city(content, KEY)
    assert caught.value.name == KEY


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_by_name(content: bytes) -> None:
    """Random bytes never give another error than the refusal."""
    with pytest.raises(CityRefusedError):
        parse_city(content, KEY)
