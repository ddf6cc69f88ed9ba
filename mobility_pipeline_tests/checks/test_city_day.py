from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from mobility_pipeline.checks.baseline import Volumes, judge_volume
from mobility_pipeline.checks.city_day import judge_city_day
from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.errors import ManifestError, StorageForbiddenError
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.storage import Bucket, OpenBucket
from mobility_pipeline_tests.cities.examples import make_city, make_square
from mobility_pipeline_tests.lake.tables import DAY, FEED, SCHEMA, SOURCE, make_pings
from mobility_pipeline_tests.landing.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CITY = make_city(DAY.city, make_square(10.0, 50.0, 0.1), state_province="")
BOUGHT = SOURCE.model_copy(update={"boundary_sha256": CITY.boundary_sha256})
PREFIX = f"data/{DAY.city}/date={DAY.date}/"


@pytest.fixture
def lake(bucket: Bucket) -> Lake:
    """Give an empty lake."""
    return Lake(bucket)


def _place(table: pa.Table, longitude: float = 10.05) -> pa.Table:
    """Put pings at 50.05 N."""
    for name, value in (("longitude", longitude), ("latitude", 50.05)):
        column = pa.array([value] * table.num_rows, pa.float64())
        table = table.set_column(SCHEMA.get_field_index(name), name, column)
    return table


def _publish(
    lake: Lake, chunks: Iterable[pa.Table], day: CityDay = DAY, max_bytes: int = 2**28
) -> Manifest:
    published = lake.publish(FEED, day, chunks, BOUGHT, max_part_bytes=max_bytes)
    return published.manifest


def _judge(lake: Lake, city: City | None = CITY) -> dict[str, Finding]:
    judged = judge_city_day(lake, DAY, city)
    return {finding.name: finding for finding in judged.findings}


def test_a_good_day_passes_every_check(lake: Lake) -> None:
    """Three pings in two parts, counted across them."""
    chunks = [_place(make_pings("a", "b")), _place(make_pings("c"))]
    assert len(_publish(lake, chunks, max_bytes=1).files) == 2
    found = _judge(lake)
    assert [*found] == [
        "manifest_matches_objects",
        "matches_schema",
        "inside_area",
        "unique_pings",
        "utc_date_matches",
    ]
    assert [finding.message for finding in found.values() if not finding.passed] == []
    assert found["inside_area"].numbers["pings_inside"] == 3


def test_each_fault_fails_its_own_check(lake: Lake) -> None:
    """A ping twice over two parts and one outside; all else passes."""
    ping = _place(make_pings("a"))
    outside = _place(make_pings(None), longitude=11.0)
    _publish(lake, [ping, ping, outside], max_bytes=1)
    found = _judge(lake)
    assert found["unique_pings"].numbers["duplicates"] == 1
    assert found["inside_area"].numbers["pings_inside"] == 2
    failed = {name for name, finding in found.items() if not finding.passed}
    assert failed == {"unique_pings", "inside_area"}


def test_a_day_known_to_be_empty_passes(lake: Lake) -> None:
    """Nothing to judge is no fault, and no ratio."""
    _publish(lake, [])
    found = _judge(lake)
    assert len(found) == 5
    assert all(finding.passed for finding in found.values())
    assert "inside_ratio" not in found["inside_area"].numbers


