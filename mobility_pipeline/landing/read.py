"""Fetch and decode the parquet files of one delivered date."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from botocore.exceptions import BotoCoreError

from mobility_pipeline.errors import CorruptFileError, DeliveryRejectedError
from mobility_pipeline.landing.storage import storage_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mobility_pipeline.landing.delivery import DeliveredFile, Delivery

FETCH_THREADS = 16
FETCH_ATTEMPTS = 3
"""botocore retries a request, but not the reading of an answer's body."""

_RENAMED = {"date": "vendor_date"}
"""`date` is the partition; a column of that name holds something else."""
_LISTS = ("list", "large_list", "fixed_size_list", "null")


def read_tables(
    s3: "S3Client", delivery: "Delivery", day: date, *, threads: int = FETCH_THREADS
) -> list[pa.Table]:
    """Read every file of one date.

    Args:
        s3: a client that may read the vendor's bucket.
        delivery: as listed.
        day: a date of the delivery.
        threads: concurrent reads.

    Returns:
        One table per file in the order of keys, with the vendor's types.

    Raises:
        DeliveryRejectedError: the date was not delivered, or a file lacks `poi_ids`.
        CorruptFileError: a file is empty, cut short or not parquet.
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: the role may not read the file.
    """
    files = delivery.dates.get(day)
    if files is None:
        raise DeliveryRejectedError(
            f"s3://{delivery.bucket}/{delivery.prefix} holds no file for {day}; "
            "request the date again later"
        )
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="read-delivery")
    try:
        read = partial(_read_table, s3, delivery.bucket, day)
        return [*pool.map(read, files)]
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def decode_table(data: bytes, name: str) -> pa.Table:
    """Decode one delivered file.

    Args:
        data: the file's bytes.
        name: what to call it in an error.

    Returns:
        Its rows; a column `date` is called `vendor_date`; no metadata.

    Raises:
        CorruptFileError: empty, cut short, not parquet, or with a column twice.
        DeliveryRejectedError: it has rows but no list column `poi_ids`.
    """
    if not data:
        raise CorruptFileError(f"{name} is empty; ask the vendor for the date again")
    try:
        file = pq.ParquetFile(pa.BufferReader(data), coerce_int96_timestamp_unit="us")
        table = file.read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptFileError(
            f"{name} is not readable parquet ({type(error).__name__}); "
            "ask the vendor for the date again"
        ) from error
    if table.num_rows != file.metadata.num_rows:
        raise CorruptFileError(
            f"{name} announces {file.metadata.num_rows} rows and holds {table.num_rows}"
        )
    return _check_areas(_rename_columns(table, name), name)


def _read_table(
    s3: "S3Client", bucket: str, day: date, file: "DeliveredFile"
) -> pa.Table:
    name = f"delivered file s3://{bucket}/{file.key} of {day}"
    with storage_errors(f"reading {name}"):
        data = _fetch(s3, bucket, file.key)
    return decode_table(data, name)


def _fetch(s3: "S3Client", bucket: str, key: str) -> bytes:
    for _ in range(FETCH_ATTEMPTS - 1):
        answer = s3.get_object(Bucket=bucket, Key=key)
        try:
            return answer["Body"].read()
        except BotoCoreError:
            continue
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _rename_columns(table: pa.Table, name: str) -> pa.Table:
    columns: list[str] = table.column_names
    names = [_RENAMED.get(column, column) for column in columns]
    twice = sorted(column for column, count in Counter(names).items() if count > 1)
    if twice:
        raise CorruptFileError(
            f"{name} has a column twice: {', '.join(twice)}; ask the vendor"
        )
    return pa.table(table.columns, names=names)


def _check_areas(table: pa.Table, name: str) -> pa.Table:
    index = table.schema.get_field_index("poi_ids")
    found = "absent" if index < 0 else str(table.schema.field(index).type)
    if table.num_rows and not found.startswith(_LISTS):
        raise DeliveryRejectedError(
            f"{name}: poi_ids is {found}, not a list of ids, so no row of it finds its "
            "city; ask the vendor for the date again"
        )
    return table
