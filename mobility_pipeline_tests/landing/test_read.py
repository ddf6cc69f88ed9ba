import io
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from mobility_pipeline.errors import (
    CorruptFileError,
    DeliveryRejectedError,
    StorageError,
    StorageForbiddenError,
)
from mobility_pipeline.landing.delivery import Delivery, list_delivery
from mobility_pipeline.landing.read import decode_table, read_tables
from mobility_pipeline_tests.landing.store import JOB_PREFIX, put_files, to_parquet

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2024, 5, 1)
FOLDER = "date=2024-05-01/"
GOOD = to_parquet(
    pa.table({"ad_id": ["a", "b"] * 50, "poi_ids": [["moon-aaaaaaaa"]] * 100})
)


def _deliver(s3: "S3Client", bucket: str, *files: bytes) -> Delivery:
    names = {f"{FOLDER}part-{i:05d}.parquet": data for i, data in enumerate(files)}
    put_files(s3, bucket, names)
    return list_delivery(s3, bucket, JOB_PREFIX)


def test_files_come_back_in_the_order_of_their_keys(
    s3: "S3Client", bucket: str
) -> None:
    """Concurrent reads do not change the order."""
    tables = [pa.table({"poi_ids": [["x"]], "n": [number]}) for number in range(40)]
    delivery = _deliver(s3, bucket, *(to_parquet(table) for table in tables))
    read = read_tables(s3, delivery, DAY)
    assert [table["n"][0].as_py() for table in read] == [*range(40)]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"),
        (b"not parquet at all", "not readable parquet"),
        (GOOD[: len(GOOD) // 2], "not readable parquet"),
        (GOOD[:-9], "not readable parquet"),
        (GOOD[:40] + b"\xff" * 120 + GOOD[160:], "not readable parquet"),
        (b"PAR1" + b"\0" * 40 + b"PAR1", "not readable parquet"),
    ],
)
def test_a_broken_file_rejects_its_date_by_name(
    s3: "S3Client", bucket: str, data: bytes, why: str
) -> None:
    """One unreadable file makes the date untrustworthy; the error names all of it."""
    delivery = _deliver(s3, bucket, GOOD, data)
    with pytest.raises(CorruptFileError, match=why) as caught:
        read_tables(s3, delivery, DAY)
    message = str(caught.value)
    assert JOB_PREFIX + FOLDER + "part-00001.parquet" in message
    assert "2024-05-01" in message


def test_text_that_is_not_utf8_is_a_broken_file() -> None:
    """A text column with bytes that are no text is found before anything reads it."""
    table = pa.table(
        {"poi_ids": [["x"]], "ad_id": pa.array([b"\xff\xfe"]).view(pa.string())}
    )
    with pytest.raises(CorruptFileError, match=r"f\.parquet"):
        decode_table(to_parquet(table), "f.parquet")


def test_a_date_that_was_not_delivered_is_rejected(s3: "S3Client", bucket: str) -> None:
    """Asking for a date without files says so."""
    delivery = _deliver(s3, bucket, GOOD)
    with pytest.raises(DeliveryRejectedError, match="2024-05-02"):
        read_tables(s3, delivery, date(2024, 5, 2))


def test_a_file_that_went_since_it_was_listed_is_transient(
    s3: "S3Client", bucket: str
) -> None:
    """The delivery changed under our feet: list it again."""
    delivery = _deliver(s3, bucket, GOOD)
    s3.delete_object(Bucket=bucket, Key=delivery.dates[DAY][0].key)
    with pytest.raises(StorageError, match="NoSuchKey"):
        read_tables(s3, delivery, DAY)


def test_no_permission_is_permanent(s3: "S3Client", bucket: str) -> None:
    """AccessDenied does not go away by asking again."""
    delivery = _deliver(s3, bucket, GOOD)
    s3.meta.events.register("before-call.s3.GetObject", _deny)
    with pytest.raises(StorageForbiddenError, match="AccessDenied"):
        read_tables(s3, delivery, DAY)


