from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    ConfigurationError,
    ConservationError,
    ManifestError,
    StorageError,
    StorageForbiddenError,
    UsageError,
)
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake, publish_city
from mobility_pipeline.landing.shuffle import HeldBucket
from mobility_pipeline.landing.split import SplitDate
from mobility_pipeline.landing.storage import Bucket, OpenBucket
from mobility_pipeline.vendor.records import JobState, VendorJob
from mobility_pipeline_tests.lake.tables import (
    DAY,
    FEED,
    SCHEMA,
    SOURCE,
    make_pings,
)
from mobility_pipeline_tests.landing.deliveries import splitting_tables
from mobility_pipeline_tests.landing.store import AREAS, CITIES, MARS, MOON
from mobility_pipeline_tests.landing.wire import Fault, Wire, drop, refuse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "data/space/moon/date=2024-05-01/"
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
OLD = make_pings("a", "b")
NEW = make_pings("a", "b", "c")
READS = ("GET", "HEAD")


@pytest.fixture
def lake(bucket: Bucket) -> Lake:
    """Give an empty lake."""
    return Lake(bucket)


def _objects(s3: "S3Client", bucket: Bucket) -> dict[str, tuple[str, datetime]]:
    found = s3.list_objects_v2(Bucket=bucket.name).get("Contents", [])
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in found}


def _writes(wire: Wire) -> list[str]:
    return [method for method, _ in wire.requests if method not in READS]


def test_a_published_day_is_read_back(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Rows come back as they went in; the manifest measures them."""
    published = lake.publish(
        FEED, DAY, [OLD], SOURCE, cast_failures=2, rejected={"x": 1}
    )
    manifest = published.manifest
    assert lake.read(DAY) == OLD
    assert lake.read_manifest(DAY) == manifest
    assert (manifest.state, manifest.rows, manifest.devices) == ("delivered", 2, 2)
    assert manifest.first_ping_at == NOON
    assert manifest.last_ping_at == NOON.replace(minute=1)
    assert (manifest.cast_failures, manifest.rejected) == (2, {"x": 1})
    assert published.changed
    assert published.uri == lake.uri(DAY) == f"s3://{bucket.name}/{PREFIX}"
    stored = _objects(s3, bucket)
    assert set(stored) == {
        PREFIX + "_manifest.json",
        PREFIX + manifest.files[0].name,
    }


def test_readers_that_glob_find_the_rows(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Existing readers take every `*.parquet` of a date: that is exactly the day."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    lake.publish(FEED, DAY, [NEW], SOURCE)
    assert _glob(s3, bucket).num_rows == 3


def test_an_empty_day_is_a_manifest_alone(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Known to be empty is not missing, and has all columns."""
    published = lake.publish(FEED, DAY, [], SOURCE)
    assert published.manifest.state == "empty"
    assert published.manifest.first_ping_at is None
    assert published.changed
    assert set(_objects(s3, bucket)) == {PREFIX + "_manifest.json"}
    assert lake.read(DAY) == SCHEMA.empty_table()


def test_a_day_that_became_empty_loses_its_parts(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """A restated day without rows leaves nothing of the old one."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    assert lake.publish(FEED, DAY, [], SOURCE).changed
    assert set(_objects(s3, bucket)) == {PREFIX + "_manifest.json"}


def test_publishing_twice_changes_no_object(
    lake: Lake, s3: "S3Client", bucket: Bucket, wire: Wire
) -> None:
    """The same day again writes nothing: same ETags, same times, no PUT."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    before = _objects(s3, bucket)
    wire.requests.clear()
    assert not lake.publish(FEED, DAY, [OLD], SOURCE).changed
    assert _objects(s3, bucket) == before
    assert _writes(wire) == []


def test_a_refresh_with_the_same_rows_names_the_newer_job(
    lake: Lake, wire: Wire
) -> None:
    """Unchanged parts stay; only the manifest is written, with the newer source."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    wire.requests.clear()
    newer = SOURCE.model_copy(update={"job_id": "job-2"})
    assert not lake.publish(FEED, DAY, [OLD], newer).changed
    assert _writes(wire) == ["PUT"]
    manifest = lake.read_manifest(DAY)
    assert manifest is not None
    assert manifest.source.job_id == "job-2"


def test_a_city_day_beyond_the_limit_is_several_parts(lake: Lake) -> None:
    """All parts are in the manifest, and read back in order."""
    table = make_pings(*(f"device-{number:05d}" for number in range(500)))
    chunks = [table[start : start + 100] for start in range(0, 500, 100)]
    published = lake.publish(FEED, DAY, chunks, SOURCE, max_part_bytes=9_000)
    assert len(published.manifest.files) > 1
    assert lake.read(DAY) == table
    assert lake.publish(FEED, DAY, [table], SOURCE).changed
    assert lake.read(DAY) == table


def test_strays_of_earlier_crashes_go_and_other_objects_stay(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Parquet files the manifest does not name would double rows; notes would not."""
    for name in ("part-00009-dead.snappy.parquet", "note.txt", "sub/x.parquet"):
        s3.put_object(Bucket=bucket.name, Key=PREFIX + name, Body=b"x")
    published = lake.publish(FEED, DAY, [OLD], SOURCE)
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
        lake.publish(FEED, city_day, [OLD], SOURCE)
    lake.publish(FEED, DAY, [NEW], SOURCE)
    assert lake.read(near) == lake.read(below) == OLD


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (refuse("500 No", "<Code>InternalError</Code>"), StorageError),
        (drop, StorageError),
        (refuse("403 No", "<Code>AccessDenied</Code>"), StorageForbiddenError),
    ],
)
@pytest.mark.parametrize("requests_done", range(3))
def test_storage_failures_name_the_city_day(
    lake: Lake,
    wire: Wire,
    fault: Fault,
    kind: type[Exception],
    requests_done: int,
) -> None:
    """Listing, part or manifest: city and date are named, and whether to ask again."""
    wire.hit([None] * requests_done + [fault] * 10)
    with pytest.raises(kind, match=r"(listing|writing) .*space/moon 2024-05-01"):
        lake.publish(FEED, DAY, [OLD], SOURCE)


