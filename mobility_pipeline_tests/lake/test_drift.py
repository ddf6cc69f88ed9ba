"""Each way in which manifests, objects and ledger can contradict each other, on real S3."""

import json

import pytest

from mobility_pipeline.errors import (
    EmptyLakeError,
    StorageError,
    StorageForbiddenError,
)
from mobility_pipeline.lake.audit import check_lake
from mobility_pipeline.lake.paths import MANIFEST_NAME
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline_tests.lake.holdings import Holdings, day_of
from mobility_pipeline_tests.lake.tables import FEED
from mobility_pipeline_tests.landing.wire import Wire, refuse

DAY = day_of("c0")
_FAILS = refuse(
    "500 Internal Server Error", "<Error><Code>InternalError</Code></Error>"
)


@pytest.fixture
def kept(holdings: Holdings) -> Holdings:
    """A lake with one city-day of one part, and one that is empty; the ledger agrees."""
    holdings.publish(DAY, "a", "b")
    holdings.publish(day_of("c1"))
    ref = holdings.request(DAY, day_of("c1"))
    results = {
        DAY: (CityDayState.DELIVERED, ""),
        day_of("c1"): (CityDayState.EMPTY, ""),
    }
    holdings.ledger.settle(ref, results, holdings.ledger.job(ref).planned_at)
    return holdings


def _part(kept: Holdings) -> str:
    return json.loads(kept.get(DAY))["files"][0]["name"]


def _edit(kept: Holdings, **fields: object) -> None:
    manifest = json.loads(kept.get(DAY)) | fields
    kept.put(DAY, MANIFEST_NAME, json.dumps(manifest).encode())


def test_a_lake_as_it_should_be_has_no_drift(kept: Holdings) -> None:
    """Neither the quick nor the deep look finds anything."""
    assert kept.drift() == []
    assert kept.drift(deep=True) == []


def test_missing_object(kept: Holdings) -> None:
    """The manifest names a part that is gone."""
    kept.delete(DAY, _part(kept))
    assert kept.drift() == [(DAY, "object_missing")]


def test_other_size(kept: Holdings) -> None:
    """A part was cut short."""
    part = _part(kept)
    kept.put(DAY, part, kept.get(DAY, part)[:-1])
    assert kept.drift() == [(DAY, "size_differs")]


def test_other_bytes_of_the_same_size_are_found_by_reading(kept: Holdings) -> None:
    """A listing shows no checksum: only `--deep` finds it."""
    part = _part(kept)
    kept.put(DAY, part, kept.get(DAY, part)[:-1] + b"?")
    assert kept.drift() == []
    assert kept.drift(deep=True) == [(DAY, "checksum_differs")]


def test_stray_parquet_beside_a_manifest(kept: Holdings) -> None:
    """A part that the manifest does not name would be read by who globs."""
    kept.put(DAY, "part-00007-deadbeef.snappy.parquet", b"x")
    assert kept.drift() == [(DAY, "stray_parquet")]


def test_stray_parquet_without_a_manifest(kept: Holdings) -> None:
    """A part in a folder where nothing was published."""
    day = day_of("c2", 3)
    kept.put(day, "part-00000-deadbeef.snappy.parquet", b"x")
    assert kept.drift() == [(day, "stray_parquet")]


def test_manifest_that_is_not_json(kept: Holdings) -> None:
    """It says nothing, and is named."""
    kept.put(DAY, MANIFEST_NAME, b"<html>")
    assert kept.drift() == [(DAY, "manifest_not_readable")]


def test_manifest_of_another_version(kept: Holdings) -> None:
    """It is not taken for one of ours."""
    _edit(kept, version=2)
    assert kept.drift() == [(DAY, "manifest_of_another_version")]


def test_manifest_of_another_city(kept: Holdings) -> None:
    """A folder that was copied by hand."""
    _edit(kept, city="country/c3")
    assert kept.drift() == [(DAY, "manifest_of_another_city_day")]


