"""Formats, ETags, pages and provenance."""

import io
import json
from typing import Any

import polars as pl
import pytest
import requests
from shapely.geometry import Point, shape

from mobility_pipeline.errors import FormatRefusedError
from mobility_pipeline.serving.api.formats import (
    CSV,
    GEOJSON,
    JSON,
    PARQUET,
    REGION_TABLE,
    choose_format,
)
from mobility_pipeline_tests.serving.api.world import SHANGHAI, VANCOUVER, Client

DAY = {"city": SHANGHAI, "from_": "2025-06-11", "to": "2025-06-11"}
BOTH = {"city": VANCOUVER, "from_": "2025-06-11", "to": "2025-06-13"}


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("text/*", CSV),
        ("application/*", JSON),
        ("text/csv;q=0.5, application/geo+json", GEOJSON),
        ("text/html, */*;q=0.1", JSON),
        ("application/json;q=0, */*", CSV),
        ("TEXT/CSV ; Q=0.9", CSV),
    ],
)
def test_accept_is_read_as_rfc_9110_says(accept: str | None, chosen: str) -> None:
    """The most exact range counts, then the quality, then our order."""
    assert choose_format(accept, REGION_TABLE) == chosen


@pytest.mark.parametrize("accept", ["text/html", "*/*;q=0", "text/csv;q=x", ",,;"])
def test_what_nobody_accepts(accept: str) -> None:
    """None of ours is accepted."""
    with pytest.raises(FormatRefusedError):
        choose_format(accept, REGION_TABLE)


def test_formats_have_the_same_rows(exact: Client) -> None:
    """JSON, CSV, GeoJSON and Parquet of a day."""

    def get(media: str) -> bytes:
        answer = exact.get("/v1/presence", **DAY, headers={"Accept": media})
        assert answer.headers["Content-Type"].split(";")[0] == media
        return answer.content

    items = json.loads(get(JSON))["data"]["items"]
    features = json.loads(get(GEOJSON))["features"]
    assert [feature["properties"] for feature in features] == items
    rows = pl.read_csv(io.BytesIO(get(CSV)))
    assert rows.rows() == [tuple(item.values()) for item in items]
    typed = pl.read_parquet(io.BytesIO(get(PARQUET)))
    assert typed.schema["hour_at"] == pl.Datetime("us", "UTC")
    assert typed["devices_count"].to_list() == [row["devices_count"] for row in items]
    assert len(items) == 4 * 7


def test_geojson_has_the_regions_shapes(exact: Client) -> None:
    """RA is around its cell, in lon/lat."""
    answer = exact.get("/v1/flows", **DAY, region_id="RA", headers={"Accept": GEOJSON})
    outline = shape(answer.json()["features"][0]["geometry"])
    assert outline.contains(Point(-123.07, 49.27))


def test_not_acceptable(exact: Client) -> None:
    """OD has no shapes, and nothing is a web page."""
    for path, media in (("/v1/od", GEOJSON), ("/v1/presence", "text/html")):
        answer = exact.get(path, **DAY, headers={"Accept": media})
        assert (answer.status_code, answer.json()["code"]) == (406, 406)


@pytest.mark.parametrize("media", REGION_TABLE)
def test_provenance_is_in_every_format(exact: Client, media: str) -> None:
    """Table, method, city-days, coverage and k."""
    answer = exact.get("/v1/presence", **DAY, headers={"Accept": media})
    header = answer.headers.get("X-Provenance")
    found: dict[str, Any] = (
        json.loads(header) if header else answer.json()["provenance"]
    )
    assert (found["table"], found["method_version"], found["k"]) == ("presence", 1, 1)
    assert found["partitions"] == [
        {
            "city": SHANGHAI,
            "date": "2025-06-11",
            "method_version": 1,
            "observed_hours_count": 2,
            "expected_hours_count": 24,
        }
    ]
    assert found["coverage_ratio"] == pytest.approx(2 / 24, abs=1e-4)


@pytest.mark.parametrize("media", REGION_TABLE)
def test_etag(exact: Client, media: str) -> None:
    """The same content is 304, without a body; other formats have other tags."""
    headers = {"Accept": media}
    first = exact.get("/v1/presence", **DAY, headers=headers)
    tag = first.headers["ETag"]
    again = exact.get(
        "/v1/presence", **DAY, headers={**headers, "If-None-Match": f'"x", W/{tag}'}
    )
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["ETag"] == tag
    other = exact.get(
        "/v1/presence", **DAY, headers={**headers, "If-None-Match": '"x"'}
    )
    assert other.content == first.content


def test_head_is_get_without_the_body(exact: Client) -> None:
    """Same headers, same refusals."""
    url, key = f"{exact.url}/v1/cities", {"X-API-Key": exact.keys["reader"]}
    got = requests.get(url, headers=key, timeout=20)
    head = requests.head(url, headers=key, timeout=20)
    assert (head.status_code, head.content) == (200, b"")
    same = ("ETag", "Content-Type", "Content-Length")
    assert [head.headers[name] for name in same] == [got.headers[name] for name in same]
    assert requests.head(url, timeout=20).status_code == 401


@pytest.mark.parametrize("limit", [1, 7, 50, 10_000])
def test_pages_are_complete_and_in_order(exact: Client, limit: int) -> None:
    """Whatever the size of a page, together they are the whole, each row once."""
    whole = exact.data("/v1/presence", **BOTH, limit=10_000)
    assert whole["next"] is None
    rows, cursor = [], None
    while True:
        page = exact.data("/v1/presence", **BOTH, limit=limit, cursor=cursor)
        assert 0 < len(page["items"]) <= limit
        rows += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    assert rows == whole["items"]
    keys = [(row["hour_at"], row["region_id"], row["portrait_id"]) for row in rows]
    assert keys == sorted(set(keys))
    assert {row["local_date"] for row in rows} == {"2025-06-11", "2025-06-12"}


def test_pages_of_one_portrait_link_to_the_next(exact: Client) -> None:
    """CSV has nowhere else to name it; what is missing is told."""
    answer = exact.get(
        "/v1/presence", **BOTH, portrait_id=0, limit=5, headers={"Accept": CSV}
    )
    link = answer.headers["Link"].split(">")[0].removeprefix("<")
    following = exact.get(link, headers={"Accept": CSV})
    first, second = (
        pl.read_csv(io.BytesIO(page.content)) for page in (answer, following)
    )
    assert first.height == 5
    assert second.height > 0
    assert first.join(second, on=["hour_at", "region_id"], how="inner").is_empty()
    missing = json.loads(answer.headers["X-Provenance"])["missing"]
    assert missing == [{"date": "2025-06-13", "reason": "not_derived"}]


def test_cities_and_coverage(exact: Client) -> None:
    """Which cities there are, and what is there of their days."""
    cities = exact.data("/v1/cities")["items"]
    assert [city["city"] for city in cities] == sorted(city["city"] for city in cities)
    days = exact.data(
        "/v1/coverage", city=SHANGHAI, from_="2025-06-08", to="2025-06-11"
    )["items"]
    assert [(day["state"], day["reason"]) for day in days] == [
        ("missing", "not_requested"),
        ("missing", "not_delivered"),
        ("missing", "not_derived"),
        ("derived", None),
    ]
    assert days[-1]["observed_hours_count"] == 2
