"""The worked example of the issue: region RA = cells A1–A3, RB = B1–B3, zone UTC+8."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.flows import count_flows, flow_between
from mobility_pipeline.analytics.od import count_od
from mobility_pipeline.analytics.portrait import portrait
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline_tests.analytics.fixes import make_fixes, make_profiles

DAY, ZONE = date(2025, 6, 11), "Asia/Shanghai"
PROFILES = make_profiles(
    [
        ("U1", "male", 20),
        ("U2", "male", 53),
        ("U3", "female", 54),
        ("U4", "male", 10),
        ("U5", "female", 18),
        ("U6", "male", 39),
    ]
)
EVENTS = """
U1 A1 10:00:00
U1 A2 10:20:00
U2 A1 10:30:00
U3 A3 10:45:00
U4 B1 10:50:00
U1 B2 10:59:59.999
U3 A2 11:05:00
U4 A1 11:10:00
U2 B3 11:15:00
U5 A1 11:20:00
U6 ?? 11:30:00
ZZ A1 11:40:00
"""
REGIONS = {"A": "RA", "B": "RB", "?": None}


def at(clock: str) -> datetime:
    """Return the instant of a time of that day."""
    local = datetime.fromisoformat(f"{DAY}T{clock}").replace(tzinfo=ZoneInfo(ZONE))
    return local.astimezone(UTC)


TEN, ELEVEN = at("10:00"), at("11:00")


@pytest.fixture(scope="module")
def fixes() -> pl.DataFrame:
    """The events as positionfixes."""
    events = [line.split() for line in EVENTS.split("\n") if line]
    return make_fixes(
        [(device, at(clock), REGIONS[cell[0]]) for device, cell, clock in events], ZONE
    )


@pytest.fixture(scope="module")
def device_hours(fixes: pl.DataFrame) -> pl.DataFrame:
    """Who was where, hour by hour."""
    return make_device_hours(fixes, DAY)


@pytest.mark.parametrize(
    ("hour", "region", "devices"),
    [
        (TEN, "RA", {"U1", "U2", "U3"}),
        (TEN, "RB", {"U1", "U4"}),
        (ELEVEN, "RA", {"U3", "U4", "U5", "ZZ"}),
        (ELEVEN, "RB", {"U2"}),
    ],
)
def test_who_was_where(
    device_hours: pl.DataFrame, hour: datetime, region: str, devices: set[str]
) -> None:
    """Each hour and region has exactly the devices that were there."""
    here = device_hours.filter(hour_at=hour, region_id=region)
    assert set(here["device_id"]) == devices
    assert len(here) == len(devices)


def test_each_fix_in_a_region_is_counted_once(device_hours: pl.DataFrame) -> None:
    """U1's two cells of RA are one device with two fixes; nothing else is there."""
    assert len(device_hours) == 10
    assert device_hours["fixes_count"].sum() == 11
    first = device_hours.row(0, named=True)
    assert first == {
        "hour_at": TEN,
        "local_hour": 10,
        "region_id": "RA",
        "device_id": "U1",
        "fixes_count": 2,
    }


@pytest.mark.parametrize(
    ("hour", "region", "counts"),
    [
        (TEN, "RA", [3, 2, 1, 0, 1, 2, 0]),
        (TEN, "RB", [2, 2, 0, 1, 1, 0, 0]),
        (ELEVEN, "RA", [4, 1, 2, 2, 0, 1, 1]),
        (ELEVEN, "RB", [1, 1, 0, 0, 0, 1, 0]),
    ],
)
def test_presence_by_portrait(
    device_hours: pl.DataFrame, hour: datetime, region: str, counts: list[int]
) -> None:
    """Presence has all portraits 0…6 of each region and hour with a device."""
    presence = count_presence(device_hours, PROFILES)
    assert len(presence) == 4 * 7
    here = presence.filter(hour_at=hour, region_id=region)
    assert here["portrait_id"].to_list() == list(range(7))
    assert here["devices_count"].to_list() == counts


def test_portrait_of_a_region_at_ten(device_hours: pl.DataFrame) -> None:
    """Man 2, women 1, nobody of 10–19, one of 20–39, two of 40 and more; 3 people."""
    answer = portrait(device_hours, "RA", TEN, PROFILES)
    assert answer.rows() == [(0, 3), (1, 2), (2, 1), (3, 0), (4, 1), (5, 2), (6, 0)]


def test_portrait_of_a_region_over_all_hours(device_hours: pl.DataFrame) -> None:
    """Each person counts once: U3 was in RA in both hours."""
    answer = portrait(device_hours, "RA", None, PROFILES)
    assert answer.rows() == [(0, 6), (1, 3), (2, 2), (3, 2), (4, 1), (5, 2), (6, 1)]


def test_flow_from_ten_to_eleven(device_hours: pl.DataFrame) -> None:
    """U4, U5 and ZZ came into RA, U1 and U2 left it, U3 stayed."""
    answer = flow_between(device_hours, "RA", TEN, ELEVEN, PROFILES)
    assert answer.rows() == [
        (0, 3, 2, 1),
        (1, 1, 2, 0),
        (2, 1, 0, 1),
        (3, 2, 0, 0),
        (4, 0, 1, 0),
        (5, 0, 1, 1),
        (6, 1, 0, 0),
    ]


def test_the_hourly_table_says_the_same(device_hours: pl.DataFrame) -> None:
    """The hourly flows of eleven are the flows from ten; those of ten are not known."""
    flows = count_flows(device_hours, None, PROFILES, [TEN, ELEVEN], ZONE)
    counts = ["inflow_count", "outflow_count", "stay_count"]
    of_ra = flows.filter(hour_at=ELEVEN, region_id="RA").select("portrait_id", *counts)
    assert of_ra.equals(flow_between(device_hours, "RA", TEN, ELEVEN, PROFILES))
    of_rb = flows.filter(hour_at=ELEVEN, region_id="RB", portrait_id=0)
    assert of_rb.select(counts).row(0) == (1, 2, 0)
    assert flows.filter(hour_at=TEN).select(counts).null_count().row(0) == (14, 14, 14)
    assert set(flows["hour_at"]) == {TEN, TEN + timedelta(hours=1)}


def test_od_of_the_day(fixes: pl.DataFrame) -> None:
    """First to last region of each device, and each change."""
    assert count_od(fixes, DAY).rows() == [
        ("consecutive", "RA", "RB", 2, 2),
        ("consecutive", "RB", "RA", 1, 1),
        ("first_last", "RA", "RA", 3, 3),
        ("first_last", "RA", "RB", 2, 2),
        ("first_last", "RB", "RA", 1, 1),
    ]