def test_manifest_of_another_feed(kept: Holdings) -> None:
    """Two feeds were written into one bucket."""
    _edit(kept, feed="pings_trips")
    assert kept.drift() == [(DAY, "manifest_of_another_feed")]


def test_manifest_without_ledger_row(kept: Holdings) -> None:
    """The ledger lost it, or never knew it."""
    kept.publish(day_of("c2"), "a")
    assert kept.drift() == [(day_of("c2"), "not_in_ledger")]


def test_ledger_row_without_manifest(kept: Holdings) -> None:
    """Somebody deleted a manifest of a day that is known to be empty."""
    kept.delete(day_of("c1"))
    assert kept.drift() == [(day_of("c1"), "not_in_lake")]


def test_manifest_with_another_state(kept: Holdings) -> None:
    """The ledger calls delivered what is empty."""
    kept.publish(DAY)
    assert kept.drift() == [(DAY, "state_differs")]


def test_object_in_no_folder_of_a_city_day(kept: Holdings) -> None:
    """A day that is none, named by its key."""
    key = "data/country/c0/date=2024-13-45/part.parquet"
    kept.s3.put_object(Bucket=kept.bucket.name, Key=key, Body=b"x")
    (drift,) = check_lake(FEED, kept.bucket, kept.ledger)
    assert (drift.city_day, drift.kind) == (None, "unplaced_object")
    assert key in drift.message


def test_all_is_named_at_once(kept: Holdings) -> None:
    """One contradiction does not hide another."""
    kept.delete(day_of("c1"))
    kept.delete(DAY, _part(kept))
    kept.put(DAY, "part-00007-deadbeef.snappy.parquet", b"x")
    assert kept.drift() == [
        (DAY, "object_missing"),
        (DAY, "stray_parquet"),
        (day_of("c1"), "not_in_lake"),
    ]


def test_empty_bucket_is_not_taken_for_everything_missing(kept: Holdings) -> None:
    """The message says that the listing was empty, and which bucket it was."""
    for item in kept.s3.list_objects_v2(Bucket=kept.bucket.name)["Contents"]:
        kept.s3.delete_object(Bucket=kept.bucket.name, Key=item["Key"])
    with pytest.raises(EmptyLakeError, match=f"{kept.bucket.name} named no object"):
        kept.drift()


def test_empty_bucket_of_a_new_user_has_no_drift(holdings: Holdings) -> None:
    """The ledger calls nothing delivered either."""
    assert holdings.drift() == []


def test_forbidden_bucket_is_an_error(kept: Holdings, open_bucket: OpenBucket) -> None:
    """A bucket that is not there is never one without drift."""
    with pytest.raises(StorageForbiddenError, match="listing the lake's bucket"):
        check_lake(FEED, open_bucket("no-such-bucket"), kept.ledger)


def test_failing_listing_is_an_error(kept: Holdings, wire: Wire) -> None:
    """S3 that fails is never an empty lake."""
    wire.hit([_FAILS] * 2)
    with pytest.raises(StorageError, match="listing the lake's bucket"):
        kept.drift()


def test_failing_manifest_is_an_error(kept: Holdings, wire: Wire) -> None:
    """A manifest that S3 does not give is never one that is not there."""
    wire.hit([None, _FAILS, _FAILS, _FAILS, _FAILS])
    with pytest.raises(StorageError, match=r"reading the manifest of country/c\d 2024"):
        kept.drift()


def test_day_published_while_it_was_listed_is_no_drift(
    kept: Holdings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks wrong is looked at twice: here the ledger learns of it in between."""
    day = day_of("c2")
    kept.publish(day, "a")
    listed = kept.bucket.list_folder

    def settle_first(folder: str, doing: str) -> dict[str, int]:
        kept.settle(CityDayState.DELIVERED, day, job_id="job-2")
        return listed(folder, doing)

    monkeypatch.setattr(kept.bucket, "list_folder", settle_first)
    assert kept.drift() == []
