import pickle
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from io import BytesIO
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from moto.s3.models import s3_backends

from mobility_pipeline.errors import (
    ConfigurationError,
    MobilityError,
    StorageError,
    StorageForbiddenError,
)
from mobility_pipeline.landing.storage import Bucket, OpenBucket
from mobility_pipeline_tests.landing.store import make_buckets
from mobility_pipeline_tests.landing.wire import Wire, cut_off, drop, refuse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DOING = "reading part-1 of space/moon 2024-05-01"
ROLE = "arn:aws:iam::123456789012:role/reader"
TEXT = "text/plain"
MIB = 2**20
LARGE = bytes(range(256)) * (20 * MIB // 256)
"""Three pieces."""


def _call(bucket: Bucket, operation: str) -> Any:
    calls = {
        "list_files": lambda: [*bucket.list_files("a", DOING)],
        "list_folder": lambda: bucket.list_folder("a", DOING),
        "get": lambda: bytes(bucket.get("a/b", DOING) or b""),
        "put": lambda: bucket.put("a/b", b"12345", TEXT, DOING),
        "delete": lambda: bucket.delete("a/b", DOING),
    }
    return calls[operation]()


RESULTS = {
    "list_files": [("a/b", 5)],
    "list_folder": {"b": 5},
    "get": b"12345",
    "put": None,
    "delete": None,
}
every_operation = pytest.mark.parametrize("operation", [*RESULTS])


@pytest.fixture
def filled(bucket: Bucket, s3: "S3Client") -> Bucket:
    """Give a bucket with one object."""
    s3.put_object(Bucket=bucket.name, Key="a/b", Body=b"12345")
    return bucket


@pytest.fixture
def of_role(wire: Wire, filled: Bucket) -> Bucket:
    """Give the same bucket, opened by a role that is assumed for each test anew."""
    session = f"test-{uuid.uuid4()}"  # other settings, other credentials
    return make_buckets(wire.url, ROLE, VERASET_API_KEY=session)(filled.name)


def _fill(bucket: Bucket, count: int) -> list[str]:
    """Store empty objects as the server keeps them: over HTTP it takes seconds."""
    keys = [f"many/{number:05d}" for number in range(count)]
    for key in keys:
        s3_backends["123456789012"]["aws"].put_object(bucket.name, key, b"")
    return keys


class TestObjects:
    """What a bucket holds is what was put into it."""

    def test_listings_are_of_a_folder(self, bucket: Bucket, s3: "S3Client") -> None:
        """Neighbours whose names start the same, and the folder as such, are not in it."""
        for key in ("a", "a/", "ab", "a/b", "a/c/", "a/c/d"):
            s3.put_object(Bucket=bucket.name, Key=key, Body=key.encode())
        assert bucket.list_folder("a/", DOING) == {"b": 3}
        assert [*bucket.list_files("a", DOING)] == [
            ("a/b", 3),
            ("a/c", 4),
            ("a/c/d", 5),
        ]

    @pytest.mark.parametrize("name", ["ä %41+?#", "date=2024-05-01", "x:y", "a\\b"])
    def test_any_name_comes_back(self, bucket: Bucket, name: str) -> None:
        """Keys are taken literally."""
        bucket.put(f"a/{name}", b"1", TEXT, DOING)
        assert [*bucket.list_files("a", DOING)] == [(f"a/{name}", 1)]
        assert bytes(bucket.get(f"a/{name}", DOING) or b"") == b"1"
        bucket.delete(f"a/{name}", DOING)
        assert bucket.list_folder("a", DOING) == {}

    def test_what_is_not_there_is_none(self, bucket: Bucket) -> None:
        """A missing key is no error, to read or to delete."""
        assert bucket.get("a/b", DOING) is None
        bucket.delete("a/b", DOING)

    def test_content_type_is_stored(self, bucket: Bucket, s3: "S3Client") -> None:
        """Others see what an object is."""
        bucket.put("a/b", b"1", TEXT, DOING)
        assert s3.head_object(Bucket=bucket.name, Key="a/b")["ContentType"] == TEXT

    def test_more_objects_than_one_page_are_all_listed(self, bucket: Bucket) -> None:
        """S3 answers with a thousand at a time."""
        keys = _fill(bucket, 2_001)
        assert [*bucket.list_files("many", DOING)] == [(key, 0) for key in keys]
        assert len(bucket.list_folder("many", DOING)) == 2_001

    def test_a_name_that_cannot_be_addressed_is_named(
        self, bucket: Bucket, s3: "S3Client"
    ) -> None:
        """An object that would be passed over is an error instead."""
        s3.put_object(Bucket=bucket.name, Key="a//b")
        with pytest.raises(ConfigurationError, match=r"space/moon.*rename.*a//b"):
            [*bucket.list_files("a", DOING)]

    def test_many_threads_share_a_bucket(self, bucket: Bucket) -> None:
        """16 at once, as a landing reads."""

        def write_and_read(number: int) -> bytes:
            bucket.put(f"a/{number}", str(number).encode(), TEXT, DOING)
            return bytes(bucket.get(f"a/{number}", DOING) or b"")

        with ThreadPoolExecutor(16) as pool:
            read = [*pool.map(write_and_read, range(64))]
        assert read == [str(number).encode() for number in range(64)]


class TestFiles:
    """A file is streamed into an object, and an object into a file."""

    def test_a_small_file_is_one_request(self, wire: Wire, bucket: Bucket) -> None:
        """A city-day of the usual size costs one PUT."""
        bucket.put("a/b", BytesIO(b"x" * MIB), TEXT, DOING)
        assert wire.requests == [("PUT", f"/{bucket.name}/a/b")]
        assert bytes(bucket.get("a/b", DOING) or b"") == b"x" * MIB

    def test_a_large_file_goes_in_pieces(
        self, wire: Wire, bucket: Bucket, s3: "S3Client", tmp_path: Path
    ) -> None:
        """No request holds more than one piece of it."""
        (tmp_path / "part").write_bytes(LARGE)
        with (tmp_path / "part").open("rb") as file:
            bucket.put("a/b", file, TEXT, DOING)
        assert [method for method, _ in wire.requests] == ["POST", *["PUT"] * 3, "POST"]
        assert _stored(bucket, s3) == LARGE
        assert s3.head_object(Bucket=bucket.name, Key="a/b")["ContentType"] == TEXT

    def test_a_large_file_is_stored_whole_or_not_at_all(
        self, wire: Wire, filled: Bucket, s3: "S3Client"
    ) -> None:
        """Where a piece is refused, the older object stays and nothing else is left."""
        wire.set_faults(fail_puts_after=2)
        with pytest.raises(StorageError, match="InternalError"):
            filled.put("a/b", BytesIO(LARGE), TEXT, DOING)
        assert _stored(filled, s3) == b"12345"
        assert "Uploads" not in s3.list_multipart_uploads(Bucket=filled.name)

    @pytest.mark.parametrize("content", [b"", b"12345", LARGE])
    def test_an_open_file_is_read_from_its_start(
        self, bucket: Bucket, s3: "S3Client", content: bytes
    ) -> None:
        """Wherever the file stands, all of it is stored."""
        file = BytesIO(content)
        file.seek(len(content))
        bucket.put("a/b", file, TEXT, DOING)
        assert _stored(bucket, s3) == content

    @pytest.mark.parametrize("content", [b"", b"12345", LARGE])
    def test_an_object_is_written_into_a_file(
        self, wire: Wire, bucket: Bucket, s3: "S3Client", content: bytes
    ) -> None:
        """All of it, though the first answers break off."""
        s3.put_object(Bucket=bucket.name, Key="a/b", Body=content)
        file = BytesIO()
        wire.hit([cut_off, cut_off])
        assert bucket.download("a/b", file, DOING)
        assert file.getvalue() == content

    def test_nothing_stays_of_what_a_file_held_before(
        self, wire: Wire, bucket: Bucket, s3: "S3Client"
    ) -> None:
        """Neither of a longer object, nor of an answer that broke off."""
        s3.put_object(Bucket=bucket.name, Key="a/b", Body=b"12345")
        file = BytesIO(LARGE)
        wire.hit([cut_off])
        assert bucket.download("a/b", file, DOING)
        assert file.getvalue() == b"12345"

    def test_an_object_that_is_not_there_leaves_an_empty_file(
        self, bucket: Bucket
    ) -> None:
        """It is no error."""
        file = BytesIO()
        assert not bucket.download("a/b", file, DOING)
        assert file.getvalue() == b""

    def test_a_file_that_fails_is_an_error_of_ours(self, filled: Bucket) -> None:
        """The message says what was being done, and does not blame S3."""
        with (
            Path("/dev/full").open("wb", buffering=0) as file,
            pytest.raises(StorageError, match=rf"^{DOING}: \[Errno") as caught,
        ):
            filled.download("a/b", file, DOING)
        assert "S3" not in str(caught.value)


class TestFailures:
    """Every failure is one of our errors, in one line that says what was being done."""

    @every_operation
    @pytest.mark.parametrize(
        ("status", "body", "kind", "word"),
        [
            ("403 Forbidden", "<Code>AccessDenied</Code>", StorageForbiddenError, 0),
            ("403 Forbidden", "", StorageForbiddenError, "403"),
            ("403 No", "<Code>SignatureDoesNotMatch</Code>", StorageForbiddenError, 0),
            ("404 No", "<Code>NoSuchBucket</Code>", StorageForbiddenError, 0),
            ("301 Moved", "<Code>PermanentRedirect</Code>", StorageForbiddenError, 0),
            ("400 No", "<Code>ExpiredToken</Code>", StorageError, 0),
            ("409 No", "<Code>OperationAborted</Code>", StorageError, 0),
            ("500 No", "<Code>InternalError</Code>", StorageError, 0),
            ("502 Bad Gateway", "<html>\nproxy\n</html>", StorageError, "502"),
            ("503 Slow Down", "<Code>SlowDown</Code>", StorageError, 0),
        ],
    )
    def test_a_refusal_says_what_s3_said(
        self,
        wire: Wire,
        filled: Bucket,
        operation: str,
        status: str,
        body: str,
        kind: type[MobilityError],
        word: str | int,
    ) -> None:
        """What stays the same is permanent, the rest transient; S3's code is named."""
        wire.hit(repeat(refuse(status, body)))
        code = word or body.removeprefix("<Code>").removesuffix("</Code>")
        with pytest.raises(kind, match=f"^{DOING}: .*{code}") as caught:
            _call(filled, operation)
        assert type(caught.value) is kind
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250

    @every_operation
    def test_a_bucket_that_is_not_there_is_permanent(
        self, open_bucket: OpenBucket, operation: str
    ) -> None:
        """No such bucket is no reason to ask again."""
        with pytest.raises(StorageForbiddenError, match="NoSuchBucket"):
            _call(open_bucket("no-such-bucket-anywhere"), operation)

    @every_operation
    def test_a_server_that_does_not_answer_is_transient(
        self, wire: Wire, filled: Bucket, operation: str
    ) -> None:
        """A connection that is always lost is worth another try later."""
        wire.hit(repeat(drop))
        with pytest.raises(StorageError, match=f"^{DOING}: S3 was not reached"):
            _call(filled, operation)
        assert len(wire.requests) == 2  # AWS_MAX_ATTEMPTS

    def test_a_server_that_is_not_there_is_transient(self) -> None:
        """So is one that refuses the connection."""
        bucket = make_buckets("http://127.0.0.1:9")("bucket")
        with pytest.raises(StorageError, match="S3 was not reached"):
            _call(bucket, "get")

    @every_operation
    @pytest.mark.parametrize("fault", [drop, refuse("503 Slow Down", "")])
    def test_what_passes_is_not_noticed(
        self, wire: Wire, filled: Bucket, operation: str, fault: Any
    ) -> None:
        """Throttling and a lost connection cost a second request."""
        wire.hit([fault])
        assert _call(filled, operation) == RESULTS[operation]
        assert len(wire.requests) == 2

    @pytest.mark.parametrize("operation", ["get", "list_files", "list_folder"])
    def test_a_body_that_breaks_off_is_fetched_again(
        self, wire: Wire, filled: Bucket, operation: str
    ) -> None:
        """A connection lost inside an answer costs more requests, not the run."""
        wire.hit([cut_off, cut_off])
        assert _call(filled, operation) == RESULTS[operation]

    @pytest.mark.parametrize("operation", ["get", "list_files", "list_folder"])
    def test_a_body_that_always_breaks_off_is_transient(
        self, wire: Wire, filled: Bucket, operation: str
    ) -> None:
        """After a few tries the error is ours."""
        wire.hit(repeat(cut_off))
        with pytest.raises(StorageError, match=f"^{DOING}: "):
            _call(filled, operation)
        assert len(wire.requests) <= 8

    def test_a_listing_that_breaks_off_goes_on(
        self, wire: Wire, bucket: Bucket
    ) -> None:
        """Every object comes once, though the second page had to be asked for again."""
        keys = _fill(bucket, 2_001)
        wire.hit([None, cut_off])
        assert [key for key, _ in bucket.list_files("many", DOING)] == keys
        assert len(wire.requests) == 4

    @pytest.mark.parametrize("name", ["", "a b", "a/b", "ä"])
    def test_an_impossible_bucket_is_permanent(
        self, open_bucket: OpenBucket, name: str
    ) -> None:
        """What no bucket is called is not asked for."""
        with pytest.raises(StorageForbiddenError, match="no bucket's name"):
            _call(open_bucket(name), "get")


class TestCredentials:
    """Credentials that are over are replaced, and nobody notices."""

    @every_operation
    def test_a_session_cut_short_is_renewed(
        self, wire: Wire, of_role: Bucket, operation: str
    ) -> None:
        """The request is repeated with new credentials."""
        _call(of_role, "get")
        wire.set_faults(expire_sessions=True)
        assert _call(of_role, operation) == RESULTS[operation]

    def test_a_session_is_used_until_it_ends(self, wire: Wire, of_role: Bucket) -> None:
        """Five requests a session: the sixth request asks STS again, and no other."""
        wire.set_faults(session_ttl_requests=5)
        for _ in range(12):
            assert _call(of_role, "get") == b"12345"
        assert len(wire.requests) == 12 + 2
        assert wire.assumed == 3

    def test_a_session_about_to_end_is_renewed_by_the_clock(
        self, wire: Wire, of_role: Bucket
    ) -> None:
        """No request is sent with credentials of the last minutes."""
        wire.session_life = timedelta(minutes=2)
        assert _call(of_role, "get") == b"12345"
        wire.session_life = None
        before = wire.assumed
        for _ in range(3):
            assert _call(of_role, "get") == b"12345"
        assert wire.assumed == before + 1
        assert len(wire.requests) == 4

    def test_the_shortest_session_is_used(self, wire: Wire, filled: Bucket) -> None:
        """15 minutes are not renewed with every request."""
        role = make_buckets(wire.url, ROLE, AWS_SESSION_DURATION="900")
        for _ in range(3):
            assert _call(role(filled.name), "get") == b"12345"
        assert wire.assumed == 1

    def test_a_listing_outlives_its_session(self, wire: Wire, of_role: Bucket) -> None:
        """It goes on behind the last page, with every object once."""
        keys = _fill(of_role, 3_001)
        wire.set_faults(session_ttl_requests=2)
        assert [key for key, _ in of_role.list_files("many", DOING)] == keys
        assert len(wire.requests) == 4 + 1

    @pytest.mark.parametrize("content", [b"12345678", LARGE])
    def test_a_file_outlives_its_session(
        self, wire: Wire, of_role: Bucket, s3: "S3Client", content: bytes
    ) -> None:
        """It is sent again from its start, also where a part of it was sent."""
        _call(of_role, "get")
        is_large = len(content) > MIB
        wire.set_faults(expire_sessions=not is_large)
        wire.hit([None, partial(_expire, wire)] if is_large else [])
        of_role.put("a/b", BytesIO(content), TEXT, DOING)
        assert _stored(of_role, s3) == content
        assert wire.assumed == 2

    def test_a_download_outlives_its_session(self, wire: Wire, of_role: Bucket) -> None:
        """It is written again from its start."""
        _call(of_role, "get")
        wire.set_faults(expire_sessions=True)
        file = BytesIO()
        assert of_role.download("a/b", file, DOING)
        assert file.getvalue() == b"12345"

    def test_threads_renew_a_session_once(self, wire: Wire, of_role: Bucket) -> None:
        """16 threads that meet the same end make one call to STS."""
        _call(of_role, "get")
        wire.set_faults(expire_sessions=True)
        barrier = threading.Barrier(16)

        def read(_: int) -> bytes:
            barrier.wait()
            return _call(of_role, "get")

        with ThreadPoolExecutor(16) as pool:
            assert {*pool.map(read, range(16))} == {b"12345"}
        assert wire.assumed == 2

    def test_credentials_that_stay_expired_are_transient(
        self, wire: Wire, of_role: Bucket
    ) -> None:
        """What new credentials do not help is not repeated for ever."""
        wire.set_faults(session_ttl_requests=0)
        with pytest.raises(StorageError, match=f"^{DOING}: .*ExpiredToken"):
            _call(of_role, "get")
        assert len(wire.requests) == 4

    def test_a_role_that_is_refused_is_permanent(
        self, wire: Wire, of_role: Bucket
    ) -> None:
        """The message names the role and the settings to look at."""
        wire.set_faults(deny_assume_role=True)
        with pytest.raises(StorageForbiddenError, match=r"role/reader.*LAKE_ROLE_ARN"):
            _call(of_role, "get")

    def test_errors_hold_no_secret(self, wire: Wire, of_role: Bucket) -> None:
        """Neither the message nor what caused it."""
        wire.hit(repeat(refuse("403 No", "<Code>AccessDenied</Code>")))
        with pytest.raises(StorageForbiddenError) as caught:
            _call(of_role, "get")
        store = of_role._connect(None)
        (credentials,) = [store.credential_provider()]
        told = f"{caught.value!r} {caught.value.__cause__!r} {store!r} {store.config}"
        for name in ("secret_access_key", "token"):
            assert credentials[name] not in told


def test_buckets_can_be_opened_elsewhere(filled: Bucket, wire: Wire) -> None:
    """What opens buckets can be sent to another process."""
    there = pickle.loads(pickle.dumps(make_buckets(wire.url)))  # noqa: S301
    assert _call(there(filled.name), "get") == b"12345"


def test_a_process_connects_to_a_bucket_once(filled: Bucket, wire: Wire) -> None:
    """However often it is opened, connections and credentials are the same."""
    stores = [make_buckets(wire.url)(filled.name)._connect(None) for _ in range(3)]
    assert stores[0] is stores[1] is stores[2]


def _stored(bucket: Bucket, s3: "S3Client") -> bytes:
    return s3.get_object(Bucket=bucket.name, Key="a/b")["Body"].read()


def _expire(wire: Wire, application: Any, environ: Any, start_response: Any) -> Any:
    wire.set_faults(expire_sessions=True)
    return application(environ, start_response)
