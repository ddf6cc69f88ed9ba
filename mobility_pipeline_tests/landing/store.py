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

from mobility_pipeline.landing.storage import Bucket, OpenBucket
from mobility_pipeline.resources.aws import Buckets
from mobility_pipeline.settings import read_settings
from mobility_pipeline.vendor.request import Area
from mobility_pipeline_tests.landing.wire import SET_UP_KEY, Wire, serve

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


def to_parquet(table: pa.Table, *, use_dictionary: bool = True) -> bytes:
    """Encode a table as the vendor does."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy", use_dictionary=use_dictionary)
    return buffer.getvalue()


def put_files(s3: "S3Client", bucket: Bucket, files: Mapping[str, bytes]) -> None:
    """Store files below the job's prefix."""
    for name, data in files.items():
        s3.put_object(Bucket=bucket.name, Key=JOB_PREFIX + name, Body=data)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Wire]:
    """Run an S3 server of this test process."""
    with serve() as server:
        yield server


@pytest.fixture
def wire(s3_server: Wire) -> Iterator[Wire]:
    """Give the same server, to switch faults on until the test's end."""
    s3_server.calm()
    yield s3_server
    s3_server.calm()


@pytest.fixture(scope="session")
def s3_url(s3_server: Wire) -> str:
    """Give the server's address."""
    return s3_server.url


@pytest.fixture(scope="session")
def s3(s3_url: str) -> Iterator["S3Client"]:
    """Give a client that is not ours, to set up and to look."""
    client = _SESSION.client(
        "s3",
        endpoint_url=s3_url,
        region_name="us-east-1",
        aws_access_key_id=SET_UP_KEY,
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


def make_buckets(s3_url: str, role_arn: str | None = None, **variables: str) -> Buckets:
    """Make what opens buckets of a server, as the pipeline does."""
    environment = {
        "AWS_ENDPOINT_URL": s3_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "2",
    }
    return Buckets(read_settings(environment | variables), role_arn)


@pytest.fixture(scope="session")
def open_bucket(s3_url: str) -> OpenBucket:
    """Give what opens the server's buckets."""
    return make_buckets(s3_url)


@pytest.fixture
def bucket(s3: "S3Client", open_bucket: OpenBucket) -> Bucket:
    """Give a fresh bucket."""
    name = f"test-{uuid.uuid4()}"
    s3.create_bucket(Bucket=name)
    return open_bucket(name)
