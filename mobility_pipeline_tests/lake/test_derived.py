import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError, SchemaError
from mobility_pipeline.lake.derived import DerivedTables, empty_rows
from mobility_pipeline.lake.derived_manifest import Input, Origin, RegionSource
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.schemas.derived import DERIVED_TABLES, PRESENCE

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = CityDay("space/moon", date(2025, 6, 11))
FOLDER = "analytics/presence/space/moon/date=2025-06-11/"
HOUR = datetime(2025, 6, 11, 2, tzinfo=UTC)
ORIGIN = Origin(
    inputs=[Input(uri="s3://b/data/space/moon/date=2025-06-11/", sha256="0" * 64)],
    regions=RegionSource(layer="h3", sha256="1" * 64),
    observed_hours=[HOUR],
    expected_hours_count=24,
    dropped={"teleport": 2, "duplicate": 1},
)


def make_rows(*counts: int) -> pl.DataFrame:
    """Make one row per count, each of its own region."""
    return pl.DataFrame(
        {
            "region_id": [f"r{place}" for place in range(len(counts))],
            "hour_at": [HOUR] * len(counts),
            "local_hour": pl.Series([10] * len(counts), dtype=pl.Int8),
            "portrait_id": pl.Series([0] * len(counts), dtype=pl.Int8),
            "devices_count": pl.Series(counts, dtype=pl.Int32),
        },
        schema_overrides={"hour_at": pl.Datetime("us", "UTC")},
    )


@pytest.fixture
def tables(bucket: Bucket) -> DerivedTables:
    """Give a bucket without derived tables."""
    return DerivedTables(bucket)


def _objects(s3: "S3Client", bucket: Bucket) -> dict[str, tuple[str, datetime]]:
    found: list[Any] = [*s3.list_objects_v2(Bucket=bucket.name).get("Contents", [])]
    return {item["Key"]: (item["ETag"], item["LastModified"]) for item in found}


def test_rows_come_back_sorted_by_the_key(tables: DerivedTables) -> None:
    """In the declared order of columns, whatever order they went in with."""
    rows = make_rows(3, 5)
    tables.write(PRESENCE, DAY, rows.reverse(), ORIGIN)
    found = tables.read(PRESENCE, DAY)
    assert found.equals(rows.select(PRESENCE.schema.names))
    assert found.schema["hour_at"] == pl.Datetime("us", "UTC")


def test_manifest_says_what_rows_were_made_from(tables: DerivedTables) -> None:
    """Counts by hand, and the origin as it was given."""
    published = tables.write(PRESENCE, DAY, make_rows(3, 5), ORIGIN)
    manifest = tables.read_manifest(PRESENCE, DAY)
    assert manifest is not None
    assert manifest == published.manifest
    assert (manifest.rows, manifest.method_version) == (2, PRESENCE.version)
    assert manifest.coverage_ratio == pytest.approx(1 / 24)
    assert [*json.loads(manifest.to_json())["dropped"]] == ["duplicate", "teleport"]


def test_writing_twice_changes_no_object(
    tables: DerivedTables, s3: "S3Client", bucket: Bucket
) -> None:
    """Shuffled rows are the same rows."""
    first = tables.write(PRESENCE, DAY, make_rows(3, 5, 8), ORIGIN)
    before = _objects(s3, bucket)
    second = tables.write(PRESENCE, DAY, make_rows(3, 5, 8).reverse(), ORIGIN)
    assert (first.changed, second.changed) == (True, False)
    assert _objects(s3, bucket) == before
    assert first.manifest == second.manifest


def test_other_rows_replace_the_old_ones(
    tables: DerivedTables, s3: "S3Client", bucket: Bucket
) -> None:
    """One part and one manifest are left."""
    tables.write(PRESENCE, DAY, make_rows(3, 5), ORIGIN)
    tables.write(PRESENCE, DAY, make_rows(4), ORIGIN)
    assert tables.read(PRESENCE, DAY)["devices_count"].to_list() == [4]
    names = sorted(key.removeprefix(FOLDER) for key in _objects(s3, bucket))
    assert [name[:11] for name in names] == ["_manifest.j", "part-00000-"]


@pytest.mark.parametrize("table", DERIVED_TABLES.values(), ids=DERIVED_TABLES)
def test_no_rows_are_known_to_be_none(tables: DerivedTables, table: Any) -> None:
    """A day without rows stands there, unlike one that was never derived."""
    tables.write(table, DAY, empty_rows(table), ORIGIN)
    assert tables.read(table, DAY).equals(empty_rows(table))
    manifest = tables.read_manifest(table, DAY)
    assert manifest is not None
    assert (manifest.rows, manifest.files) == (0, ())


def test_day_that_was_not_derived_is_an_error_that_says_what_to_do(
    tables: DerivedTables,
) -> None:
    """Absence is no empty table."""
    assert tables.read_manifest(PRESENCE, DAY) is None
    command = "mobility derive --from 2025-06-11 --to 2025-06-11 --city space/moon"
    with pytest.raises(ManifestError, match=command):
        tables.read(PRESENCE, DAY)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (make_rows(1).drop("region_id"), "lacks its columns"),
        (make_rows(1).with_columns(region_id=pl.lit(None, pl.String)), "has nulls"),
        (pl.concat([make_rows(1), make_rows(2)]), "rows of the same"),
        (make_rows(1).with_columns(devices_count=pl.lit("x")), "another type"),
    ],
    ids=["missing", "null", "twice", "type"],
)
def test_rows_that_are_not_the_tables_are_refused(
    tables: DerivedTables, rows: pl.DataFrame, message: str
) -> None:
    """Nothing is written."""
    with pytest.raises(SchemaError, match=message):
        tables.write(PRESENCE, DAY, rows, ORIGIN)
    assert tables.read_manifest(PRESENCE, DAY) is None


@pytest.mark.parametrize("data", [b"{", b"{}", b"[1]"])
def test_manifest_that_is_not_readable_is_named_and_written_anew(
    tables: DerivedTables, s3: "S3Client", bucket: Bucket, data: bytes
) -> None:
    """Deriving again repairs it."""
    tables.write(PRESENCE, DAY, make_rows(1), ORIGIN)
    s3.put_object(Bucket=bucket.name, Key=f"{FOLDER}_manifest.json", Body=data)
    with pytest.raises(ManifestError, match="derive it again"):
        tables.read_manifest(PRESENCE, DAY)
    tables.write(PRESENCE, DAY, make_rows(1), ORIGIN)
    assert tables.read(PRESENCE, DAY).height == 1


def test_part_of_other_bytes_is_refused(
    tables: DerivedTables, s3: "S3Client", bucket: Bucket
) -> None:
    """The manifest's sha256 is checked."""
    published = tables.write(PRESENCE, DAY, make_rows(1), ORIGIN)
    name = published.manifest.files[0].name
    s3.put_object(Bucket=bucket.name, Key=FOLDER + name, Body=b"PAR1")
    with pytest.raises(ManifestError, match="not the one its manifest names"):
        tables.read(PRESENCE, DAY)


def test_hours_of_an_autumn_day_are_25(tables: DerivedTables) -> None:
    """Coverage rests on the day's own hours."""
    hours = [HOUR + timedelta(hours=n) for n in range(25)]
    origin = Origin(ORIGIN.inputs, ORIGIN.regions, hours, 25)
    published = tables.write(PRESENCE, DAY, make_rows(1), origin)
    assert published.manifest.coverage_ratio == 1
