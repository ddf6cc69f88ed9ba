"""An S3 server over HTTP for tests of `landing/` and `lake/`, and small tables for it."""

import io
import uuid
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from mobility_pipeline.vendor.request import Area

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

JOB_PREFIX = "output/un/job-1/"
MOON = Area("moon-aaaaaaaa", "space/moon", "a" * 64, "geo_radius", 0)
MARS = Area("mars-bbbbbbbb", "space/mars", "b" * 64, "geo_json", 0)
DEIMOS = Area("deimos-cccccccc", "space/mars_state/deimos", "c" * 64, "geo_radius", 1)
AREAS = (MOON, MARS, DEIMOS)
CITIES = tuple(area.city for area in AREAS)

_SESSION = boto3.session.Session()
"""Loads the description of S3 once; clients made from it share nothing else."""


def to_parquet(table: pa.Table) -> bytes:
    """Encode a table as the vendor does."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy")
    return buffer.getvalue()


def put_files(s3: "S3Client", bucket: str, files: Mapping[str, bytes]) -> None:
    """Store files below the job's prefix."""
    for name, data in files.items():
        s3.put_object(Bucket=bucket, Key=JOB_PREFIX + name, Body=data)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Give the address of an S3 server of this test process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_url: str) -> Iterator["S3Client"]:
    """Give a client of its own, so that hooks of one test do not reach the next."""
    client = _SESSION.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            retries={"total_max_attempts": 1},
            max_pool_connections=16,
        ),
    )
    yield client
    client.close()


@pytest.fixture
def bucket(s3: "S3Client") -> str:
    """Give a fresh bucket."""
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return name
