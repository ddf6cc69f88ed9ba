import io
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.errors import (
    CorruptFileError,
    DeliveryRejectedError,
    StorageError,
)
from mobility_pipeline.landing import read
from mobility_pipeline.landing.delivery import DeliveredFile, Delivery, list_delivery
from mobility_pipeline.landing.read import Batch, Window, list_batches, read_batch
from mobility_pipeline.landing.scratch import ScratchFiles
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline_tests.landing.deliveries import hold_files
from mobility_pipeline_tests.landing.store import JOB_PREFIX, put_files, to_parquet

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2024, 5, 1)
FOLDER = "date=2024-05-01/"
GOOD = to_parquet(
    pa.table({"ad_id": ["a", "b"] * 50, "poi_ids": [["moon-aaaaaaaa"]] * 100})
)


@pytest.fixture(params=["small", "large"], autouse=True)
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take every file for a small one, or for a large one."""
    if request.param == "large":
        monkeypatch.setattr(read, "LARGE_FILE_BYTES", 0)
    return request.param


def _deliver(s3: "S3Client", bucket: Bucket, *files: bytes) -> Delivery:
    names = {f"{FOLDER}part-{i:05d}.parquet": data for i, data in enumerate(files)}
    put_files(s3, bucket, names)
    return list_delivery(bucket, JOB_PREFIX)


def _read(bucket: Bucket, delivery: Delivery) -> list[Window]:
    folder = Path(gettempdir())
    with ThreadPoolExecutor(4) as fetchers, ScratchFiles(folder) as scratch:
        return [
            window
            for batch in list_batches(delivery, DAY)
            for window in read_batch(bucket, batch, DAY, fetchers, scratch)
        ]


def _decode(*files: bytes) -> list[pa.Table]:
    """Read files without any server; return the tables of all windows."""
    bucket = hold_files(files)
    return [w.table for w in _read(bucket, list_delivery(bucket, JOB_PREFIX))]


def _decode_table(table: pa.Table) -> pa.Table:
    (found,) = _decode(to_parquet(table))
    return found


def test_files_come_back_in_the_order_of_their_keys(
    s3: "S3Client", bucket: Bucket
) -> None:
    """Fetching side by side does not change the order."""
    tables = [pa.table({"poi_ids": [["x"]], "n": [number]}) for number in range(40)]
    delivery = _deliver(s3, bucket, *(to_parquet(table) for table in tables))
    read = pa.concat_tables([window.table for window in _read(bucket, delivery)])
    assert read["n"].to_pylist() == [*range(40)]


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
    s3: "S3Client", bucket: Bucket, data: bytes, why: str
) -> None:
    """One unreadable file makes the date untrustworthy; the error names all of it."""
    delivery = _deliver(s3, bucket, GOOD, data)
    with pytest.raises(CorruptFileError, match=why) as caught:
        _read(bucket, delivery)
    message = str(caught.value)
    assert JOB_PREFIX + FOLDER + "part-00001.parquet" in message
    assert "2024-05-01" in message


@pytest.mark.parametrize("place", [0, 1, 2])
def test_text_that_is_not_utf8_is_a_broken_file(place: int) -> None:
    """Bytes that are no text are found before anything reads them, and the file named."""
    table = pa.table(
        {"poi_ids": [["x"]], "ad_id": pa.array([b"\xff\xfe"]).view(pa.string())}
    )
    files = [to_parquet(pa.table({"poi_ids": [["x"]], "ad_id": ["a"]}))] * 3
    files[place] = to_parquet(table)
    with pytest.raises(CorruptFileError, match=f"part-0000{place}.parquet of 2024"):
        _decode(*files)


def test_a_date_that_was_not_delivered_is_rejected() -> None:
    """Asking for a date without files says so."""
    bucket = hold_files([GOOD])
    delivery = list_delivery(bucket, JOB_PREFIX)
    with pytest.raises(DeliveryRejectedError, match="2024-05-02"):
        list_batches(delivery, date(2024, 5, 2))


def test_a_file_that_went_since_it_was_listed_is_transient(
    s3: "S3Client", bucket: Bucket
) -> None:
    """The delivery changed under our feet: list it again."""
    delivery = _deliver(s3, bucket, GOOD)
    key = delivery.dates[DAY][0].key
    s3.delete_object(Bucket=bucket.name, Key=key)
    with pytest.raises(StorageError, match=f"{key} of 2024-05-01 is gone since"):
        _read(bucket, delivery)


def test_a_column_named_date_is_kept_apart() -> None:
    """The partition is `date`; a column of that name has another meaning."""
    table = pa.table({"poi_ids": [["x"]], "date": ["2023-12-31"]})
    assert _decode_table(table).column_names == ["poi_ids", "vendor_date"]


@pytest.mark.parametrize(
    "names", [["poi_ids", "a", "a"], ["poi_ids", "date", "vendor_date"]]
)
def test_a_column_twice_is_refused(names: list[str]) -> None:
    """Which of two columns of one name is right can't be guessed."""
    column = pa.array([["x"]])
    table = pa.table([column] * 3, names=names)
    with pytest.raises(CorruptFileError, match=f"twice: {names[-1]}"):
        _decode_table(table)


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
        _decode_table(table)


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
    assert _decode_table(pa.table({"poi_ids": poi_ids})).num_rows == 1


def test_a_file_without_rows_needs_no_columns() -> None:
    """A file that holds nothing loses nothing."""
    assert _decode(to_parquet(pa.table({"ad_id": ["a"]})[:0])) == []


