"""What the publish protocol asks of the store, in order; `test_crashes.py` interrupts it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mobility_pipeline.errors import ConfigurationError, ManifestError
from mobility_pipeline.lake.paths import MANIFEST_NAME, city_day_prefix
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline_tests.lake.publisher import (
    Content,
    make_content,
    open_bucket,
    publish,
)
from mobility_pipeline_tests.lake.tables import DAY
from mobility_pipeline_tests.lake.watched_s3 import WatchedS3, serve_watched

OLD = make_content(["a"], ["b", "c"])
NEW = make_content(["a"], ["d"], ["e", "f"], job_id="job-2")
LIST = ("GET", "?")
GET_MANIFEST = ("GET", MANIFEST_NAME)
PUT_MANIFEST = ("PUT", MANIFEST_NAME)


class Store:
    """A lake whose requests are noted."""

    def __init__(self, s3: WatchedS3) -> None:
        self._s3 = s3
        self._bucket = open_bucket(s3.url)
        self.lake = Lake(self._bucket)

    def publish(self, content: Content, files: Path | None = None) -> bool:
        """Publish; `requests` are its requests from then on."""
        self._s3.requests.clear()
        return publish(self._bucket, content, files)

    @property
    def requests(self) -> list[tuple[str, str]]:
        """Method and name of each request since the last publish began."""
        return [*self._s3.requests]

    def put(self, name: str, data: bytes) -> None:
        """Store an object of the city-day as it is."""
        self._s3.objects[city_day_prefix(DAY) + name] = data

    def remove(self, name: str) -> None:
        """Remove an object of the city-day."""
        del self._s3.objects[city_day_prefix(DAY) + name]


@pytest.fixture
def store() -> Iterator[Store]:
    """Give an empty lake."""
    with serve_watched() as s3:
        yield Store(s3)


def part(content: Content, number: int) -> str:
    """Return the name of a part."""
    return content.manifest.files[number].name


def put_parts(content: Content) -> list[tuple[str, str]]:
    """Return the requests that store every part."""
    return [("PUT", name) for name in content.payloads]


def test_fresh_day_costs_a_listing_and_a_put_per_object(store: Store) -> None:
    """Nothing is read; the manifest comes last."""
    assert store.publish(NEW)
    assert store.requests == [LIST, *put_parts(NEW), PUT_MANIFEST]


def test_same_day_again_costs_two_reads(store: Store) -> None:
    """Publishing what stands already writes nothing."""
    store.publish(NEW)
    assert not store.publish(NEW)
    assert store.requests == [LIST, GET_MANIFEST]


def test_same_rows_of_a_newer_job_are_a_manifest(store: Store) -> None:
    """Parts stay as they are; the manifest names the newer job."""
    store.publish(OLD)
    assert not store.publish(make_content(["a"], ["b", "c"], job_id="job-2"))
    assert store.requests == [LIST, GET_MANIFEST, PUT_MANIFEST]


def test_changed_day_keeps_equal_parts(store: Store) -> None:
    """New parts, then the manifest, then the parts it does not name any more."""
    store.publish(OLD)
    assert store.publish(NEW)
    assert store.requests == [
        LIST,
        GET_MANIFEST,
        *put_parts(NEW)[1:],
        PUT_MANIFEST,
        ("DELETE", part(OLD, 1)),
    ]


def test_parts_are_streamed_from_files(store: Store, tmp_path: Path) -> None:
    """A part in a file becomes the same object as one in memory."""
    store.publish(NEW, files=tmp_path)
    assert store.lake.read(DAY) == NEW.table
    store.publish(NEW)
    assert store.requests == [LIST, GET_MANIFEST]


def test_only_parts_are_cleaned_up(store: Store) -> None:
    """What does not end in `.parquet` is nobody's row."""
    for name in ("note.txt", "x.parquet.tmp", "y.parquet"):
        store.put(name, b"x")
    store.publish(NEW)
    assert [name for method, name in store.requests if method == "DELETE"] == [
        "y.parquet"
    ]


def test_part_of_another_size_is_put_again(store: Store) -> None:
    """Also where the manifest names it."""
    store.publish(NEW)
    store.put(part(NEW, 1), b"cut off")
    assert not store.publish(NEW)
    assert store.requests == [LIST, GET_MANIFEST, ("PUT", part(NEW, 1))]
    assert store.lake.read(DAY) == NEW.table


