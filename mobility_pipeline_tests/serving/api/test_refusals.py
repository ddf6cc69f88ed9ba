"""What is refused, how, and why."""

from datetime import date, timedelta
from typing import Any

import pytest
import requests

from mobility_pipeline_tests.serving.api.world import (
    NOT_DELIVERED_DAY,
    SHANGHAI,
    VANCOUVER,
    Client,
)

COUNT = "/v1/userCountByRegionAndTime"
HERE = {"region_id": "RA", "produce_hour": "2025061110"}
RANGE = {"city": SHANGHAI, "from_": "2025-06-11", "to": "2025-06-11"}


@pytest.mark.parametrize(
    ("hour", "reason"),
    [
        ("2025061109", "no_pings"),
        ("2025061210", "not_derived"),
        ("2025060710", "not_requested"),
        ("2025060812", "not_delivered"),
    ],
)
def test_no_data_says_why(exact: Client, hour: str, reason: str) -> None:
    """Never zero: an hour without data is 404 with the reason of coverage."""
    answer = exact.get(COUNT, region_id="RA", produce_hour=hour)
    document = answer.json()
    assert (answer.status_code, document["data"]) == (404, None)
    assert document["detail"]["reason"] == reason


def test_a_range_without_any_day_says_why(exact: Client) -> None:
    """Each day has its reason."""
    day = NOT_DELIVERED_DAY
    start = day - timedelta(days=1)
    answer = exact.get("/v1/presence", city=VANCOUVER, from_=start, to=day)
    assert answer.status_code == 404
    reasons = answer.json()["detail"]["reasons"]
    assert reasons == {str(start): "not_requested", str(day): "not_delivered"}


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (COUNT, {**HERE, "region_id": "RX"}),
        (COUNT, {**HERE, "city": VANCOUVER}),
        (COUNT, {**HERE, "city": "atlantis"}),
        ("/v1/regionPortrait", {"region_id": "RX"}),
        ("/v1/presence", {**RANGE, "city": "atlantis"}),
        ("/v1/presence", {**RANGE, "region_id": "RX"}),
        ("/v1/flows", {**RANGE, "region_id": "RX"}),
        ("/v1/nothing", {}),
    ],
)
def test_unknown_is_404(exact: Client, path: str, asked: dict[str, Any]) -> None:
    """Unknown regions, cities and paths."""
    answer = exact.get(path, **asked)
    assert (answer.status_code, answer.json()["code"]) == (404, 404)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        (COUNT, {"region_id": "RA"}),
        (COUNT, {**HERE, "produce_hour": "2025-06-11"}),
        (COUNT, {**HERE, "produce_hour": "2025061124"}),
        (COUNT, {**HERE, "produce_hour": "2025063110"}),
        (COUNT, {**HERE, "produce_hour": "0000000000"}),
        (COUNT, {**HERE, "produce_hour": "9999123123"}),
        (COUNT, {**HERE, "portrait_id": 7}),
        (COUNT, {"region_id": "V2", "produce_hour": "2025061110"}),
        ("/v1/allRegionsHeatMap", {}),
        ("/v1/presence", {**RANGE, "to": "2025-06-10"}),
        ("/v1/presence", {**RANGE, "to": "2025-08-10"}),
        ("/v1/presence", {**RANGE, "from_": "0001-01-01", "to": "0001-01-01x"}),
        ("/v1/presence", {**RANGE, "limit": 0}),
        ("/v1/presence", {**RANGE, "cursor": "x"}),
        ("/v1/presence", {**RANGE, "cursor": "2025-06-31.0.00000000"}),
        ("/v1/presence", {**RANGE, "cursor": "2025-06-12.0.00000000"}),
        ("/v1/presence", {**RANGE, "cursor": "2025-06-11.0.00000000"}),
        ("/v1/od", {**RANGE, "kind": "other"}),
        ("/v1/od", {**RANGE, "region_id": "RA"}),
        ("/v1/cities", {"city": SHANGHAI}),
        (COUNT, {**HERE, "portrait_id": [1, 2]}),
        (
            "/v1/regionInflowOutflow",
            {"region_id": "RA", "start_time": "2025061111", "end_time": "2025061110"},
        ),
    ],
)
def test_wrong_parameters_are_422(
    exact: Client, path: str, asked: dict[str, Any]
) -> None:
    """In the one shape, with words."""
    answer = exact.get(path, **asked)
    document = answer.json()
    assert (answer.status_code, document["code"]) == (422, 422)
    assert document["data"] is None
    assert document["msg"]


def test_a_region_of_two_cities_asks_for_the_city(exact: Client) -> None:
    """Both are named."""
    answer = exact.get(COUNT, region_id="V2", produce_hour="2025061112")
    assert answer.json()["detail"]["cities"] == ["canada/twin", "canada/vancouver"]
    answer = exact.get(
        COUNT, region_id="V2", produce_hour="2025061112", city="canada/vancouver"
    )
    assert answer.status_code == 200


def test_an_hour_that_the_clock_skips(exact: Client) -> None:
    """Vancouver has no 2 o'clock on 2025-03-09."""
    answer = exact.get(COUNT, region_id="V1", produce_hour="2025030902")
    assert answer.status_code == 422
    assert "no hour 2025030902" in answer.json()["msg"]


def test_only_get(exact: Client) -> None:
    """Other methods are 405, in the same shape."""
    answer = requests.post(f"{exact.url}/v1/cities", timeout=20)
    assert (answer.status_code, answer.json()["code"]) == (405, 405)


@pytest.mark.parametrize("day", [date.min, date.max])
def test_the_ends_of_the_calendar(exact: Client, day: date) -> None:
    """They are refused with words."""
    answer = exact.get("/v1/coverage", city=SHANGHAI, from_=day, to=day)
    assert answer.status_code == 422
    assert f"nothing in {day.year}" in answer.json()["msg"]
