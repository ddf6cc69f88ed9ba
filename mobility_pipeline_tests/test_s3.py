from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
import pytest
from obstore.exceptions import GenericError

from mobility_pipeline.errors import ConfigurationError, StorageForbiddenError
from mobility_pipeline.s3 import make_s3_store, read_failure

if TYPE_CHECKING:
    from obstore.store import S3Credential


def _credentials() -> "S3Credential":
    return {"access_key_id": "A", "secret_access_key": "S", "expires_at": None}


def _address(bucket: str, endpoint_url: str | None, region: str = "us-west-2") -> str:
    """Return where an object of a bucket is asked for."""
    store = make_s3_store(
        bucket, endpoint_url=endpoint_url, region=region, credentials=_credentials
    )
    return obstore.sign(store, "GET", "a/b", timedelta(minutes=1)).partition("?")[0]


@pytest.mark.parametrize(
    ("bucket", "region", "address"),
    [
        ("lake", "us-west-2", "https://lake.s3.us-west-2.amazonaws.com/a/b"),
        ("my.lake", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/my.lake/a/b"),
        ("My_Lake", "us-east-1", "https://s3.us-east-1.amazonaws.com/My_Lake/a/b"),
        ("lake", "cn-north-1", "https://lake.s3.cn-north-1.amazonaws.com.cn/a/b"),
    ],
)
def test_without_an_endpoint_it_is_aws(bucket: str, region: str, address: str) -> None:
    """The bucket is in the host's name where the certificate allows it."""
    assert _address(bucket, None, region) == address


@pytest.mark.parametrize("bucket", ["lake", "my.lake", "My_Lake"])
@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:9000", "https://minio.example:9000", "http://[::1]:9"],
)
@pytest.mark.parametrize("end", ["", "/"])
def test_any_store_is_asked_by_path(bucket: str, endpoint: str, end: str) -> None:
    """A store of one's own has one host for all buckets, with TLS or without."""
    assert _address(bucket, endpoint + end) == f"{endpoint}/{bucket}/a/b"


def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only settings.py reads it; obstore would, by itself."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "false")
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert _address("lake", None) == "https://lake.s3.us-west-2.amazonaws.com/a/b"


@pytest.mark.parametrize("bucket", ["", "a", "a b", "a/b", "..", "ä", "a?b", "a@b"])
def test_an_impossible_bucket_is_refused(bucket: str) -> None:
    """Before obstore panics over its address."""
    with pytest.raises(StorageForbiddenError, match="no bucket's name"):
        _address(bucket, "http://127.0.0.1:9")


@pytest.mark.parametrize(
    "endpoint",
    ["127.0.0.1:9000", "htp://x", "http://", "http://a b", "http://u:p@host"],
)
def test_an_impossible_endpoint_is_refused(endpoint: str) -> None:
    """The message names the variable, not its value, which may hold a password."""
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL") as caught:
        _address("lake", endpoint)
    assert endpoint not in str(caught.value)


def test_an_impossible_region_is_refused() -> None:
    """It would be part of the host's name."""
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        _address("lake", None, "us west")


def test_secrets_do_not_show() -> None:
    """A store that is printed says its bucket."""
    store = make_s3_store(
        "lake", endpoint_url=None, region="us-west-2", credentials=_credentials
    )
    assert "S" not in store.config.values()
    assert repr(store) == 'S3Store(bucket="lake")'


def test_a_failure_without_s3s_word_is_told_in_one_line() -> None:
    """What obstore says at the end of its first line is the cause."""
    text = (
        "Error performing GET http://a/b - c in 3ms, after 1 retries  - timed out\n\nX"
    )
    failure = read_failure(GenericError(text))
    assert (failure.code, failure.reason) == ("", "timed out")
    assert not failure.is_forbidden
    assert not failure.is_repeatable
