import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    ConfigurationError,
    ManifestError,
    StorageError,
    StorageForbiddenError,
    UsageError,
)
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake, publish_city
from mobility_pipeline.landing.split import SplitDate
from mobility_pipeline.vendor.records import JobState, VendorJob
from mobility_pipeline_tests.lake.tables import (
    DAY,
    FEED,
    SCHEMA,
    SOURCE,
    make_pings,
)
from mobility_pipeline_tests.landing.store import AREAS, MARS, MOON

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "data/space/moon/date=2024-05-01/"
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
OLD = make_pings("a", "b")
NEW = make_pings("a", "b", "c")
WRITES = ("PutObject", "DeleteObject")


class CrashError(RuntimeError):
    """The process died."""


@pytest.fixture
def lake(s3: "S3Client", bucket: str) -> Lake:
    """Give an empty lake."""
    return Lake(s3, bucket)


def _objects(s3: "S3Client", bucket: str) -> dict[str, tuple[str, datetime]]:
    found = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in found}


def _count_writes(s3: "S3Client") -> Counter[str]:
    counts: Counter[str] = Counter()

    def count(model: Any, **_: object) -> None:
        counts[model.name] += 1

    for name in WRITES:
        s3.meta.events.register(f"before-call.s3.{name}", count)
    return counts


def _fail_from(s3: "S3Client", number: int, error: Exception) -> None:
    """Let the number-th write from now, and all after it, fail before they are sent."""
    writes = iter(range(1_000))

    def fail(**_: object) -> None:
        if next(writes) >= number:
            raise error

    for name in WRITES:
        s3.meta.events.register(
            f"before-call.s3.{name}", fail, unique_id=f"fail-{name}"
        )


def _heal(s3: "S3Client") -> None:
    for name in WRITES:
        s3.meta.events.unregister(f"before-call.s3.{name}", unique_id=f"fail-{name}")


def test_a_published_day_is_read_back(lake: Lake, s3: "S3Client", bucket: str) -> None:
    """Rows come back as they went in; the manifest measures them."""
    published = lake.publish(FEED, DAY, OLD, SOURCE, cast_failures=2, rejected={"x": 1})
    manifest = published.manifest
    assert lake.read(DAY) == OLD
    assert lake.read_manifest(DAY) == manifest
    assert (manifest.state, manifest.rows, manifest.devices) == ("delivered", 2, 2)
    assert manifest.first_ping_at == NOON
    assert manifest.last_ping_at == NOON.replace(minute=1)
    assert (manifest.cast_failures, manifest.rejected) == (2, {"x": 1})
    assert published.changed
    assert published.uri == lake.uri(DAY) == f"s3://{bucket}/{PREFIX}"
    stored = _objects(s3, bucket)
    assert set(stored) == {
        PREFIX + "_manifest.json",
        PREFIX + manifest.files[0].name,
    }


