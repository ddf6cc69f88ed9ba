"""Flows between hours that are not next to each other, and across midnight."""

import pytest

from mobility_pipeline_tests.serving.api.world import VANCOUVER, Client


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        # Of devices 0…40 every third is there at 12, the next ones at 13 and 14.
        ("2025061112", "2025061114", [13, 14, 0]),
        ("2025061112", "2025061212", [0, 0, 14]),
        ("2025061112", "2025061113", [14, 14, 0]),
    ],
)
def test_flows_between_any_hours(
    exact: Client, private: Client, start: str, end: str, counts: list[int]
) -> None:
    """Counted by hand; with k = 15 all of them are hidden."""
    asked = {"region_id": "V1", "start_time": start, "end_time": end}
    (flow,) = exact.get("/v1/regionInflowOutflow", **asked, city=VANCOUVER).json()
    names = ("inflow", "outflow", "stay")
    assert [flow[name]["total"] for name in names] == counts
    (hidden,) = private.get("/v1/regionInflowOutflow", **asked).json()
    assert [hidden[name]["total"] for name in names] == [None] * 3
    assert hidden["suppressed"]


def test_an_hour_that_was_not_observed_has_no_flow(exact: Client) -> None:
    """Null is no answer either: 404 with the reason."""
    answer = exact.get(
        "/v1/regionInflowOutflow",
        region_id="RA",
        start_time="2025061109",
        end_time="2025061110",
    )
    assert answer.status_code == 404
    assert answer.json()["detail"]["reason"] == "no_pings"


def test_flows_derived_without_the_hour_before_are_no_answer(
    exact: Client, private: Client
) -> None:
    """Whatever k is, and whoever was there: the first hour of a day knew of no day before."""
    asked = {"start_time": "2025061123", "end_time": "2025061200", "city": VANCOUVER}
    for client in (exact, private):
        for region in ("V1", "V2"):
            answer = client.get("/v1/regionInflowOutflow", region_id=region, **asked)
            assert answer.status_code == 404
            assert answer.json()["detail"]["reason"] == "not_derived"
