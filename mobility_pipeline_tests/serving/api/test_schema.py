"""The OpenAPI document, and what a machine finds that asks by it."""

import requests
import schemathesis
from hypothesis import given, settings

from mobility_pipeline_tests.serving.api.world import Client


def test_every_route_is_described(exact: Client) -> None:
    """The predecessor's five and ours, each behind a key."""
    document = requests.get(f"{exact.url}/openapi.json", timeout=20).json()
    assert {
        "/v1/userCountByRegionAndTime",
        "/v1/userListByRegionAndTime",
        "/v1/regionPortrait",
        "/v1/regionInflowOutflow",
        "/v1/allRegionsHeatMap",
        "/v1/cities",
        "/v1/coverage",
        "/v1/presence",
        "/v1/flows",
        "/v1/od",
    } <= set(document["paths"])
    assert document["security"] == [{"ApiKey": []}]
    for path in document["paths"].values():
        assert {"401", "404", "422", "429"} <= set(path["get"]["responses"])


def test_nothing_makes_it_fail(exact: Client) -> None:
    """No 5xx is found by schemathesis, and no error of another shape."""
    schema = schemathesis.openapi.from_url(f"{exact.url}/openapi.json")
    headers = {"X-API-Key": exact.keys["operator"]}

    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers=headers)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400:
            assert set(answer.json()) == {"msg", "code", "data", "detail"}

    for operation in schema.get_all_operations():
        seeded = settings(max_examples=25, derandomize=True)
        seeded(given(operation.ok().as_strategy())(ask))()