def test_a_bucket_that_is_not_there_is_permanent(open_bucket: OpenBucket) -> None:
    """The message names the bucket, the city and the date."""
    with pytest.raises(StorageForbiddenError, match=r"space/moon .* s3://no-such-lake"):
        Lake(open_bucket("no-such-lake")).publish(FEED, DAY, [OLD], SOURCE)


def test_access_is_found_out_before_it_is_needed(
    lake: Lake, wire: Wire, open_bucket: OpenBucket
) -> None:
    """One listing says whether the bucket is there; what it holds does not matter."""
    lake.require_access()
    assert [method for method, _ in wire.requests] == ["GET"]
    with pytest.raises(StorageForbiddenError, match="no-such-lake"):
        Lake(open_bucket("no-such-lake")).require_access()


def test_an_unreadable_manifest_is_replaced(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Reading a broken manifest is an error; publishing the day again repairs it."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    s3.put_object(Bucket=bucket.name, Key=PREFIX + "_manifest.json", Body=b"{")
    with pytest.raises(ManifestError, match="--refresh"):
        lake.read_manifest(DAY)
    lake.publish(FEED, DAY, [OLD], SOURCE)
    assert lake.read(DAY) == OLD


def test_another_feeds_day_is_never_overwritten(lake: Lake) -> None:
    """Two feeds in one bucket are a configuration error, found before anything changes."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    with pytest.raises(ConfigurationError, match="pings_full, not pings_basic"):
        lake.publish("pings_basic", DAY, [NEW], SOURCE)
    assert lake.read(DAY) == OLD


def test_a_part_with_other_bytes_is_an_error(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """A reader checks each part against the manifest."""
    name = lake.publish(FEED, DAY, [OLD], SOURCE).manifest.files[0].name
    s3.put_object(Bucket=bucket.name, Key=PREFIX + name, Body=b"x")
    with pytest.raises(ManifestError, match=r"space/moon 2024-05-01.*--refresh"):
        lake.read(DAY)
    lake.publish(FEED, DAY, [OLD], SOURCE)
    assert lake.read(DAY) == OLD


def test_a_part_that_is_gone_is_an_error(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Half a day is never returned."""
    name = lake.publish(FEED, DAY, [OLD], SOURCE).manifest.files[0].name
    s3.delete_object(Bucket=bucket.name, Key=PREFIX + name)
    with pytest.raises(ManifestError, match="lacks parts"):
        lake.read(DAY)


def test_a_reader_that_meets_a_publish_sees_the_new_day(lake: Lake, wire: Wire) -> None:
    """A part replaced between manifest and part makes the reader start over."""
    lake.publish(FEED, DAY, [OLD], SOURCE)

    def publish_first(application: Any, environ: Any, start: Any) -> Iterable[bytes]:
        lake.publish(FEED, DAY, [NEW], SOURCE)
        return application(environ, start)

    wire.hit([None, publish_first])
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


@pytest.fixture
def split() -> Iterator[SplitDate]:
    """Split two pings of the moon, each with a bad cell, and three of nobody's."""
    moon, nobody = [MOON.area_id], []
    pings = pa.table(
        {
            "ad_id": ["a", "b", "c", "d", "e"],
            "utc_timestamp": pa.array([NOON] * 5, pa.timestamp("us", "UTC")),
            "latitude": ["north"] * 5,
            "poi_ids": pa.array([moon, moon] + [nobody] * 3, pa.list_(pa.string())),
        }
    )
    with splitting_tables(pings) as result:
        yield result


def _publish_cities(
    lake: Lake, split: SplitDate, job: VendorJob, *cities: str
) -> list[Manifest]:
    return [
        publish_city(lake, split, city, chunks, job).manifest
        for group in split.groups
        for city, chunks in split.read(group)
        if city in cities
    ]


def test_a_split_date_is_published_city_by_city(lake: Lake, split: SplitDate) -> None:
    """Each city stands on its own, with its own area as source."""
    (first,) = _publish_cities(lake, split, _job("job-1"), MARS.city)
    assert (first.city, first.state) == (MARS.city, "empty")
    assert lake.read_manifest(DAY) is None
    (manifest,) = _publish_cities(lake, split, _job("job-1"), MOON.city)
    assert manifest == lake.read_manifest(DAY)
    assert manifest.source.model_dump() == {
        "job_id": "job-1",
        "request_sha256": "d" * 64,
        "area_id": MOON.area_id,
        "boundary_sha256": MOON.boundary_sha256,
    }
    assert (manifest.rows, manifest.devices) == (2, 2)
    assert (manifest.cast_failures, manifest.rejected) == (2, {"no_area": 3})
    assert lake.read(DAY)["ad_id"].to_pylist() == ["a", "b"]


def test_a_job_that_was_never_sent_delivers_nothing(
    lake: Lake, split: SplitDate
) -> None:
    """A city-day always names the vendor job it came from."""
    with pytest.raises(UsageError, match="unsent vendor job 1"):
        _publish_cities(lake, split, _job(None), MOON.city)


def test_a_city_the_job_did_not_ask_for_is_refused(
    lake: Lake, split: SplitDate
) -> None:
    """A city-day always names the area it was bought for."""
    job = replace(_job("job-1"), areas=(MARS,))
    with pytest.raises(UsageError, match=MOON.city):
        _publish_cities(lake, split, job, MOON.city)


def test_rows_lost_on_the_way_leave_the_city_day_as_it_is(
    lake: Lake, split: SplitDate
) -> None:
    """What the chunks raise at their end comes before anything is written."""
    lake.publish(FEED, DAY, [OLD], SOURCE)
    (bucket,) = split.groups[0].rows.buckets
    assert isinstance(bucket, HeldBucket)
    (window,) = bucket._windows
    bucket._windows = [replace(window, rows=window.rows[:1], cities=window.cities[:1])]
    with pytest.raises(ConservationError, match="space/moon 2024-05-01: 2 rows"):
        _publish_cities(lake, split, _job("job-2"), *CITIES)
    assert lake.read(DAY) == OLD
    assert lake.find_complete(DAY) is not None
    first = lake.read_manifest(CityDay(MARS.city, DAY.date))
    assert first is not None
    assert first.source.job_id == "job-2"


def test_large_parts_wait_in_the_lakes_folder(bucket: Bucket, tmp_path: Path) -> None:
    """What does not fit into memory waits in a file without a name."""
    folder = tmp_path / "landing"
    lake = Lake(bucket, folder)
    table = make_pings(*(f"{number:036d}" * 40 for number in range(6_000)))
    lake.publish(FEED, DAY, [table], SOURCE)
    assert [*folder.iterdir()] == []
    assert lake.read(DAY) == table


def _glob(s3: "S3Client", bucket: Bucket) -> pa.Table:
    return pa.concat_tables(_read_parts(s3, bucket))


def _read_parts(s3: "S3Client", bucket: Bucket) -> Iterator[pa.Table]:
    for key in sorted(_objects(s3, bucket)):
        if key.startswith(PREFIX) and key.endswith(".parquet"):
            data = s3.get_object(Bucket=bucket.name, Key=key)["Body"].read()
            yield pq.read_table(pa.BufferReader(data))


def test_manifest_bytes_hold_no_clock(
    lake: Lake, s3: "S3Client", bucket: Bucket, open_bucket: OpenBucket
) -> None:
    """The same day published into two lakes gives the same objects."""
    other = open_bucket(f"{bucket.name}-other")
    s3.create_bucket(Bucket=other.name)
    lake.publish(FEED, DAY, [OLD], SOURCE)
    Lake(other).publish(FEED, DAY, [OLD], SOURCE)
    first = {key: etag for key, (etag, _) in _objects(s3, bucket).items()}
    assert first == {key: etag for key, (etag, _) in _objects(s3, other).items()}
    assert isinstance(lake.read_manifest(DAY), Manifest)
