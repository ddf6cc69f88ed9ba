from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Point

from mobility_pipeline.analytics.inside import is_inside
from mobility_pipeline.analytics.positionfixes import Positionfixes, make_positionfixes
from mobility_pipeline.analytics.regions import h3_regions
from mobility_pipeline.checks.place import is_inside as is_inside_exactly
from mobility_pipeline.schemas.derived import POSITIONFIXES
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.cities.examples import make_city

CITY = make_city()
REGIONS = h3_regions(CITY, 8)
NOON = datetime(2025, 6, 11, 19, tzinfo=UTC)
"""In Vancouver."""
GOOD: Mapping[str, Any] = {
    "ad_id": "00000000-0000-4000-8000-000000000001",
    "caid": None,
    "utc_timestamp": NOON,
    "latitude": 49.3,
    "longitude": -123.05,
    "horizontal_accuracy": 10.0,
}
KM = 1 / 111.195
"""Degrees of latitude, on the sphere."""


def make(*pings: Mapping[str, Any]) -> Positionfixes:
    """The fixes of pings that are good but for what is given."""
    schema = PING_SCHEMAS["pings_full"]
    rows = [{**GOOD, **ping} for ping in pings]
    return make_positionfixes(pa.Table.from_pylist(rows, schema), CITY, REGIONS)


def after(seconds: float, *, north_km: float = 0, **more: Any) -> dict[str, Any]:
    """A ping some time after, and some way from the good one."""
    at = NOON + timedelta(seconds=seconds)
    return {"utc_timestamp": at, "latitude": 49.3 + north_km * KM, **more}


def test_ping_becomes_a_fix() -> None:
    """Every column, by hand: noon of a summer day in Vancouver, UTC-7."""
    made = make({**GOOD, "ad_id": GOOD["ad_id"].upper()})
    fix = made.table.row(0, named=True)
    assert fix == {
        "device_id": GOOD["ad_id"],
        "at": NOON,
        "local_date": NOON.date(),
        "hour_at": NOON,
        "local_hour": 12,
        "lat": 49.3,
        "lon": -123.05,
        "horizontal_accuracy_m": 10.0,
        "is_inside": True,
        "region_id": REGIONS.assign(np.array([-123.05]), np.array([49.3]))[0],
    }
    assert set(made.dropped.values()) == {0}
    assert made.table.to_arrow().schema.names == POSITIONFIXES.schema.names


@pytest.mark.parametrize(
    ("ping", "reason"),
    [
        ({"ad_id": None}, "no_device"),
        ({"ad_id": " ", "caid": ""}, "no_device"),
        ({"ad_id": "00000000-0000-0000-0000-000000000000"}, "no_device"),
        ({"utc_timestamp": None}, "no_time"),
        ({"latitude": None}, "bad_coordinates"),
        ({"longitude": float("nan")}, "bad_coordinates"),
        ({"latitude": float("inf")}, "bad_coordinates"),
        ({"latitude": 90.1}, "bad_coordinates"),
        ({"longitude": -180.1}, "bad_coordinates"),
        ({"latitude": 0.0, "longitude": -0.0}, "bad_coordinates"),
        ({"horizontal_accuracy": 500.1}, "inaccurate"),
        ({"horizontal_accuracy": float("inf")}, "inaccurate"),
    ],
)
def test_ping_that_is_none_is_counted(ping: dict[str, Any], reason: str) -> None:
    """Under the first reason that holds, beside a good one."""
    made = make({}, ping)
    assert made.table.height == 1
    assert {name: count for name, count in made.dropped.items() if count} == {reason: 1}


@pytest.mark.parametrize(
    ("accuracy", "kept"),
    [(None, None), (float("nan"), None), (-1.0, None), (0.0, 0.0), (500.0, 500.0)],
)
def test_unknown_accuracy_is_kept_as_null(
    accuracy: float | None, kept: float | None
) -> None:
    """What is no accuracy does not say that a fix is bad; 500 m is not above 500 m."""
    made = make({"horizontal_accuracy": accuracy})
    assert made.table["horizontal_accuracy_m"].to_list() == [kept]


def test_device_is_ad_id_else_caid() -> None:
    """Lower case, without blanks; a blank ad_id does not hide the caid."""
    made = make(
        {"ad_id": " ABC ", "caid": "x"},
        {"ad_id": None, "caid": "X"},
        {"ad_id": "", "caid": "y"},
    )
    assert made.table["device_id"].to_list() == ["abc", "x", "y"]


def test_duplicates_leave_the_most_accurate() -> None:
    """Same device, instant and point; another accuracy, or none, makes no other fix."""
    accuracies = (30.0, None, 12.0, 30.0)
    made = make(*({"horizontal_accuracy": metres} for metres in accuracies))
    assert made.table["horizontal_accuracy_m"].to_list() == [12.0]
    assert made.dropped["duplicate"] == 3
    assert make({}, {"ad_id": "another"}).dropped["duplicate"] == 0


