"""Fetch and decode the parquet files of one delivered date, window by window."""

import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt
from pyarrow.parquet.core import ParquetReader

from mobility_pipeline.errors import (
    CorruptFileError,
    DeliveryRejectedError,
    StorageError,
)
from mobility_pipeline.landing.conform import group_by_schema
from mobility_pipeline.landing.packing import AREAS, CODED_COLUMNS

if TYPE_CHECKING:
    from mobility_pipeline.landing.delivery import DeliveredFile, Delivery
    from mobility_pipeline.landing.scratch import ScratchFiles
    from mobility_pipeline.landing.storage import Bucket

LARGE_FILE_BYTES = 8 * 2**20
"""From here on a file is read alone and in windows; smaller ones are joined."""
BATCH_BYTES = 16 * 2**20
BATCH_FILES = 500
WINDOW_ROWS = 60_000
WINDOW_BYTES = 24 * 2**20
"""A window's rows as Arrow holds them, roughly."""

_READ_BYTES = 2**20
_FETCHED = 8
"""Small files that a thread fetches before it looks up."""
_BYTES_PER_DELIVERED_BYTE = 20
"""Of small files while they are gathered: a few rows each, in dozens of buffers."""
_BYTES_PER_ENCODED_BYTE = 4
"""Arrow's size of rows, by their size in parquet before compression; seen: 2 to 4."""
_SMALL_DICTIONARY_BYTES = 64 * 2**10
_CODED = (AREAS, *CODED_COLUMNS)
_RENAMED = {"date": "vendor_date"}
"""`date` is the partition; a column of that name holds something else."""
_LISTS = ("list", "large_list", "fixed_size_list", "null")


@dataclass(frozen=True)
class Window:
    """Some rows of a date, with the vendor's types."""

    table: pa.Table
    """Of one chunk. Text with a small dictionary may be dictionary-coded; a column `date`
    is called `vendor_date`."""
    nbytes: float
    """Bytes of the delivered files that these rows make up."""


@dataclass(frozen=True)
class Batch:
    """Files of one date that are read together: one large file, or many small ones."""

    files: "tuple[DeliveredFile, ...]"

    @property
    def nbytes(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)


def list_batches(delivery: "Delivery", day: date) -> list[Batch]:
    """Cut the files of one date into batches.

    Raises:
        DeliveryRejectedError: the date was not delivered.
    """
    files = delivery.dates.get(day)
    if files is None:
        raise DeliveryRejectedError(
            f"s3://{delivery.bucket}/{delivery.prefix} holds no file for {day}; "
            "request the date again later"
        )
    batches: list[Batch] = []
    small: list[DeliveredFile] = []
    held = 0
    for file in files:
        if file.size >= LARGE_FILE_BYTES:
            batches.append(Batch((file,)))
            continue
        small.append(file)
        held += file.size
        if len(small) == BATCH_FILES or held >= BATCH_BYTES:
            batches.append(Batch(tuple(small)))
            small, held = [], 0
    return [*batches, Batch(tuple(small))] if small else batches


def read_batch(
    bucket: "Bucket",
    batch: Batch,
    day: date,
    fetchers: Executor,
    scratch: "ScratchFiles",
) -> Iterator[Window]:
    """Read the files of a batch.

    Args:
        bucket: the vendor's.
        batch: files of the date.
        day: the date, for errors.
        fetchers: threads that fetch small files side by side.
        scratch: where a large file waits.

    Yields:
        All rows, some `WINDOW_ROWS` or `WINDOW_BYTES` at a time.

    Raises:
        CorruptFileError: a file is empty, cut short or not parquet.
        DeliveryRejectedError: a file has rows but no list column `poi_ids`.
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: the role may not read the file.
    """
    if batch.files[0].size >= LARGE_FILE_BYTES:
        yield from _read_large(bucket, batch.files[0], day, scratch)
    else:
        yield from _read_small(bucket, batch.files, day, fetchers)