def test_a_body_that_breaks_off_is_fetched_again(s3: "S3Client", bucket: str) -> None:
    """A connection lost inside a file's body costs a second request, not the run."""
    delivery = _deliver(s3, bucket, GOOD)
    broken = iter([True, False])
    s3.meta.events.register(
        "after-call.s3.GetObject", lambda parsed, **_: _break(parsed, broken)
    )
    assert read_tables(s3, delivery, DAY)[0].num_rows == 100
    assert next(broken, None) is None


def test_a_body_that_always_breaks_off_is_transient(
    s3: "S3Client", bucket: str
) -> None:
    """After a few tries the error is ours, with the file's name."""
    delivery = _deliver(s3, bucket, GOOD)
    always = iter([True] * 10)
    s3.meta.events.register(
        "after-call.s3.GetObject", lambda parsed, **_: _break(parsed, always)
    )
    with pytest.raises(StorageError, match="part-00000"):
        read_tables(s3, delivery, DAY)


def test_a_column_named_date_is_kept_apart() -> None:
    """The partition is `date`; a column of that name has another meaning."""
    table = pa.table({"poi_ids": [["x"]], "date": ["2023-12-31"]})
    assert decode_table(to_parquet(table), "f").column_names == [
        "poi_ids",
        "vendor_date",
    ]


@pytest.mark.parametrize(
    "names", [["poi_ids", "a", "a"], ["poi_ids", "date", "vendor_date"]]
)
def test_a_column_twice_is_refused(names: list[str]) -> None:
    """Which of two columns of one name is right can't be guessed."""
    column = pa.array([["x"]])
    table = pa.table([column] * 3, names=names)
    with pytest.raises(CorruptFileError, match=f"twice: {names[-1]}"):
        decode_table(to_parquet(table), "f")


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"ad_id": ["a"]}),
        pa.table({"poi_ids": ["moon-aaaaaaaa"]}),
        pa.table({"poi_ids": [1]}),
    ],
)
def test_rows_without_a_list_of_areas_reject_the_date(table: pa.Table) -> None:
    """A file whose rows can't find their city must not pass for an empty day."""
    with pytest.raises(DeliveryRejectedError, match="poi_ids is"):
        decode_table(to_parquet(table), "f")


@pytest.mark.parametrize(
    "poi_ids",
    [
        pa.array([None], pa.null()),
        pa.array([["x"]], pa.large_list(pa.large_string())),
        pa.array([["x"]], pa.list_(pa.string(), 1)),
    ],
)
def test_any_list_of_areas_is_read(poi_ids: pa.Array) -> None:
    """Arrow writes lists in several ways; all of them are lists."""
    table = pa.table({"poi_ids": poi_ids})
    assert decode_table(to_parquet(table), "f").num_rows == 1


def test_a_file_without_rows_needs_no_columns() -> None:
    """A file that holds nothing loses nothing."""
    assert decode_table(to_parquet(pa.table({"ad_id": ["a"]})[:0]), "f").num_rows == 0


def test_spark_timestamps_beyond_nanoseconds_survive() -> None:
    """INT96, as Spark writes it, is read in microseconds: year 3000 does not wrap."""
    far = datetime(3000, 1, 1, tzinfo=UTC)
    table = pa.table({"t": pa.array([far], pa.timestamp("us"))})
    table = table.append_column("poi_ids", [[["x"]]])
    buffer = io.BytesIO()
    pq.write_table(table, buffer, use_deprecated_int96_timestamps=True)
    read = decode_table(buffer.getvalue(), "f")["t"]
    assert read.type == pa.timestamp("us")
    assert read[0].as_py() == far.replace(tzinfo=None)


def _deny(**_: object) -> None:
    raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject")


def _break(parsed: dict[str, Any], broken: Any) -> None:
    if next(broken):
        parsed["Body"] = _BrokenBody()


class _BrokenBody:
    def read(self) -> bytes:
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
