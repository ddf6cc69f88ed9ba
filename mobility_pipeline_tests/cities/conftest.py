from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto.server import ThreadedMotoServer

from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.cities.map_world import MapWorld, make_map_world
from mobility_pipeline_tests.cities.registries import make_history, open_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ObjectStore


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """Address of an S3 server of our own."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def session() -> boto3.Session:
    """Who we are to that server."""
    return boto3.Session("test", "test", region_name="us-west-2")


@pytest.fixture
def s3(s3_url: str, session: boto3.Session) -> Iterator["S3Client"]:
    """A client of that server, with an empty bucket `cities`."""
    client = session.client("s3", endpoint_url=s3_url)
    client.create_bucket(
        Bucket="cities", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    yield client
    for item in client.list_objects_v2(Bucket="cities").get("Contents", []):
        client.delete_object(Bucket="cities", Key=item["Key"])
    client.delete_bucket(Bucket="cities")
    client.close()


@pytest.fixture(params=["folder", "s3"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, s3_url: str, session: boto3.Session
) -> "ObjectStore":
    """An empty store of each kind."""
    if request.param == "folder":
        folder = tmp_path / "cities"
        folder.mkdir()
        return open_store(str(folder), endpoint_url=None, region="us-west-2")
    request.getfixturevalue("s3")
    return open_s3("s3://cities/some/prefix/", s3_url, session)


@pytest.fixture
def registry(store: "ObjectStore", history: History) -> Registry:
    """An empty registry of each kind."""
    return Registry(store, history)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history without a backup."""
    return make_history(tmp_path / "history")


@pytest.fixture
def maps(sandbox: Sandbox, tmp_path: Path) -> MapWorld:
    """An OpenStreetMap nobody has asked yet."""
    return make_map_world(sandbox, tmp_path)
