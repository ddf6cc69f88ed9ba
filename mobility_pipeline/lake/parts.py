"""Encode a city-day's rows as parquet parts: equal rows of a schema, equal bytes."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from mobility_pipeline.lake.manifest import ManifestFile
from mobility_pipeline.lake.paths import part_name

MAX_PART_BYTES = 256 * 1024 * 1024
ROW_GROUP_ROWS = 250_000


@dataclass(frozen=True)
class Part:
    """One encoded part, not yet stored."""

    file: ManifestFile
    data: bytes


def encode_parts(
    table: pa.Table, max_part_bytes: int = MAX_PART_BYTES
) -> tuple[Part, ...]:
    """Encode rows in their order.

    Args:
        table: rows of one city-day; none gives no part.
        max_part_bytes: a part above it is cut, down to single rows.

    Returns:
        Parts whose rows in order are the table's.
    """
    slices = _encode(table.combine_chunks(), max_part_bytes) if table.num_rows else ()
    return tuple(
        _name_part(number, rows, data) for number, (rows, data) in enumerate(slices)
    )


def _encode(table: pa.Table, max_part_bytes: int) -> Iterator[tuple[int, bytes]]:
    data = _to_parquet(table)
    if len(data) <= max_part_bytes or table.num_rows == 1:
        yield table.num_rows, data
        return
    pieces = -(-len(data) // max_part_bytes)
    step = -(-table.num_rows // pieces)
    for start in range(0, table.num_rows, step):
        yield from _encode(table.slice(start, step), max_part_bytes)


def _to_parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="snappy", row_group_size=ROW_GROUP_ROWS)
    return buffer.getvalue()


def _name_part(number: int, rows: int, data: bytes) -> Part:
    sha256 = hashlib.sha256(data).hexdigest()
    name = part_name(number, sha256)
    return Part(
        ManifestFile(name=name, rows=rows, bytes=len(data), sha256=sha256), data
    )
