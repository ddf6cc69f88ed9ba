"""The issue's worked example, asked over HTTP with k = 1."""

from typing import Any

import polars as pl
import pytest

from mobility_pipeline.schemas.derived import OD
from mobility_pipeline_tests.serving.api.world import SHANGHAI, Client, pseudonymize

HERE = {"region_id": "RA", "produce_hour": "2025061110"}


@pytest.mark.parametrize(
    ("region", "hour", "count"),
    [("RA", "10", 3), ("RB", "10", 2), ("RA", "11", 4), ("RB", "11", 1)],
)
def test_presence(exact: Client, region: str, hour: str, count: int) -> None:
    """The city is found by its region."""
    asked = {"region_id": region, "produce_hour": f"20250611{hour}"}
    data = exact.data("/v1/userCountByRegionAndTime", **asked)
    assert data == {"cnt": count, "suppressed": False}


def test_counts_by_portrait(exact: Client) -> None:
    """RA at ten: portraits 1…5 are 2, 1, 0, 1, 2; a zero is a number."""
    counts = [
        exact.data("/v1/userCountByRegionAndTime", **HERE, portrait_id=portrait)["cnt"]
        for portrait in range(1, 6)
    ]
    assert counts == [2, 1, 0, 1, 2]


def test_portrait(exact: Client) -> None:
    """RA at ten: two men, a woman, one of 20–39, two of 40 and more."""
    data = exact.data("/v1/regionPortrait", **HERE)
    assert data == {
        "regionId": "RA",
        "regionName": None,
        "produceHour": "2025061110",
        "man": 2,
        "women": 1,
        "age_10_20": 0,
        "age_20_40": 1,
        "age_40": 2,
        "unknown": 0,
        "pepCnt": 3,
        "suppressed": False,
    }


def test_newest_hour_is_taken_where_none_is_asked_for(exact: Client) -> None:
    """The example's last observed hour is eleven."""
    data = exact.data("/v1/regionPortrait", region_id="RA")
    assert (data["produceHour"], data["pepCnt"]) == ("2025061111", 4)


def test_flow(exact: Client) -> None:
    """Into RA from ten to eleven: a list without envelope, as the predecessor sent it."""
    answer = exact.get(
        "/v1/regionInflowOutflow",
        region_id="RA",
        start_time="2025061110",
        end_time="2025061111",
    )
    (flow,) = answer.json()
    assert _some(flow["inflow"], "total", "male", "female", "unknown") == [3, 1, 1, 1]
    assert _some(flow["outflow"], "total", "male", "age_40_plus") == [2, 2, 1]
    assert flow["stay"]["total"] == 1


def test_heat_map(exact: Client) -> None:
    """At ten: U1 was in both regions, and is one person of the city."""
    data = exact.data("/v1/allRegionsHeatMap", city=SHANGHAI, produce_hour="2025061110")
    heat = {item["regionId"]: item["pepCnt"] for item in data["heatDataList"]}
    assert heat == {"RA": 3, "RB": 2}
    statis = data["statis"]
    assert _some(statis, "pepCnt", "man", "women", "age_40") == [4, 3, 1, 2]
    lon, lat = data["heatDataList"][0]["center"]
    assert (round(lon, 6), round(lat, 6)) == (-123.07, 49.27)
    ring = data["heatDataList"][0]["boundary"]
    assert ring[0] == ring[-1]


def test_devices_are_pseudonyms_in_pages(exact: Client) -> None:
    """Two pages hold each of the three once, in the order of the pseudonyms."""
    asked: dict[str, Any] = {"key": "operator", "limit": 2, **HERE}
    first = exact.data("/v1/userListByRegionAndTime", **asked)
    second = exact.data("/v1/userListByRegionAndTime", **asked, cursor=first["next"])
    expected = sorted(pseudonymize(pl.Series(["U1", "U2", "U3"])))
    assert first["cnt"] == 3
    assert first["userList"] + second["userList"] == expected
    assert second["next"] is None


def test_od(exact: Client) -> None:
    """The day's pairs, as they were counted by hand."""
    items = exact.data("/v1/od", city=SHANGHAI, from_="2025-06-11", to="2025-06-11")
    pairs = [
        tuple(value for name, value in row.items() if name in OD.schema.names)
        for row in items["items"]
    ]
    assert pairs == [
        ("consecutive", "RA", "RB", 2, 2),
        ("consecutive", "RB", "RA", 1, 1),
        ("first_last", "RA", "RA", 3, 3),
        ("first_last", "RA", "RB", 2, 2),
        ("first_last", "RB", "RA", 1, 1),
    ]


def _some(fields: dict[str, int], *names: str) -> list[int]:
    return [fields[name] for name in names]