def test_rows_of_other_objects_are_not_judged(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """A part that is gone, then one whose bytes are others of the same size."""
    manifest = _publish(lake, [_place(make_pings("a"))])
    (part,) = manifest.files
    s3.put_object(Bucket=bucket.name, Key=PREFIX + part.name, Body=b"x" * part.bytes)
    (found,) = _judge(lake).values()
    assert "another sha256" in found.message
    s3.delete_object(Bucket=bucket.name, Key=PREFIX + part.name)
    (found,) = _judge(lake).values()
    assert f"{part.name} is missing" in found.message


def test_a_table_without_a_column_fails_what_needs_it(lake: Lake) -> None:
    """Without latitude there is no place, and none of it is taken for zero."""
    pings = _place(make_pings("a")).drop_columns("latitude")
    lake.publish(FEED, DAY, [pings], BOUGHT, schema=pings.schema)
    found = _judge(lake)
    assert found["matches_schema"].message == "column latitude is missing"
    assert not found["inside_area"].passed
    assert found["inside_area"].message == "not judged: column latitude is missing"


def test_a_city_that_moved_or_is_gone_is_not_judged_by_place(lake: Lake) -> None:
    """The other checks are."""
    _publish(lake, [_place(make_pings("a"))])
    moved = make_city(DAY.city, make_square(20.0, 50.0, 0.1), state_province="")
    for city in (moved, None):
        found = _judge(lake, city)
        assert "not judged" in found["inside_area"].message
        assert found["unique_pings"].passed


def test_a_day_that_is_not_published_fails(lake: Lake) -> None:
    """There is nothing that could be right."""
    (found,) = _judge(lake).values()
    assert (found.name, found.passed) == ("manifest_matches_objects", False)


def test_a_manifest_that_is_not_json_is_an_error(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """Naming city and date."""
    s3.put_object(Bucket=bucket.name, Key=PREFIX + "_manifest.json", Body=b"{")
    with pytest.raises(ManifestError, match=f"{DAY.city} {DAY.date}"):
        _judge(lake)


def test_a_bucket_that_is_not_there_is_an_error(open_bucket: OpenBucket) -> None:
    """A listing that failed is not a day without objects."""
    with pytest.raises(StorageForbiddenError):
        _judge(Lake(open_bucket("no-such-bucket")))


def test_the_volume_is_compared_with_the_weeks_that_are_there(lake: Lake) -> None:
    """Of 8 weeks 3 hold 4 pings, one is not readable as a week; today holds 2."""
    for week in (1, 3, 8):
        day = CityDay(DAY.city, DAY.date - timedelta(weeks=week))
        _publish(lake, [make_pings("a", "b", "c", "d")], day)
    found = judge_volume(_publish(lake, [make_pings("a", "b")]), Volumes(lake))
    assert not found.passed
    assert (found.numbers["weeks"], found.numbers["rows_of_median"]) == (3, 0.5)


def _names(wire: Wire) -> list[str]:
    """Return what was asked for since the last look; `?` stands for a listing."""
    names = [
        "?" if "list-type" in path else path.rpartition("/")[2].partition("?")[0]
        for _, path in wire.requests
    ]
    wire.requests.clear()
    return names


def test_a_day_just_landed_is_judged_by_its_parts_alone(lake: Lake, wire: Wire) -> None:
    """One GET for a part: what the landing listed and wrote is not asked for again."""
    manifest = _publish(lake, [_place(make_pings("a"))])
    part = manifest.files[0].name
    wire.requests.clear()
    judged = judge_city_day(lake, DAY, CITY, landed=manifest)
    assert judged.manifest == manifest
    assert [found.passed for found in judged.findings] == [True] * 5
    assert _names(wire) == [part]
    assert judge_city_day(lake, DAY, CITY).findings == judged.findings
    assert _names(wire) == ["_manifest.json", "?", part]


def test_a_landed_day_that_is_replaced_meanwhile_is_judged_as_it_stands(
    lake: Lake,
) -> None:
    """The parts of the manifest in hand are gone: the newer manifest counts."""
    old = _publish(lake, [_place(make_pings("a"))])
    new = _publish(lake, [_place(make_pings("b"))])
    judged = judge_city_day(lake, DAY, CITY, landed=old)
    assert judged.manifest == new
    assert all(found.passed for found in judged.findings)


def test_a_part_lost_after_landing_is_found(
    lake: Lake, s3: "S3Client", bucket: Bucket
) -> None:
    """The parts are read: a PUT that was answered is not taken for a part that is there."""
    manifest = _publish(lake, [_place(make_pings("a"))])
    s3.delete_object(Bucket=bucket.name, Key=PREFIX + manifest.files[0].name)
    (found,) = judge_city_day(lake, DAY, CITY, landed=manifest).findings
    assert "is missing" in found.message


def test_each_earlier_manifest_is_read_once(lake: Lake, wire: Wire) -> None:
    """Of two days a week apart the second shares 7 of 8 weeks, and the first is known."""
    weeks = [CityDay(DAY.city, DAY.date - timedelta(weeks=week)) for week in range(2)]
    second, first = [_publish(lake, [make_pings("a")], day) for day in weeks]
    volumes = Volumes(lake)
    volumes.add(first)
    wire.requests.clear()
    judge_volume(first, volumes)
    assert len(_names(wire)) == 8
    assert judge_volume(second, volumes).numbers["weeks"] == 1
    assert _names(wire) == []


def test_days_the_ledger_does_not_have_are_not_asked_for(
    lake: Lake, wire: Wire
) -> None:
    """Of 8 weeks one is held: one GET."""
    week = CityDay(DAY.city, DAY.date - timedelta(weeks=3))
    _publish(lake, [make_pings("a")], week)
    manifest = _publish(lake, [make_pings("a")])
    wire.requests.clear()
    found = judge_volume(manifest, Volumes(lake, {week}))
    assert found.numbers["weeks"] == 1
    assert _names(wire) == ["_manifest.json"]
