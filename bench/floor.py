"""The floor of a rewrite: decode a delivery's files, encode the rows the lake will hold.

Usage: `python -m bench.floor TRUTH FOLDER PROCESSES PART PARTS`. No S3, no sorting, no
splitting: each file is decoded and written again, with as many rows more as its rows have
areas more than one. CPU seconds of decoding and of encoding are printed as JSON; nothing
else counts. Files of a delivery are alike: one call takes every PARTS-th of them, from the
PART-th on, and its seconds are scaled up by rows.
"""

import io
import json
import multiprocessing
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.truth import read_truth

ROW_GROUP_ROWS = 250_000


@dataclass(frozen=True)
class Floor:
    """CPU seconds of all processes."""

    rows: int
    """Read."""
    decode_s: float
    encode_s: float

    @property
    def cpu_s(self) -> float:
        """Both."""
        return self.decode_s + self.encode_s


def main() -> None:
    """Rewrite a part of a delivery, in as many processes as asked for."""
    truth = read_truth(Path(sys.argv[1]))
    files = sorted(Path(sys.argv[2]).glob("date=*/*.parquet"))
    files = files[int(sys.argv[4]) :: int(sys.argv[5])]
    rewrite = partial(rewrite_file, copies=truth.rows_written / truth.rows)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(int(sys.argv[3]), mp_context=context) as pool:
        total = add_up(pool.map(rewrite, files))
    scaled = scale_up(total, truth.rows)
    sys.stdout.write(json.dumps(asdict(scaled)))


def rewrite_file(path: Path, copies: float) -> Floor:
    """Decode and encode one file.

    Args:
        path: a delivered file.
        copies: rows to write per row read.
    """
    data = path.read_bytes()
    started = time.process_time()
    file = pq.ParquetFile(pa.BufferReader(data), coerce_int96_timestamp_unit="us")
    table = file.read(use_threads=False)
    decoded = time.process_time()
    rows = table.num_rows
    table = _stretch(table, round(rows * copies))
    sink = io.BytesIO()
    stretched = time.process_time()
    pq.write_table(table, sink, compression="snappy", row_group_size=ROW_GROUP_ROWS)
    return Floor(rows, decoded - started, time.process_time() - stretched)


def add_up(parts: Iterable[Floor]) -> Floor:
    """Add rows and CPU seconds up."""
    every = [*parts]
    return Floor(
        sum(part.rows for part in every),
        sum(part.decode_s for part in every),
        sum(part.encode_s for part in every),
    )


def scale_up(part: Floor, rows: int) -> Floor:
    """Return what all rows would take, where some took this."""
    ratio = rows / part.rows
    return Floor(rows, part.decode_s * ratio, part.encode_s * ratio)


def _stretch(table: pa.Table, rows: int) -> pa.Table:
    more = rows - table.num_rows
    if more <= 0:
        return table.slice(0, rows)
    return pa.concat_tables([table, table.slice(0, more)])


if __name__ == "__main__":
    main()