@pytest.mark.parametrize(
    ("pings", "kept"),
    [
        # 500 km/h are 1.389 km in 10 s.
        ([after(0), after(10, north_km=1.38)], 2),
        ([after(0), after(10, north_km=1.40)], 1),
        # There and back: only the one far away goes.
        ([after(0), after(60, north_km=40), after(120)], 2),
        # Measured from the last one kept, not from the one dropped.
        ([after(0), after(60, north_km=40), after(120, north_km=41)], 1),
        ([after(0), after(60, north_km=40), after(300, north_km=41)], 2),
        # Of the same second: as far as a second allows, 139 m.
        ([after(0), after(0, north_km=0.13)], 2),
        ([after(0), after(0, north_km=0.15)], 1),
        # Another device may be anywhere.
        ([after(0), after(1, north_km=40, ad_id="another")], 2),
    ],
)
def test_teleports_go(pings: list[dict[str, Any]], kept: int) -> None:
    """Worked out by hand: distance, time and the limit."""
    made = make(*pings)
    assert (made.table.height, made.dropped["teleport"]) == (kept, len(pings) - kept)


def test_chunks_and_codes_do_not_matter() -> None:
    """As batches, with coded ids, or without any chunk: the same fixes."""
    schema = PING_SCHEMAS["pings_full"]
    rows = [{**GOOD, "ad_id": name} for name in ("c", "a", None, "b", "a")]
    whole = pa.Table.from_pylist(rows, schema)
    parts = pa.concat_tables([whole.slice(0, 2), whole.slice(2)])
    place = schema.get_field_index("ad_id")
    coded = parts.set_column(place, "ad_id", parts["ad_id"].dictionary_encode())
    expected = make(*rows)
    for table in (parts, coded):
        made = make_positionfixes(table, CITY, REGIONS)
        assert made.table.equals(expected.table)
        assert made.dropped == expected.dropped
    nothing = pa.Table.from_batches([], schema)
    assert make_positionfixes(nothing, CITY, REGIONS).table.is_empty()


ids = st.sampled_from([None, "", "a", "A", "b", "c "])
degrees = st.sampled_from([None, float("nan"), 0.0, -0.0, 49.3, 49.31, 91.0, 49.3001])
pings = st.lists(
    st.fixed_dictionaries(
        {
            "ad_id": ids,
            "caid": ids,
            "utc_timestamp": st.sampled_from(
                [None, *(NOON + timedelta(seconds=step) for step in (0, 1, 60, 7_200))]
            ),
            "latitude": degrees,
            "longitude": degrees.map(lambda value: value and -value * 2.5),
            "horizontal_accuracy": st.sampled_from([None, 5.0, 20.0, 501.0]),
        }
    ),
    max_size=25,
)


@given(rows=pings, random=st.randoms(use_true_random=False))
def test_nothing_is_lost_whatever_the_order(
    rows: list[dict[str, Any]], random: Any
) -> None:
    """Rows in = rows out + dropped; shuffled pings give equal fixes; keys are unique."""
    made = make(*rows)
    assert made.table.height + sum(made.dropped.values()) == len(rows)
    shuffled = random.sample(rows, len(rows))
    again = make(*shuffled)
    assert again.table.equals(made.table)
    assert again.dropped == made.dropped
    assert made.table.equals(made.table.sort(POSITIONFIXES.key))
    assert not made.table.select(POSITIONFIXES.key).is_duplicated().any()


@given(rows=pings)
def test_fixes_of_fixes_are_themselves(rows: list[dict[str, Any]]) -> None:
    """What was kept is kept again: nothing more is dropped."""
    table = make(*rows).table.to_arrow()
    names = ("device_id", "at", "lat", "lon", "horizontal_accuracy_m")
    as_pings = table.select(names).rename_columns(
        ["ad_id", "utc_timestamp", "latitude", "longitude", "horizontal_accuracy"]
    )
    nulls = pa.nulls(table.num_rows, pa.string())
    again = make_positionfixes(as_pings.append_column("caid", nulls), CITY, REGIONS)
    assert again.table.to_arrow().equals(table)


def test_no_pings_make_no_fixes() -> None:
    """An empty table of the right columns, and every reason at zero."""
    made = make()
    assert made.table.is_empty()
    assert made.table.columns == POSITIONFIXES.schema.names
    assert len(made.dropped) == 6


@pytest.mark.parametrize("is_circle", [False, True])
def test_inside_is_what_the_checks_say(is_circle: bool) -> None:
    """Fast and exact agree, also within metres of the rim."""
    city = CITY
    if is_circle:
        there = {"type": "Point", "coordinates": [-123.05, 49.3]}
        city = make_city(geometry=there, radius_m=5_000.0)
        rim = Point(-123.05, 49.3).buffer(0.05).exterior
    else:
        rim = CITY.geometry.boundary
    random = np.random.default_rng(3)
    on_rim = np.array([rim.interpolate(t, normalized=True).coords[0] for t in
                       random.random(2_000)])  # fmt: skip
    near = on_rim + random.normal(0, 0.01, on_rim.shape)
    lon, lat = np.vstack([on_rim, near]).T
    found = is_inside(city, lon, lat)
    assert found.tolist() == np.asarray(is_inside_exactly(lon, lat, city)).tolist()
    assert 0 < found.sum() < len(found)
