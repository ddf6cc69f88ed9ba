"""The objects of one bucket; what S3 answers when it fails, as our errors."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO, TYPE_CHECKING, TypeVar

import obstore

from mobility_pipeline.s3 import S3_ERRORS, read_failure

if TYPE_CHECKING:
    from obstore import Bytes, ObjectMeta
    from obstore.store import S3Store

T = TypeVar("T")
Content = bytes | IO[bytes]
"""What is stored: bytes, or a file, which is streamed from its start to its end."""

_ATTEMPTS = 4
"""Of one operation whose answer broke off or whose credentials expired; each request is
retried by obstore besides."""
_PAGE = 1000
"""Objects in one answer of S3, and so in one chunk of a listing."""
_CHUNK_BYTES = 8 * 2**20
"""What is larger goes as a multipart upload in pieces of this size …"""
_CHUNKS_AT_ONCE = 2
"""… of which this many are in memory."""


class Bucket:
    """The objects of one bucket; safe to use from several threads.

    Keys are plain: not starting or ending with a slash. `doing` is what is being done,
    for which city and date; it starts every error's message.

    Every method raises:
        StorageForbiddenError: no such bucket, no credentials, or not allowed.
        StorageError: anything else that S3 or the way to it failed with.
        ConfigurationError: an object has a name that can't be addressed, such as `a//b`.
    """

    def __init__(
        self, name: str, connect: "Callable[[S3Store | None], S3Store]"
    ) -> None:
        """Address a bucket; nothing is asked yet.

        Args:
            name: the bucket's.
            connect: gives a store with credentials that are good now. It is told the
                store whose credentials S3 has just called expired, or None.
        """
        self.name = name
        self._connect = connect

    def list_files(self, folder: str, doing: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of each object below a folder, page by page.

        A folder made by hand is an object whose key ends with a slash: obstore cuts the
        slash off.
        """
        start = _with_slash(folder)
        listing = _Listing(folder)
        while page := self._call(listing.read_page, doing):
            for found in page:
                if found["path"].startswith(start):
                    yield found["path"], found["size"]

    def list_folder(self, folder: str, doing: str) -> dict[str, int]:
        """Return the bytes of each object directly in a folder, by name."""
        found = self._call(partial(_list_folder, folder), doing)
        start = _with_slash(folder)
        return {
            item["path"].removeprefix(start): item["size"]
            for item in found
            if item["path"].startswith(start)  # not the folder itself
        }

    def get(self, key: str, doing: str) -> "Bytes | None":
        """Return an object's bytes, or None where there is none."""
        return self._call(partial(_get, key), doing)

    def download(self, key: str, file: IO[bytes], doing: str) -> bool:
        """Make a file's content an object of any size; False where there is none."""
        return self._call(partial(_download, key, file), doing)

    def put(self, key: str, data: Content, content_type: str, doing: str) -> None:
        """Store bytes or a file of any size; S3 shows all of it or none."""
        self._call(partial(_put, key, data, content_type), doing)

    def delete(self, key: str, doing: str) -> None:
        """Delete an object; none there is fine."""
        self._call(partial(_delete, key), doing)

    def _call(self, do: "Callable[[S3Store], T]", doing: str) -> T:
        expired = None
        for attempts_left in reversed(range(_ATTEMPTS)):
            store = self._connect(expired)
            try:
                return do(store)
            except S3_ERRORS as error:
                failure = read_failure(error)
                if not (attempts_left and failure.is_repeatable):
                    raise failure.to_error(doing) from error
                expired = store if failure.is_expired else None
        raise AssertionError  # the last attempt returned or raised


OpenBucket = Callable[[str], Bucket]
"""From a bucket's name to the bucket; cheap, and can be sent to another process."""


class _Listing:
    """A listing that goes on where it broke off, with the credentials there are then."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._last: str | None = None
        self._store: S3Store | None = None
        self._pages: Iterator[Sequence[ObjectMeta]] = iter(())

    def read_page(self, store: "S3Store") -> "Sequence[ObjectMeta]":
        """Return the next page; empty at the end."""
        if store is not self._store:
            self._store, self._pages = store, self._start(store)
        try:
            page = next(self._pages, ())
        except S3_ERRORS:
            self._store = None  # start again behind the last page
            raise
        if page:
            self._last = page[-1]["path"]
        return page

    def _start(self, store: "S3Store") -> "Iterator[Sequence[ObjectMeta]]":
        return obstore.list(  # pyright: ignore[reportUnknownMemberType]  # Arrow's part
            store, self._folder, offset=self._last, chunk_size=_PAGE
        )


def _with_slash(folder: str) -> str:
    return folder.strip("/") + "/"


def _list_folder(folder: str, store: "S3Store") -> "Sequence[ObjectMeta]":
    return obstore.list_with_delimiter(store, folder)["objects"]  # pyright: ignore[reportUnknownMemberType]  # Arrow's part


def _get(key: str, store: "S3Store") -> "Bytes | None":
    try:
        return obstore.get(store, key).bytes()
    except FileNotFoundError as error:
        if read_failure(error).is_forbidden:
            raise
        return None


def _download(key: str, file: IO[bytes], store: "S3Store") -> bool:
    file.seek(0)
    try:
        for chunk in obstore.get(store, key).stream(min_chunk_size=_CHUNK_BYTES):
            file.write(chunk)
        file.truncate()  # what was there before, or what a broken attempt left
    except FileNotFoundError as error:
        if read_failure(error).is_forbidden:
            raise
        return False
    return True


def _put(key: str, data: Content, content_type: str, store: "S3Store") -> None:
    if not isinstance(data, bytes):
        data.seek(0)  # an attempt before this one may have read it
    obstore.put(
        store,
        key,
        data,
        attributes={"Content-Type": content_type},
        chunk_size=_CHUNK_BYTES,
        max_concurrency=_CHUNKS_AT_ONCE,
    )


def _delete(key: str, store: "S3Store") -> None:
    try:
        obstore.delete(store, key)
    except FileNotFoundError as error:
        if read_failure(error).is_forbidden:
            raise