def decode_windows(file: IO[bytes], name: str) -> Iterator[Window]:
    """Decode a large file in windows, with repeated text dictionary-coded.

    Args:
        file: the delivered file; of no name, or one that stays as it is meanwhile.
        name: what to call it in an error.

    Raises:
        CorruptFileError: empty, cut short, not parquet, or with a column twice.
        DeliveryRejectedError: it has rows but no list column `poi_ids`.
    """
    size = file.seek(0, io.SEEK_END)
    with _corrupt_files(name):
        parquet = _open(file, size, name)
        coded = _small_dictionaries(parquet)
        if coded:
            parquet = _open(file, size, name, read_dictionary=coded)
        batches = _iterate(parquet)
    bytes_per_row = size / max(parquet.metadata.num_rows, 1)
    count = 0
    while True:
        with _corrupt_files(name):
            batch = next(batches, None)
        if batch is None:
            break
        table = pa.Table.from_batches([batch]).replace_schema_metadata(None)
        _validate(table, name)
        count += table.num_rows
        yield Window(_check_columns(table, name), table.num_rows * bytes_per_row)
    _check_count(parquet.metadata, count, name)


def _read_large(
    bucket: "Bucket", file: "DeliveredFile", day: date, scratch: "ScratchFiles"
) -> Iterator[Window]:
    name = _name_of(bucket, file, day)
    with scratch.borrow() as local:
        if not bucket.download(file.key, local, f"reading {name}"):
            raise _gone(name)
        yield from decode_windows(local, name)


def _read_small(
    bucket: "Bucket", files: "Sequence[DeliveredFile]", day: date, fetchers: Executor
) -> Iterator[Window]:
    def fetch(share: "Sequence[DeliveredFile]") -> list[tuple[str, Any]]:
        fetched: list[tuple[str, Any]] = []
        for file in share:
            name = _name_of(bucket, file, day)
            data = bucket.get(file.key, f"reading {name}")
            if data is None:
                raise _gone(name)
            fetched.append((name, data))
        return fetched

    gathered: list[tuple[str, Window]] = []
    held = 0
    decoder = _Decoder()
    shares = [files[i : i + _FETCHED] for i in range(0, len(files), _FETCHED)]
    for name, data in chain.from_iterable(fetchers.map(fetch, shares)):
        gathered.append((name, Window(decoder.decode(data, name), len(data))))
        held += len(data) * _BYTES_PER_DELIVERED_BYTE
        if held >= WINDOW_BYTES:
            yield from _join(gathered)
            gathered, held = [], 0
    yield from _join(gathered)


def _name_of(bucket: "Bucket", file: "DeliveredFile", day: date) -> str:
    return f"delivered file s3://{bucket.name}/{file.key} of {day}"


class _Decoder:
    """Decodes whole files, but for looking at each cell; most have the same columns."""

    def __init__(self) -> None:
        self._checked: pa.Schema | None = None

    def decode(self, data: Any, name: str) -> pa.Table:
        if not len(data):
            raise _empty(name)
        with _corrupt_files(name):
            # `ParquetFile` does more than reading: a sixth of a small file's time.
            reader: Any = ParquetReader()
            source = pa.BufferReader(pa.py_buffer(data))
            reader.open(source, coerce_int96_timestamp_unit="us")
            table = reader.read_all(use_threads=False)
        _check_count(reader.metadata, table.num_rows, name)
        if self._checked is None or not table.schema.equals(self._checked):
            table = _check_columns(table, name)
            self._checked = table.schema if table.num_rows else None
        return table


def _gone(name: str) -> StorageError:
    return StorageError(f"{name} is gone since it was listed; run it again")


def _validate(table: pa.Table, name: str) -> None:
    """Check that text is UTF-8, and whatever else pyarrow takes for granted."""
    with _corrupt_files(name):
        table.validate(full=True)