def test_readers_that_glob_find_the_rows(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """Existing readers take every `*.parquet` of a date: that is exactly the day."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    lake.publish(FEED, DAY, NEW, SOURCE)
    assert _glob(s3, bucket).num_rows == 3


def test_an_empty_day_is_a_manifest_alone(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """Known to be empty is not missing, and has all columns."""
    published = lake.publish(FEED, DAY, SCHEMA.empty_table(), SOURCE)
    assert published.manifest.state == "empty"
    assert published.manifest.first_ping_at is None
    assert published.changed
    assert set(_objects(s3, bucket)) == {PREFIX + "_manifest.json"}
    assert lake.read(DAY) == SCHEMA.empty_table()


def test_a_day_that_became_empty_loses_its_parts(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """A restated day without rows leaves nothing of the old one."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    assert lake.publish(FEED, DAY, SCHEMA.empty_table(), SOURCE).changed
    assert set(_objects(s3, bucket)) == {PREFIX + "_manifest.json"}


def test_publishing_twice_changes_no_object(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """The same day again writes nothing: same ETags, same times, no PUT."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    before = _objects(s3, bucket)
    writes = _count_writes(s3)
    assert not lake.publish(FEED, DAY, OLD, SOURCE).changed
    assert _objects(s3, bucket) == before
    assert not writes


def test_a_refresh_with_the_same_rows_names_the_newer_job(
    lake: Lake, s3: "S3Client"
) -> None:
    """Unchanged parts stay; only the manifest is written, with the newer source."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    writes = _count_writes(s3)
    newer = SOURCE.model_copy(update={"job_id": "job-2"})
    assert not lake.publish(FEED, DAY, OLD, newer).changed
    assert writes == {"PutObject": 1}
    manifest = lake.read_manifest(DAY)
    assert manifest is not None
    assert manifest.source.job_id == "job-2"


def test_a_city_day_beyond_the_limit_is_several_parts(lake: Lake) -> None:
    """All parts are in the manifest, and read back in order."""
    table = make_pings(*(f"device-{number:05d}" for number in range(500)))
    published = lake.publish(FEED, DAY, table, SOURCE, max_part_bytes=9_000)
    assert len(published.manifest.files) > 1
    assert lake.read(DAY) == table
    assert lake.publish(FEED, DAY, table, SOURCE).changed
    assert lake.read(DAY) == table


def test_strays_of_earlier_crashes_go_and_other_objects_stay(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """Parquet files the manifest does not name would double rows; notes would not."""
    for name in ("part-00009-dead.snappy.parquet", "note.txt", "sub/x.parquet"):
        s3.put_object(Bucket=bucket, Key=PREFIX + name, Body=b"x")
    published = lake.publish(FEED, DAY, OLD, SOURCE)
    assert {key.removeprefix(PREFIX) for key in _objects(s3, bucket)} == {
        "_manifest.json",
        "note.txt",
        "sub/x.parquet",
        published.manifest.files[0].name,
    }


def test_neighbours_are_not_touched(lake: Lake) -> None:
    """A city whose key starts with another's key keeps its days."""
    near = CityDay("space/moon_base", DAY.date)
    below = CityDay("space/moon/base", DAY.date)
    for city_day in (near, below, DAY):
        lake.publish(FEED, city_day, OLD, SOURCE)
    lake.publish(FEED, DAY, NEW, SOURCE)
    assert lake.read(near) == lake.read(below) == OLD


@pytest.mark.parametrize("writes_done", range(3))
def test_a_crash_leaves_the_old_day_or_the_new_one(
    lake: Lake, s3: "S3Client", bucket: str, writes_done: int
) -> None:
    """Part, manifest, clean-up: after a crash before any, a reader sees one whole day."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    _fail_from(s3, writes_done, CrashError())
    with pytest.raises(CrashError):
        lake.publish(FEED, DAY, NEW, SOURCE)
    assert lake.read(DAY) == (NEW if writes_done == 2 else OLD)
    _heal(s3)
    lake.publish(FEED, DAY, NEW, SOURCE)
    assert lake.read(DAY) == NEW
    assert _glob(s3, bucket) == NEW
    assert len(_objects(s3, bucket)) == 2


@pytest.mark.parametrize("writes_done", range(6))
def test_a_crash_between_many_parts_leaves_one_whole_day(
    lake: Lake, s3: "S3Client", bucket: str, writes_done: int
) -> None:
    """However many parts stand already, only the manifest makes them the day."""
    old = make_pings("a", "b", "c")
    new = make_pings("d", "e", "f")
    lake.publish(FEED, DAY, old, SOURCE, max_part_bytes=1)
    _fail_from(s3, writes_done, CrashError())
    with pytest.raises(CrashError):
        lake.publish(FEED, DAY, new, SOURCE, max_part_bytes=1)
    assert lake.read(DAY) == (new if writes_done > 3 else old)
    _heal(s3)
    writes = _count_writes(s3)
    lake.publish(FEED, DAY, new, SOURCE, max_part_bytes=1)
    assert _glob(s3, bucket) == new
    assert writes.total() == 7 - writes_done


def test_a_crash_of_the_first_publish_leaves_nothing_to_read(
    lake: Lake, s3: "S3Client"
) -> None:
    """Parts without a manifest are no city-day."""
    _fail_from(s3, 1, CrashError())
    with pytest.raises(CrashError):
        lake.publish(FEED, DAY, NEW, SOURCE)
    assert lake.read_manifest(DAY) is None
    with pytest.raises(ManifestError, match=r"space/moon 2024-05-01.*request it"):
        lake.read(DAY)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClientError({"Error": {"Code": "InternalError"}}, "PutObject"), StorageError),
        (ClientError({"Error": {"Code": "ExpiredToken"}}, "PutObject"), StorageError),
        (ConnectionClosedError(endpoint_url="http://s3"), StorageError),
        (
            ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"),
            StorageForbiddenError,
        ),
    ],
)
def test_storage_failures_name_the_city_day(
    lake: Lake, s3: "S3Client", error: Exception, kind: type[Exception]
) -> None:
    """What S3 refuses for good is permanent, the rest transient; city and date are named."""
    _fail_from(s3, 0, error)
    with pytest.raises(kind, match=r"space/moon 2024-05-01"):
        lake.publish(FEED, DAY, OLD, SOURCE)


def test_a_bucket_that_is_not_there_is_permanent(s3: "S3Client") -> None:
    """The message names the bucket, the city and the date."""
    with pytest.raises(StorageForbiddenError, match=r"space/moon .* s3://no-such-lake"):
        Lake(s3, "no-such-lake").publish(FEED, DAY, OLD, SOURCE)


def test_an_unreadable_manifest_is_replaced(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """Reading a broken manifest is an error; publishing the day again repairs it."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    s3.put_object(Bucket=bucket, Key=PREFIX + "_manifest.json", Body=b"{")
    with pytest.raises(ManifestError, match="--refresh"):
        lake.read_manifest(DAY)
    lake.publish(FEED, DAY, OLD, SOURCE)
    assert lake.read(DAY) == OLD


def test_another_feeds_day_is_never_overwritten(lake: Lake) -> None:
    """Two feeds in one bucket are a configuration error, found before anything changes."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    with pytest.raises(ConfigurationError, match="pings_full, not pings_basic"):
        lake.publish("pings_basic", DAY, NEW, SOURCE)
    assert lake.read(DAY) == OLD


def test_a_part_with_other_bytes_is_an_error(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """A reader checks each part against the manifest."""
    name = lake.publish(FEED, DAY, OLD, SOURCE).manifest.files[0].name
    s3.put_object(Bucket=bucket, Key=PREFIX + name, Body=b"x")
    with pytest.raises(ManifestError, match=r"space/moon 2024-05-01.*--refresh"):
        lake.read(DAY)
    lake.publish(FEED, DAY, OLD, SOURCE)
    assert lake.read(DAY) == OLD


def test_a_part_that_is_gone_is_an_error(
    lake: Lake, s3: "S3Client", bucket: str
) -> None:
    """Half a day is never returned."""
    name = lake.publish(FEED, DAY, OLD, SOURCE).manifest.files[0].name
    s3.delete_object(Bucket=bucket, Key=PREFIX + name)
    with pytest.raises(ManifestError, match="lacks parts"):
        lake.read(DAY)


def test_a_reader_that_meets_a_publish_sees_the_new_day(
    lake: Lake, s3: "S3Client"
) -> None:
    """A part replaced between manifest and part makes the reader start over."""
    lake.publish(FEED, DAY, OLD, SOURCE)
    publishes = iter([lambda: lake.publish(FEED, DAY, NEW, SOURCE)])

    def interfere(params: dict[str, Any], **_: object) -> None:
        if "part-" in json.dumps(params["url_path"]):
            for publish in publishes:
                publish()

    s3.meta.events.register("before-call.s3.GetObject", interfere)
    assert lake.read(DAY) == NEW


def _job(job_id: str | None) -> VendorJob:
    return VendorJob(
        ref=1,
        feed=FEED,
        endpoint="movement/job/pings",
        start=DAY.date,
        end=DAY.date,
        areas=AREAS,
        request_sha256="d" * 64,
        body={},
        job_id=job_id,
        state=JobState.SUCCESS,
        bucket="vendor",
        folder_path="output/",
        error=None,
        planned_at=NOON,
        submitting_at=NOON,
        submitted_at=NOON,
        finished_at=NOON,
    )


SPLIT = SplitDate(
    DAY.date,
    {MARS.city: SCHEMA.empty_table(), MOON.city: OLD},
    rows_in=5,
    rejected={"no_area": 3},
    cast_failures={MARS.city: 0, MOON.city: 7},
)


def test_a_split_date_is_published_city_by_city(lake: Lake) -> None:
    """Each city stands on its own, with its own area as source."""
    first = publish_city(lake, SPLIT, MARS.city, _job("job-1")).manifest
    assert (first.city, first.state) == (MARS.city, "empty")
    assert lake.read_manifest(DAY) is None
    manifest = publish_city(lake, SPLIT, MOON.city, _job("job-1")).manifest
    assert manifest == lake.read_manifest(DAY)
    assert manifest.source.model_dump() == {
        "job_id": "job-1",
        "request_sha256": "d" * 64,
        "area_id": MOON.area_id,
        "boundary_sha256": MOON.boundary_sha256,
    }
    assert (manifest.cast_failures, manifest.rejected) == (7, {"no_area": 3})


def test_a_job_that_was_never_sent_delivers_nothing(lake: Lake) -> None:
    """A city-day always names the vendor job it came from."""
    with pytest.raises(UsageError, match="unsent vendor job 1"):
        publish_city(lake, SPLIT, MOON.city, _job(None))


def test_a_city_the_job_did_not_ask_for_is_refused(lake: Lake) -> None:
    """A city-day always names the area it was bought for."""
    split = SplitDate(date(2024, 5, 1), {"x/y": OLD}, 2, {}, {"x/y": 0})
    with pytest.raises(UsageError, match="x/y"):
        publish_city(lake, split, "x/y", _job("job-1"))


def _glob(s3: "S3Client", bucket: str) -> pa.Table:
    return pa.concat_tables(_read_parts(s3, bucket))


def _read_parts(s3: "S3Client", bucket: str) -> Iterator[pa.Table]:
    for key in sorted(_objects(s3, bucket)):
        if key.startswith(PREFIX) and key.endswith(".parquet"):
            data = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
            yield pq.read_table(pa.BufferReader(data))


def test_manifest_bytes_hold_no_clock(lake: Lake, s3: "S3Client", bucket: str) -> None:
    """The same day published into two lakes gives the same objects."""
    other = f"{bucket}-other"
    s3.create_bucket(Bucket=other)
    lake.publish(FEED, DAY, OLD, SOURCE)
    Lake(s3, other).publish(FEED, DAY, OLD, SOURCE)
    first = {key: etag for key, (etag, _) in _objects(s3, bucket).items()}
    assert first == {key: etag for key, (etag, _) in _objects(s3, other).items()}
    assert isinstance(lake.read_manifest(DAY), Manifest)
