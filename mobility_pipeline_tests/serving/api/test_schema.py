"""The OpenAPI document, and what a machine finds that asks by it."""

import re

import requests
import schemathesis
from hypothesis import given, settings

from mobility_pipeline.serving.api.formats import REGION_TABLE, TABLE
from mobility_pipeline_tests.serving.api.world import VANCOUVER, Client

TABLES = ("presence", "flows", "od")


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


def test_page_of_the_document_needs_no_other_server(exact: Client) -> None:
    """Nobody has to be online, and nobody else learns who reads it."""
    page = requests.get(f"{exact.url}/docs", timeout=20)
    named = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert page.status_code == 200
    assert len(named) >= 2
    for path in named:
        assert requests.get(f"{exact.url}{path}", timeout=20).status_code == 200
    assert "https://" not in page.text


def test_answers_are_as_described(exact: Client, private: Client) -> None:
    """Every route's answer, exact and with hidden counts, has the members it is said to."""
    day = {"from_": "2025-06-11", "to": "2025-06-11"}
    noon = {"region_id": "V1", "city": VANCOUVER, "produce_hour": "2025061112"}
    hours = {"start_time": "2025061112", "end_time": "2025061113"}
    asked: dict[str, dict[str, object]] = {
        "/v1/userCountByRegionAndTime": noon,
        "/v1/userListByRegionAndTime": {**noon, "key": "operator"},
        "/v1/regionPortrait": noon,
        "/v1/regionInflowOutflow": {
            "region_id": "V1",
            "city": VANCOUVER,
            **hours,
        },
        "/v1/allRegionsHeatMap": {"city": VANCOUVER},
        "/v1/cities": {},
        "/v1/coverage": {"city": VANCOUVER, "from_": "2025-06-07", "to": "2025-06-11"},
        **{f"/v1/{table}": {"city": VANCOUVER, **day} for table in TABLES},
    }
    for client in (exact, private):
        schema = schemathesis.openapi.from_url(f"{client.url}/openapi.json")
        for path, query in asked.items():
            answer = client.get(path, **query)
            if answer.status_code != 403:  # where lists are off
                assert answer.status_code == 200, answer.text
            schema[path]["GET"].validate_response(answer)
        for path in (f"/v1/{table}" for table in TABLES):
            offered = schema.raw_schema["paths"][path]["get"]["responses"]["200"]
            assert set(offered["content"]) == {
                *(REGION_TABLE if path != "/v1/od" else TABLE)
            }


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
