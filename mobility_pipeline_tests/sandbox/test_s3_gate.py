"""S3 and STS with their faults, over HTTP with boto3."""

from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from mobility_pipeline.sandbox.launch import LAKE_BUCKET, ROLE_ARN, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline_tests.sandbox.vendor_calls import customer_client


@pytest.fixture
def s3(sandbox: Sandbox) -> Any:
    """A customer's client; each test starts with its own empty bucket."""
    return customer_client(sandbox.s3_url, "s3")


def test_objects_come_back_as_they_were_put(s3: Any) -> None:
    """Put, list, get and delete work."""
    s3.put_object(Bucket=LAKE_BUCKET, Key="data/é x", Body=b"body")
    (item,) = s3.list_objects_v2(Bucket=LAKE_BUCKET)["Contents"]
    assert item["Key"] == "data/é x"
    assert s3.get_object(Bucket=LAKE_BUCKET, Key="data/é x")["Body"].read() == b"body"
    s3.delete_object(Bucket=LAKE_BUCKET, Key="data/é x")
    assert "Contents" not in s3.list_objects_v2(Bucket=LAKE_BUCKET)


def test_assumed_roles_read_and_write(sandbox: Sandbox) -> None:
    """A session of an assumed role reaches both buckets."""
    client = _assume(sandbox)
    client.put_object(Bucket=LAKE_BUCKET, Key="data/a", Body=b"a")
    assert client.list_objects_v2(Bucket=LAKE_BUCKET)["KeyCount"] == 1


def test_sessions_above_an_hour_are_refused(sandbox: Sandbox) -> None:
    """Role chaining ends at 3,600 seconds."""
    with pytest.raises(ClientError, match="1 hour session limit"):
        _sts(sandbox).assume_role(
            RoleArn=ROLE_ARN, RoleSessionName="test", DurationSeconds=3601
        )


def test_assuming_a_role_can_be_denied(sandbox: Sandbox) -> None:
    """STS answers AccessDenied."""
    sandbox.set_s3_faults(deny_assume_role=True)
    assert _code(_assume, sandbox) == "AccessDenied"


def test_expiring_ends_sessions_issued_until_now(sandbox: Sandbox) -> None:
    """Old sessions get ExpiredToken for ever, new ones work."""
    old = _assume(sandbox)
    sandbox.set_s3_faults(expire_sessions=True)
    assert _code(old.list_objects_v2, Bucket=LAKE_BUCKET) == "ExpiredToken"
    _assume(sandbox).list_objects_v2(Bucket=LAKE_BUCKET)
    assert _code(old.list_objects_v2, Bucket=LAKE_BUCKET) == "ExpiredToken"


def test_sessions_can_be_good_for_a_number_of_requests(sandbox: Sandbox) -> None:
    """Each session counts for itself."""
    sandbox.set_s3_faults(session_ttl_requests=2)
    for client in (_assume(sandbox), _assume(sandbox)):
        for _ in range(2):
            client.list_objects_v2(Bucket=LAKE_BUCKET)
        assert _code(client.list_objects_v2, Bucket=LAKE_BUCKET) == "ExpiredToken"


def test_every_nth_request_is_slowed_down(sandbox: Sandbox, s3: Any) -> None:
    """With n = 3 the third and sixth request get SlowDown."""
    sandbox.set_s3_faults(slow_down_every=3)
    codes = [_code(s3.list_objects_v2, Bucket=LAKE_BUCKET) for _ in range(6)]
    assert codes == [None, None, "SlowDown", None, None, "SlowDown"]


def test_puts_fail_after_a_number_of_them(sandbox: Sandbox, s3: Any) -> None:
    """Two more PUTs succeed, all others fail until the fault is cleared."""
    put = {"Bucket": LAKE_BUCKET, "Key": "data/a", "Body": b"x" * 200_000}
    sandbox.set_s3_faults(fail_puts_after=2)
    codes = [_code(s3.put_object, **put) for _ in range(4)]
    assert codes == [None, None, "InternalError", "InternalError"]
    sandbox.set_s3_faults(fail_puts_after=None)
    assert _code(s3.put_object, **put) is None


def test_puts_of_some_keys_can_fail(sandbox: Sandbox, s3: Any) -> None:
    """Only keys that hold the text are refused."""
    sandbox.set_s3_faults(fail_puts_matching="_manifest")
    assert _code(s3.put_object, Bucket=LAKE_BUCKET, Key="data/part", Body=b"") is None
    code = _code(s3.put_object, Bucket=LAKE_BUCKET, Key="data/_manifest.json", Body=b"")
    assert code == "InternalError"


def test_a_bucket_can_be_denied(sandbox: Sandbox, s3: Any) -> None:
    """Every request to it gets AccessDenied."""
    sandbox.set_s3_faults(deny_bucket=LAKE_BUCKET)
    assert _code(s3.list_objects_v2, Bucket=LAKE_BUCKET) == "AccessDenied"


def test_the_sandbox_itself_is_never_hit(sandbox: Sandbox) -> None:
    """Deliveries and clean-up go on while customers' requests fail, uncounted."""
    sandbox.set_s3_faults(slow_down_every=1, fail_puts_after=0)
    internal = connect_internally(sandbox.s3_url)
    internal.put_object(Bucket=LAKE_BUCKET, Key="data/a", Body=b"")
    assert sandbox.s3_requests() == {}


def test_requests_are_counted_by_method_and_place(sandbox: Sandbox, s3: Any) -> None:
    """Counts name the method, the bucket and the first part of the key."""
    for name in ("a", "b"):
        s3.put_object(Bucket=LAKE_BUCKET, Key=f"data/{name}", Body=b"")
    s3.list_objects_v2(Bucket=LAKE_BUCKET)
    _assume(sandbox)
    assert sandbox.s3_requests() == {
        f"GET {LAKE_BUCKET}": 1,
        f"PUT {LAKE_BUCKET}/data": 2,
        "POST sts/AssumeRole": 1,
    }


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    """A misspelt fault fails loudly."""
    with pytest.raises(ValueError, match="422"):
        sandbox.set_s3_faults(slow_down=3)
    assert requests.get(f"{sandbox.s3_url}/_sandbox/x", timeout=5).status_code == 404


def _sts(sandbox: Sandbox) -> Any:
    return customer_client(sandbox.s3_url, "sts")


def _assume(sandbox: Sandbox) -> Any:
    role = _sts(sandbox).assume_role(RoleArn=ROLE_ARN, RoleSessionName="test")
    keys = role["Credentials"]
    return customer_client(
        sandbox.s3_url,
        "s3",
        keys["AccessKeyId"],
        keys["SecretAccessKey"],
        keys["SessionToken"],
    )


def _code(function: Any, *args: Any, **kwargs: Any) -> str | None:
    try:
        function(*args, **kwargs)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None
