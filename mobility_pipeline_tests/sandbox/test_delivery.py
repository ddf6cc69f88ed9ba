"""What lies in the vendor's bucket after a job."""

import io
import re
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.sandbox.vendor_calls import (
    INNER,
    OUTER,
    area_body,
    deliver,
    delivered_files,
    finish,
    rows_of_area,
    submit,
    tables,
)

OUTER_IDS, INNER_IDS = (
    ("outer-00000001", "geo_radius_0"),
    ("inner-00000002", "geo_radius_1"),
)
TEN_DAYS = area_body("2024-02-25", "2024-03-05", OUTER, INNER)
PART = r"date=\d{4}-\d\d-\d\d/part-(\d{5})-[0-9a-f-]{36}-c000\.snappy\.parquet"


@pytest.fixture(scope="module")
def files(sandbox_session: Sandbox) -> dict[str, bytes]:
    """A delivery of two overlapping areas over ten days."""
    sandbox_session.reset()
    job_id = submit(sandbox_session, TEN_DAYS)
    finish(sandbox_session, job_id)
    return delivered_files(sandbox_session, job_id)


def test_names_are_those_of_spark(files: dict[str, bytes]) -> None:
    """Parts and `_SUCCESS` markers by date, and a marker at the top."""
    dates = {name.split("/")[0] for name in files if "/" in name}
    markers = {name for name in files if name.endswith("_SUCCESS")}
    assert len(dates) == 10
    assert markers == {"_SUCCESS"} | {f"{date}/_SUCCESS" for date in dates}
    assert all(re.fullmatch(PART, name) for name in set(files) - markers)


def test_part_numbers_have_holes(files: dict[str, bytes]) -> None:
    """Somewhere a number is left out."""
    numbers = [int(m[1]) for name in files if (m := re.fullmatch(PART, name))]
    assert max(numbers) >= max(Counter(n.split("/")[0] for n in files).values())


def test_a_file_has_one_row_group_and_snappy(files: dict[str, bytes]) -> None:
    """Files are written as Spark writes them."""
    for name, body in files.items():
        if name.endswith(".parquet"):
            metadata = pq.ParquetFile(io.BytesIO(body)).metadata
            assert metadata.num_row_groups == 1
            assert metadata.row_group(0).column(0).compression == "SNAPPY"


def test_types_drift_from_file_to_file(files: dict[str, bytes]) -> None:
    """Coordinates come as double and text, times in four forms."""
    delivery = tables(files).values()
    latitudes = {table.schema.field("latitude").type for table in delivery}
    times = {table.schema.field("utc_timestamp").type for table in delivery}
    assert latitudes == {pa.float64(), pa.string()}
    assert times == {
        pa.timestamp("ns"),
        pa.timestamp("us", tz="UTC"),
        pa.string(),
        pa.int64(),
    }


def test_times_lie_within_their_utc_date(files: dict[str, bytes]) -> None:
    """The partition is the UTC date of every row in it."""
    rows = rows_of_area(tables(files), *OUTER_IDS)
    assert rows
    assert all(instant[:10] == date for date, _, instant, *_ in rows)


def test_both_forms_of_ids_occur(files: dict[str, bytes]) -> None:
    """Rows name areas by the id sent and by its index."""
    named = {
        i
        for t in tables(files).values()
        for ids in t["poi_ids"].to_pylist()
        for i in ids or []
    }
    assert set(OUTER_IDS) | set(INNER_IDS) <= named


def test_overlapping_areas_share_pings(files: dict[str, bytes]) -> None:
    """Every ping of the inner area is one of the outer area too."""
    delivery = tables(files)
    inner = rows_of_area(delivery, *INNER_IDS)
    outer = rows_of_area(delivery, *OUTER_IDS)
    assert 0 < len(inner) < len(outer)
    assert not Counter(inner) - Counter(outer)


def test_another_job_has_the_same_pings_in_other_files(
    sandbox: Sandbox, files: dict[str, bytes]
) -> None:
    """A re-pull repeats the content of an area under new names."""
    again = deliver(sandbox, TEN_DAYS)
    assert not set(again) & set(files)
    assert rows_of_area(again, *OUTER_IDS) == rows_of_area(tables(files), *OUTER_IDS)


def test_schema_types_differ_in_their_columns(sandbox: Sandbox) -> None:
    """FULL adds quality and geography, TRIPS adds trips; BASIC may lack accuracy."""
    columns = {}
    for schema in ("BASIC", "FULL", "TRIPS"):
        body = area_body("2024-03-01", "2024-03-03", schema_type=schema)
        columns[schema] = [set(t.column_names) for t in deliver(sandbox, body).values()]
    plain = set.union(*columns["BASIC"])
    assert set.union(*columns["FULL"]) - plain == {"quality_fields", "geo_fields"}
    assert set.union(*columns["TRIPS"]) - plain == {
        "trip_fields",
        "trip_ping_fields",
        "trip_to_trip_fields",
    }
    assert plain - set.intersection(*columns["BASIC"]) == {"horizontal_accuracy"}