def test_spark_timestamps_beyond_nanoseconds_survive() -> None:
    """INT96, as Spark writes it, is read in microseconds: year 3000 does not wrap."""
    far = datetime(3000, 1, 1, tzinfo=UTC)
    table = pa.table({"t": pa.array([far], pa.timestamp("us"))})
    table = table.append_column("poi_ids", [[["x"]]])
    buffer = io.BytesIO()
    pq.write_table(table, buffer, use_deprecated_int96_timestamps=True)
    (found,) = _decode(buffer.getvalue())
    assert found["t"].type == pa.timestamp("us")
    assert found["t"][0].as_py() == far.replace(tzinfo=None)


def test_windows_hold_all_rows_within_their_limits(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large files are read in windows, small ones joined; nothing is lost either way."""
    monkeypatch.setattr(read, "WINDOW_ROWS", 30)
    rows = pa.table({"poi_ids": [["x"]] * 100, "n": [*range(100)]})
    tables = [rows[:70], rows[70:70], rows[70:71], rows[71:]]
    found = _decode(*map(to_parquet, tables))
    assert [len(table) for table in found] == {
        "small": [100],
        "large": [30, 30, 10, 1, 29],
    }[size]
    assert pa.concat_tables(found)["n"] == rows["n"]
    assert {column.num_chunks for table in found for column in table.columns} == {1}


def test_windows_say_how_much_of_the_delivery_they_are() -> None:
    """Their bytes add up to the files', so that a budget can look ahead."""
    files = [to_parquet(pa.table({"poi_ids": [["x"]] * count})) for count in (5, 50)]
    bucket = hold_files(files)
    windows = _read(bucket, list_delivery(bucket, JOB_PREFIX))
    assert sum(w.nbytes for w in windows) == pytest.approx(sum(map(len, files)))


def test_files_of_other_columns_are_windows_of_their_own() -> None:
    """Only what has the same columns and types is joined."""
    plain = pa.table({"poi_ids": [["x"]]})
    more = plain.append_column("n", [[1]])
    found = _decode(*map(to_parquet, [plain, more, plain]))
    assert sorted(len(table.schema) for table in found) in ([1, 2], [1, 1, 2])
    assert sum(table.num_rows for table in found) == 3


def test_only_text_with_few_values_is_coded() -> None:
    """Coding repeats nothing; ids of devices, and what structs hold, stay plain."""
    pairs = pa.array([[("k", "v")]] * 50, pa.map_(pa.string(), pa.string()))
    table = pa.table(
        {
            "poi_ids": [["x"]] * 50,
            "id_type": ["idfa"] * 50,
            "ad_id": ["a"] * 50,
            "monkey": ["a"] * 50,
            "pairs": pairs,
            "nested": pa.array([{"key": "a"}] * 50),
            "maps": pa.array(
                [[("k", {"key": "a"})]] * 50,
                pa.map_(pa.string(), pa.struct([("key", pa.string())])),
            ),
        }
    )
    found = _decode_table(table)
    plain = pa.schema([("ad_id", pa.string()), ("monkey", pa.string())])
    assert found.select(plain.names).schema == plain
    assert found["nested"].type == pa.struct([("key", pa.string())])
    assert found["maps"].type.item_type == pa.struct([("key", pa.string())])
    assert found.to_pylist() == table.to_pylist()


def test_a_large_file_waits_on_disk_without_a_name(size: str, tmp_path: Path) -> None:
    """Neither a killed process nor one that breaks off leaves something in the folder."""
    folder = tmp_path / "not" / "there yet"
    bucket = hold_files([GOOD])
    (batch,) = list_batches(list_delivery(bucket, JOB_PREFIX), DAY)
    with ThreadPoolExecutor(1) as fetchers, ScratchFiles(folder) as scratch:
        windows = read_batch(bucket, batch, DAY, fetchers, scratch)
        next(windows)
        assert folder.exists() == (size == "large")
        assert [*tmp_path.rglob("*.parquet"), *tmp_path.rglob("tmp*")] == []
        windows.close()


def _files(*sizes: int) -> Delivery:
    files = [DeliveredFile(f"{number}", size) for number, size in enumerate(sizes)]
    return Delivery("b", "p/", {DAY: tuple(files)})


def _sizes(batches: Sequence[Batch]) -> list[list[int]]:
    return [[file.size for file in batch.files] for batch in batches]


def test_small_files_are_read_together(
    size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to a number of files or of bytes; a large one is alone."""
    monkeypatch.setattr(read, "BATCH_FILES", 3)
    monkeypatch.setattr(read, "BATCH_BYTES", 100)
    if size == "small":
        monkeypatch.setattr(read, "LARGE_FILE_BYTES", 70)
        batches = list_batches(_files(1, 2, 70, 3, 4, 60, 50, 0), DAY)
        assert _sizes(batches) == [[70], [1, 2, 3], [4, 60, 50], [0]]
        assert [batch.nbytes for batch in batches] == [70, 6, 114, 0]
    else:
        assert _sizes(list_batches(_files(1, 0, 2), DAY)) == [[1], [0], [2]]


def test_every_file_is_in_one_batch() -> None:
    """Whatever their sizes."""
    source = random.Random(1)
    delivery = _files(*(source.choice([1, 5_000_000, 9_000_000]) for _ in range(99)))
    batches = list_batches(delivery, DAY)
    names = [file.key for batch in batches for file in batch.files]
    assert sorted(names) == sorted(file.key for file in delivery.dates[DAY])
