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
