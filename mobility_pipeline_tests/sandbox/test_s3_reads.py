"""Plain reads mean the same as moto's, whose answers are the oracle, over HTTP."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends
from werkzeug.serving import BaseWSGIServer, make_server

from mobility_pipeline.sandbox.s3 import make_s3_server
from mobility_pipeline_tests.sandbox.vendor_calls import customer_client

BUCKET = "plain-reads"
KEYS = (
    "a",
    "data/a b.json",
    "data/a+b%2Fc.json",
    "data/a/date=2025-01-01/_manifest.json",
    "data/a/date=2025-01-01/part-0.parquet",
    "data/a/date=2025-01-02/_manifest.json",
    "data/a-b/x",
    "data/é/Zürich & <Bern> 'x' \"y\"",
    "data/a//b",
    "data/a/",
    "data0",
    "z\U0001f30d",
)
PIECES = (
    "",
    "a",
    "data",
    "data/",
    "data/a",
    "data/a/",
    "data/a//",
    "data/é",
    "e=",
    "zz",
)
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox-customer/20250101/us-west-2/s3/"
    "aws4_request, SignedHeaders=host, Signature=x"
}
READ = ("etag", "last-modified", "content-length", "content-type", "accept-ranges")


@dataclass(frozen=True)
class Pair:
    """Two servers over one memory."""

    ours: str
    """With the shortcut."""
    moto: str
    """Without."""
    s3: Any
    """A client of ours."""

    def ask(
        self, method: str, path: str, **headers: str | None
    ) -> list[requests.Response]:
        """Send both the same, ours first."""
        return [
            requests.request(
                method, base + path, headers={**SIGNED, **headers}, timeout=30
            )
            for base in (self.ours, self.moto)
        ]


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """A bucket of odd keys behind both servers."""
    moto = make_server(
        "127.0.0.1",
        0,
        DomainDispatcherApplication(create_backend_app),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    with _serving(make_s3_server("127.0.0.1", 0)) as ours, _serving(moto) as plain:
        s3 = customer_client(ours, "s3")
        s3.create_bucket(
            Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        for key in KEYS:
            body = f"body of {key}".encode()
            s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType="text/plain")
        yield Pair(ours, plain, s3)
        s3.close()
    s3_backends.reset()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_objects_are_read_as_moto_reads_them(pair: Pair, method: str, key: str) -> None:
    """Status, headers and body are equal, whatever is in the key."""
    ours, moto = pair.ask(method, f"/{BUCKET}/{quote(key)}")
    assert _is_ours(ours)
    assert not _is_ours(moto)
    assert (ours.status_code, ours.content) == (moto.status_code, moto.content)
    assert _headers(ours) == _headers(moto)
    assert ours.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", f"/{BUCKET}/a", {"Range": "bytes=1-3"}),
        ("GET", f"/{BUCKET}/a", {"If-None-Match": "*"}),
        ("GET", f"/{BUCKET}/a", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
        ("GET", f"/{BUCKET}/a", {"x-amz-checksum-mode": "ENABLED"}),
        ("GET", f"/{BUCKET}/a", {"Authorization": None}),
        ("GET", f"/{BUCKET}/a?acl", {}),
        ("GET", f"/{BUCKET}/missing", {}),
        ("HEAD", f"/{BUCKET}/missing", {}),
        ("GET", "/no-such-bucket/a", {}),
        ("HEAD", f"/{BUCKET}", {}),
        ("GET", f"/{BUCKET}?versions", {}),
        ("GET", f"/{BUCKET}?list-type=2&fetch-owner=true", {}),
        ("GET", f"/{BUCKET}?list-type=2&continuation-token=", {}),
    ],
)
def test_what_is_not_plain_is_motos(
    pair: Pair, method: str, path: str, headers: dict[str, str | None]
) -> None:
    """Ranges, conditions, errors and other routes are answered by moto."""
    ours, moto = pair.ask(method, path, **headers)
    assert not _is_ours(ours)
    assert (ours.status_code, _headers(ours)) == (moto.status_code, _headers(moto))


@given(
    prefix=st.sampled_from((*PIECES, *KEYS)),
    delimiter=st.sampled_from((None, "", "/", "a", "date=")),
    max_keys=st.sampled_from((None, 0, 1, 2, 3, 1000)),
    start_after=st.sampled_from((None, *PIECES, *KEYS)),
    encoding=st.sampled_from((None, "url")),
)
@settings(max_examples=150, deadline=None)
def test_pages_are_listed_as_moto_lists_them(
    pair: Pair,
    prefix: str,
    delimiter: str | None,
    max_keys: int | None,
    start_after: str | None,
    encoding: str | None,
) -> None:
    """Every page until the last means the same, whoever gave the token for it."""
    said: dict[str, Any] = {
        "list-type": 2,
        "prefix": prefix,
        "delimiter": delimiter,
        "max-keys": max_keys,
        "start-after": start_after,
        "encoding-type": encoding,
    }
    query = {name: value for name, value in said.items() if value is not None}
    while True:
        ours, moto = pair.ask("GET", f"/{BUCKET}?{urlencode(query)}")
        assert _is_ours(ours)
        assert ours.headers["Content-Type"] == moto.headers["Content-Type"]
        page = _meaning(ours.content)
        assert page == _meaning(moto.content)
        tokens = [text for tag, text in page if tag == "NextContinuationToken"]
        if not tokens:
            return
        query["continuation-token"] = tokens[0]


def test_a_listing_follows_each_write(pair: Pair) -> None:
    """What is put shows in the next listing, what is deleted does not."""
    pair.s3.put_object(Bucket=BUCKET, Key="new/1", Body=b"")
    assert _names(pair, "new/") == ["new/1"]
    pair.s3.copy_object(Bucket=BUCKET, Key="new/2", CopySource=f"{BUCKET}/a")
    assert _names(pair, "new/") == ["new/1", "new/2"]
    doomed = [{"Key": "new/1"}, {"Key": "new/2"}]
    pair.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": doomed})
    assert _names(pair, "new/") == []


def test_writers_side_by_side_are_all_listed(pair: Pair) -> None:
    """Listings between writes of other threads hide none of them afterwards."""

    def put(number: int) -> list[str]:
        pair.s3.put_object(Bucket=BUCKET, Key=f"many/{number:02d}", Body=b"")
        return _names(pair, "many/")

    with ThreadPoolExecutor(8) as threads:
        seen = [*threads.map(put, range(40))]
    assert all(f"many/{number:02d}" in names for number, names in enumerate(seen))
    assert len(_names(pair, "many/")) == 40


def test_versioned_buckets_are_motos(pair: Pair) -> None:
    """Where there are versions, a name alone does not say what is read."""
    bucket = "versioned-reads"
    pair.s3.create_bucket(
        Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    versioning = {"Status": "Enabled"}
    pair.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=versioning)
    pair.s3.put_object(Bucket=bucket, Key="a", Body=b"1")
    pair.s3.delete_object(Bucket=bucket, Key="a")
    ours, _ = pair.ask("GET", f"/{bucket}/a")
    assert (ours.status_code, _is_ours(ours)) == (404, False)


def test_connections_stay_open_between_reads(pair: Pair) -> None:
    """One connection answers a GET, a 404, a HEAD and a listing, then a PUT."""
    with requests.Session() as session:
        paths = [
            ("GET", f"/{BUCKET}/a", 200),
            ("GET", f"/{BUCKET}/missing", 404),
            ("HEAD", f"/{BUCKET}/a", 200),
            ("GET", f"/{BUCKET}?list-type=2", 200),
            ("PUT", f"/{BUCKET}/put", 200),
        ]
        for method, path, status in paths:
            body = b"x" if method == "PUT" else None
            answer = session.request(
                method, pair.ours + path, headers=SIGNED, data=body, timeout=30
            )
            assert answer.status_code == status
            assert (answer.headers.get("Connection") == "close") == (method == "PUT")


@contextmanager
def _serving(server: BaseWSGIServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _is_ours(answer: requests.Response) -> bool:
    """Say whether moto, which numbers its requests, did not give this answer."""
    return "x-amzn-requestid" not in answer.headers


def _headers(answer: requests.Response) -> dict[str, str]:
    return {
        name: value
        for name, value in ((key.lower(), text) for key, text in answer.headers.items())
        if name in READ or (name.startswith("x-amz-"))
    }


def _meaning(body: bytes) -> list[tuple[str, Any]]:
    """Return a listing's elements, each kind in its order; empty ones mean nothing."""
    root = ET.fromstring(body)  # noqa: S314 - our own server's

    def read(element: ET.Element) -> tuple[str, Any]:
        tag = element.tag.rpartition("}")[2]
        children = sorted(read(child) for child in element)
        return tag, children or element.text

    found = [read(element) for element in root]
    return sorted((item for item in found if item[1]), key=lambda item: item[0])


def _names(pair: Pair, prefix: str) -> list[str]:
    page = pair.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [item["Key"] for item in page.get("Contents", [])]
