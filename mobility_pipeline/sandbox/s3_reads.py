"""Plain reads, answered from moto's memory.

moto itself takes 5 ms for a GET, and sorts the whole bucket for each page of a listing.
Whatever is not plain (ranges, conditions, versions, policies, what is missing, …) is left
to moto, whose answers are the measure: `test_s3_reads.py` compares the two.
"""

import threading
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote
from xml.sax.saxutils import escape

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeBucket, FakeKey, S3Backend, s3_backends

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_PLAIN_HEADERS = frozenset(
    f"HTTP_{name}"
    for name in (
        "ACCEPT",
        "ACCEPT_ENCODING",
        "AMZ_SDK_INVOCATION_ID",
        "AMZ_SDK_REQUEST",
        "AUTHORIZATION",
        "CONNECTION",
        "HOST",
        "USER_AGENT",
        "X_AMZ_CONTENT_SHA256",
        "X_AMZ_DATE",
        "X_AMZ_SECURITY_TOKEN",
    )
)
_LIST_PARAMETERS = frozenset(
    {
        "continuation-token",
        "delimiter",
        "encoding-type",
        "list-type",
        "max-keys",
        "prefix",
        "start-after",
    }
)
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True)
class Answer:
    """What is sent, always with status 200."""

    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class _Index:
    writes: int
    names: Sequence[str]
    """Of every object, sorted."""


class PlainReads:
    """Answers to GET, HEAD and ListObjectsV2; thread-safe.

    It must be told of every write, since the sorted names of a bucket are kept between.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._writes: Counter[str] = Counter()
        self._indexes: dict[str, _Index] = {}

    def note_write(self, bucket: str) -> None:
        """Note that a request which may have changed a bucket has been answered."""
        with self._lock:
            self._writes[bucket] += 1

    def answer(
        self, environ: "WSGIEnvironment", bucket_name: str, path_key: str
    ) -> Answer | None:
        """Return what moto would answer; null where that is moto's to say.

        Args:
            environ: of the request.
            bucket_name: first part of its path.
            path_key: the rest, as WSGI has it: each byte one character.
        """
        backend: S3Backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        bucket = backend.buckets.get(bucket_name)
        if bucket is None or not (_is_plain(environ) and _is_simple(bucket)):
            return None
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        method = environ["REQUEST_METHOD"]
        if path_key:
            return None if query else _read_object(bucket, path_key, method)
        if method == "GET" and query.get("list-type") == ["2"]:
            return self._list(backend, bucket, query)
        return None

    def _list(
        self, backend: S3Backend, bucket: FakeBucket, query: dict[str, list[str]]
    ) -> Answer | None:
        one = {name: values[0] for name, values in query.items()}
        limit = one.get("start-after", "")
        if token := one.get("continuation-token"):
            limit = backend._pagination_tokens.get(token)  # moto's own
        max_keys = one.get("max-keys", "1000")
        is_plain = one.keys() <= _LIST_PARAMETERS and max_keys.isdecimal()
        if not is_plain or limit is None or one.get("continuation-token") == "":
            return None
        names = self._sorted_names(bucket)
        found: list[FakeKey | str] = []
        for name, is_folder in _walk(
            names, one.get("prefix", ""), one.get("delimiter", ""), limit
        ):
            # A key that is gone by now is written about, and so not in the next index.
            item = name if is_folder else bucket.keys.get(name)
            if item is not None:
                found.append(item)
            if len(found) > int(max_keys):
                break
        page, _, next_token = backend._truncate_result(found, int(max_keys))
        body = _write_page(bucket.name, one, page, next_token).encode()
        length = str(len(body))
        headers = [("Content-Type", "application/xml"), ("Content-Length", length)]
        return Answer(headers, body)

    def _sorted_names(self, bucket: FakeBucket) -> Sequence[str]:
        with self._lock:
            writes, index = self._writes[bucket.name], self._indexes.get(bucket.name)
        if index is None or index.writes != writes:
            # Of the writes before it was begun: one that ends meanwhile counts as newer.
            index = _Index(writes, sorted([*bucket.keys]))
            with self._lock:
                self._indexes[bucket.name] = index
        return index.names


def _is_plain(environ: "WSGIEnvironment") -> bool:
    """Whether a request is signed, and has no header that changes the answer."""
    names = {name for name in environ if name.startswith("HTTP_")}
    return "HTTP_AUTHORIZATION" in names and names <= _PLAIN_HEADERS


def _is_simple(bucket: FakeBucket) -> bool:
    """Whether a bucket has nothing that changes how it is read."""
    return not (bucket.versioning_status or bucket.policy or bucket.logging)


def _read_object(bucket: FakeBucket, path_key: str, method: str) -> Answer | None:
    try:
        key = bucket.keys.get(path_key.encode("latin-1").decode())
    except UnicodeDecodeError:
        return None
    if not isinstance(key, FakeKey) or key.storage_class != "STANDARD":
        return None
    headers = {**key.response_dict, **key.metadata, "Accept-Ranges": "bytes"}
    body = b"" if method == "HEAD" else key.value
    return Answer([(name, str(value)) for name, value in headers.items()], body)


def _walk(
    names: Sequence[str], prefix: str, delimiter: str, limit: str
) -> Iterator[tuple[str, bool]]:
    """Yield what stands behind `limit`: names, and each folder once; and if it is one."""
    first = max(bisect_left(names, prefix), bisect_right(names, limit))
    folder = ""
    for name in islice(names, first, None):
        if not name.startswith(prefix):
            return
        if folder and name.startswith(folder):
            continue
        head, found, _ = name[len(prefix) :].partition(delimiter or "\0")
        folder = prefix + head + found if delimiter and found else ""
        if not folder:
            yield name, False
        elif folder > limit:
            yield folder, True


def _write_page(
    bucket: str,
    query: dict[str, str],
    page: Sequence[FakeKey | str],
    next_token: str | None,
) -> str:
    is_url = query.get("encoding-type") == "url"

    def encode(name: str) -> str:
        return escape(quote(name) if is_url else name)

    folders = [item for item in page if isinstance(item, str)]
    contents = "".join(
        f"<Contents><Key>{encode(key.name)}</Key>"
        f"<LastModified>{key.last_modified_ISO8601}</LastModified>"
        f"<ETag>{escape(key.etag)}</ETag>{_write_checksum(key)}<Size>{key.size}</Size>"
        f"<StorageClass>{key.storage_class}</StorageClass></Contents>"
        for key in page
        if isinstance(key, FakeKey)
    )
    common = "".join(
        f"<CommonPrefixes><Prefix>{encode(folder)}</Prefix></CommonPrefixes>"
        for folder in folders
    )
    said = {
        "IsTruncated": str(next_token is not None).lower(),
        "Name": bucket,
        "Prefix": encode(query.get("prefix", "")),
        "Delimiter": escape(query.get("delimiter", "")),
        "MaxKeys": query.get("max-keys", "1000"),
        "EncodingType": query.get("encoding-type", ""),
        "KeyCount": str(len(page)),
        "NextContinuationToken": next_token or "",
    }
    if "continuation-token" not in query:
        said["StartAfter"] = escape(query.get("start-after", ""))
    fields = "".join(
        f"<{name}>{text}</{name}>"
        for name, text in said.items()
        if text or name == "Prefix"
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<ListBucketResult xmlns="{_NAMESPACE}">{contents}{fields}{common}'
        "</ListBucketResult>"
    )


def _write_checksum(key: FakeKey) -> str:
    kind = key.checksum_algorithm
    return f"<ChecksumAlgorithm>{kind}</ChecksumAlgorithm>" if kind else ""
