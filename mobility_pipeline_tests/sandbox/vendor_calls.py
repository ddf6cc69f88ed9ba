"""Calls to the simulated vendor as its customers make them, without our client."""

import io
import re
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import requests
from botocore.config import Config

from mobility_pipeline.sandbox.delivery import VENDOR_BUCKET
from mobility_pipeline.sandbox.launch import API_KEY, Sandbox

PINGS = "movement/job/pings"
OUTER = {
    "poi_id": "outer-00000001",
    "latitude": 48.2,
    "longitude": 11.5,
    "distance_in_meters": 9000,
}
INNER = OUTER | {"poi_id": "inner-00000002", "distance_in_meters": 4000}


def area_body(first: str, last: str, *areas: Mapping[str, Any], **more: Any) -> dict:
    """Make an area filter of circles; OUTER where none is given."""
    return {
        "date_range": {"from_date": first, "to_date": last},
        "schema_type": "FULL",
        "geo_radius": list(areas) or [OUTER],
        **more,
    }


def call(
    sandbox: Sandbox,
    method: str,
    path: str,
    body: object = None,
    *,
    key: str = API_KEY,
    timeout_s: float = 10,
) -> requests.Response:
    """Call a route under /v1."""
    return requests.request(
        method,
        f"{sandbox.vendor_url}/v1/{path}",
        json=body,
        headers={"X-API-Key": key},
        timeout=timeout_s,
    )


def submit(sandbox: Sandbox, body: object, endpoint: str = PINGS) -> str:
    """Submit a job that must be accepted."""
    answer = call(sandbox, "POST", endpoint, body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["job_id"]


def finish(sandbox: Sandbox, job_id: str) -> dict[str, Any]:
    """Poll until the job has ended; return the last envelope."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = call(sandbox, "GET", f"job/{job_id}").json()
        if answer["data"]["status"] in ("SUCCESS", "FAILED", "CANCELLED"):
            return answer
        threading.Event().wait(0.03)
    raise AssertionError(f"job {job_id} did not end")


@cache
def customer_client(s3_url: str, service: str, *credentials: str) -> Any:
    """Connect as a customer does, without the retries that would hide a fault."""
    access_key, secret, *token = credentials or ("customer", "nothing")
    return boto3.client(
        service,
        endpoint_url=s3_url,
        region_name="us-west-2",
        config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        aws_session_token=token[0] if token else None,
    )


def delivered_files(sandbox: Sandbox, job_id: str) -> dict[str, bytes]:
    """Read every object of a delivery: key below the job's folder -> bytes."""
    s3 = customer_client(sandbox.s3_url, "s3")
    prefix = f"output/Sandbox/{job_id}/"
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=VENDOR_BUCKET, Prefix=prefix
    )
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {
        key.removeprefix(prefix): s3.get_object(Bucket=VENDOR_BUCKET, Key=key)[
            "Body"
        ].read()
        for key in keys
    }


def tables(files: Mapping[str, bytes]) -> dict[str, pa.Table]:
    """Decode the parquet files among them."""
    return {
        key: pq.read_table(io.BytesIO(body))
        for key, body in files.items()
        if key.endswith(".parquet")
    }


def deliver(
    sandbox: Sandbox, body: object, endpoint: str = PINGS
) -> dict[str, pa.Table]:
    """Submit a job, wait for its success and read its parquet files."""
    job_id = submit(sandbox, body, endpoint)
    assert finish(sandbox, job_id)["data"]["status"] == "SUCCESS"
    return tables(delivered_files(sandbox, job_id))


def rows_of_area(
    delivery: Mapping[str, pa.Table], poi_id: str, index_id: str
) -> list[tuple]:
    """Return an area's rows, each unified as a reader would, in one fixed order."""
    found = []
    for key, table in delivery.items():
        day = re.search(r"date=([\d-]+)", key)
        assert day
        for row in table.to_pylist():
            if {poi_id, index_id} & set(row["poi_ids"] or []):
                device = row.get("ad_id") or row.get("caid") or ""
                place = (str(float(row[c])) for c in ("latitude", "longitude"))
                found.append((day[1], device, _instant(row["utc_timestamp"]), *place))
    return sorted(found)


def _instant(value: Any) -> str:
    if isinstance(value, int):
        value = pa.scalar(value, pa.timestamp("ms")).as_py()
    return str(value)[:19]