@pytest.mark.parametrize("old", [None, OLD], ids=["fresh", "changed"])
def test_part_no_manifest_vouches_for_is_put_again(
    store: Store, old: Content | None
) -> None:
    """A crash on a store with torn PUTs may leave the right size with the wrong bytes."""
    if old is not None:
        store.publish(old)
    store.put(part(NEW, 1), bytes(len(NEW.payloads[part(NEW, 1)])))
    store.publish(NEW)
    assert ("PUT", part(NEW, 1)) in store.requests
    assert store.lake.read(DAY) == NEW.table


def test_part_of_the_same_name_and_another_sha256_is_put_again(store: Store) -> None:
    """Names hold 8 digits of the sha256; the manifest holds all, and decides."""
    name = part(NEW, 0)
    data = bytes(len(NEW.payloads[name]))
    file = NEW.manifest.files[0].model_copy(update={"sha256": "0" * 64})
    files = (file, *NEW.manifest.files[1:])
    clash = Content(
        NEW.manifest.model_copy(update={"files": files}), {**NEW.payloads, name: data}
    )
    store.publish(clash)
    assert store.publish(NEW)
    assert store.requests == [LIST, GET_MANIFEST, ("PUT", name), PUT_MANIFEST]
    assert store.lake.read(DAY) == NEW.table


def test_bytes_that_go_bad_later_are_refused(store: Store) -> None:
    """A listing cannot tell; a reader can, and deleting the part lets a publish repair."""
    store.publish(NEW)
    store.put(part(NEW, 0), bytes(len(NEW.payloads[part(NEW, 0)])))
    assert not store.publish(NEW)
    with pytest.raises(ManifestError, match="delete it and request the day again"):
        store.lake.read(DAY)
    store.remove(part(NEW, 0))
    store.publish(NEW)
    assert store.lake.read(DAY) == NEW.table


@pytest.mark.parametrize("data", [b"{", b"", b"[1]"])
def test_unreadable_manifest_vouches_for_nothing(store: Store, data: bytes) -> None:
    """Everything is put again."""
    store.publish(NEW)
    store.put(MANIFEST_NAME, data)
    assert store.publish(NEW)
    assert store.requests == [LIST, GET_MANIFEST, *put_parts(NEW), PUT_MANIFEST]


def test_another_feeds_day_is_refused_before_any_write(store: Store) -> None:
    """Two feeds in one bucket are a configuration error."""
    store.publish(OLD)
    other = NEW.manifest.model_copy(update={"feed": "pings_basic"})
    with pytest.raises(ConfigurationError, match="pings_full, not pings_basic"):
        store.publish(Content(other, NEW.payloads))
    assert store.requests == [LIST, GET_MANIFEST]


def test_parts_a_lost_lock_let_go_are_put_again(store: Store) -> None:
    """Two jobs at once may tear a day: readers refuse it, the next publish repairs it."""
    store.publish(OLD)
    for name in OLD.payloads:
        store.remove(name)
    store.put(part(NEW, 2), NEW.payloads[part(NEW, 2)])
    with pytest.raises(ManifestError, match="lacks parts"):
        store.lake.read(DAY)
    assert not store.publish(OLD)
    assert store.requests == [
        LIST,
        GET_MANIFEST,
        *put_parts(OLD),
        ("DELETE", part(NEW, 2)),
    ]
    assert store.lake.read(DAY) == OLD.table


def test_finished_publish_is_told_from_an_interrupted_one(store: Store) -> None:
    """Complete is a readable manifest beside exactly its parts; it costs two reads."""
    assert store.lake.find_complete(DAY) is None
    store.publish(NEW)
    start = len(store.requests)
    assert store.lake.find_complete(DAY) == NEW.manifest
    assert store.requests[start:] == [LIST, GET_MANIFEST]
    store.put("note.txt", b"not a part")
    assert store.lake.find_complete(DAY) == NEW.manifest
    store.put(part(OLD, 1), OLD.payloads[part(OLD, 1)])
    assert store.lake.find_complete(DAY) is None
    store.publish(NEW)
    store.put(part(NEW, 1), b"cut off")
    assert store.lake.find_complete(DAY) is None
    store.publish(NEW)
    store.put(MANIFEST_NAME, b"{")
    assert store.lake.find_complete(DAY) is None