class _corrupt_files:  # noqa: N801  # a context manager, cheaper than a generator's
    """Turn what pyarrow says of broken files into our error."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, (pa.ArrowException, OSError, ValueError)):
            raise CorruptFileError(
                f"{self._name} is not readable parquet ({type(error).__name__}); "
                "ask the vendor for the date again"
            ) from error


def _open(source: Any, size: int, name: str, **options: Any) -> pq.ParquetFile:
    if not size:
        raise _empty(name)
    return pq.ParquetFile(
        source,
        coerce_int96_timestamp_unit="us",
        pre_buffer=False,
        buffer_size=_READ_BYTES,
        **options,
    )


def _empty(name: str) -> CorruptFileError:
    return CorruptFileError(f"{name} is empty; ask the vendor for the date again")


def _check_count(metadata: pq.FileMetaData, found: int, name: str) -> None:
    if found != metadata.num_rows:
        raise CorruptFileError(
            f"{name} announces {metadata.num_rows} rows and holds {found}"
        )


def _small_dictionaries(file: pq.ParquetFile) -> list[str]:
    """Return the text columns that parquet itself codes by a small dictionary."""
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    maps = {field.name for field in file.schema_arrow if pt.is_map(field.type)}
    leaves = {
        index: file.schema.column(index).path for index in range(len(file.schema))
    }
    return [
        path
        for index, path in leaves.items()
        if (path.split(".")[0] in _CODED or _is_of_map(path, maps))
        and file.schema.column(index).physical_type == "BYTE_ARRAY"
        and all(_has_small_dictionary(group.column(index)) for group in groups)
    ]


def _is_of_map(path: str, maps: Collection[str]) -> bool:
    return any(
        path in (f"{name}.key_value.key", f"{name}.key_value.value") for name in maps
    )


def _has_small_dictionary(chunk: Any) -> bool:
    if not chunk.has_dictionary_page or chunk.dictionary_page_offset is None:
        return False
    size = chunk.data_page_offset - chunk.dictionary_page_offset
    return 0 < size <= _SMALL_DICTIONARY_BYTES


def _iterate(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Yield windows; none is of two row groups, whose dictionaries Arrow joins in no list."""
    rows = _window_rows(file)
    for number in range(file.metadata.num_row_groups):
        yield from file.iter_batches(rows, row_groups=[number], use_threads=False)


def _window_rows(file: pq.ParquetFile) -> int:
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    encoded = sum(group.total_byte_size for group in groups)
    per_row = _BYTES_PER_ENCODED_BYTE * encoded / max(file.metadata.num_rows, 1)
    return max(min(WINDOW_ROWS, int(WINDOW_BYTES / max(per_row, 1))), 1)


def _join(files: Sequence[tuple[str, Window]]) -> Iterator[Window]:
    """Join the rows of files that have the same columns."""
    tables = [window.table for _, window in files if window.table.num_rows]
    nbytes = sum(window.nbytes for _, window in files)
    for group in group_by_schema(tables):
        table = pa.concat_tables(group).combine_chunks().replace_schema_metadata(None)
        try:
            table.validate(full=True)
        except pa.ArrowException:
            for name, window in files:  # only now which of them it is
                _validate(window.table, name)
            raise
        yield Window(table, nbytes * len(group) / len(tables))


def _check_columns(table: pa.Table, name: str) -> pa.Table:
    names: list[str] = table.column_names
    if len({*names}) < len(names) or not _RENAMED.keys().isdisjoint(names):
        names = [_RENAMED.get(column, column) for column in names]
        twice = sorted(column for column, count in Counter(names).items() if count > 1)
        if twice:
            raise CorruptFileError(
                f"{name} has a column twice: {', '.join(twice)}; ask the vendor"
            )
        table = table.rename_columns(names)
    return _check_areas(table, name)


def _check_areas(table: pa.Table, name: str) -> pa.Table:
    index = table.schema.get_field_index("poi_ids")
    found = "absent" if index < 0 else str(table.schema.field(index).type)
    if table.num_rows and not found.startswith(_LISTS):
        raise DeliveryRejectedError(
            f"{name}: poi_ids is {found}, not a list of ids, so no row of it finds its "
            "city; ask the vendor for the date again"
        )
    return table
