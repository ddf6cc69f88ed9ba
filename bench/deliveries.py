"""Deliveries on disk, where the S3 server serves them: made once per shape, then kept.

Layout: `<store>/<bucket>/output/Bench/<job id>/date=YYYY-MM-DD/part-…-c000.snappy.parquet`,
`_SUCCESS` beside the parts and at the top, as Spark leaves them. What landing has to make
of a delivery lies outside the store, in `truth/<job id>.json`.
"""

import argparse
import multiprocessing
import shutil
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.areas import make_cities
from bench.people import make_rng
from bench.rows import make_rows, to_text_coordinates
from bench.shapes import SHAPES, Shape
from bench.truth import (
    HOME,
    Truth,
    delivery_path,
    read_truth,
    truth_path,
    write_truth,
)

TEXT_FILES = 10
"""Among small files every tenth has coordinates as text."""


@dataclass(frozen=True)
class _Task:
    """What one process makes at a time: one big file, or the small files of a date."""

    shape: Shape
    date_number: int
    file_numbers: range
    rows: int
    folder: Path


@dataclass(frozen=True)
class _Done:
    date_number: int
    bytes: int
    rows_by_area: np.ndarray
    rejected: int


def ensure_delivery(shape: Shape, home: Path = HOME) -> Truth:
    """Return what a delivery holds; generate it first, unless it was before."""
    known, folder = truth_path(shape.key, home), delivery_path(shape.key, home)
    if known.exists() and folder.exists():
        return read_truth(known)
    building = home / "building" / shape.key
    shutil.rmtree(building, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    truth = _generate(shape, building)
    write_truth(truth, known)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building.rename(folder)
    return truth


def _generate(shape: Shape, folder: Path) -> Truth:
    started = time.perf_counter()
    tasks = _plan(shape, folder)
    for day in shape.days:
        (folder / f"date={day}").mkdir(parents=True)
        (folder / f"date={day}" / "_SUCCESS").touch()
    (folder / "_SUCCESS").touch()
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        done = list(pool.map(_run, tasks))
    return _sum_up(shape, done, time.perf_counter() - started)


def _plan(shape: Shape, folder: Path) -> list[_Task]:
    tasks: list[_Task] = []
    for number, (files, rows) in enumerate(
        zip(shape.files_by_date, shape.rows_by_date, strict=True)
    ):
        if shape.has_small_files:
            tasks.append(_Task(shape, number, range(files), rows, folder))
            continue
        ends = np.linspace(0, rows, files + 1).astype(int)
        tasks += [
            _Task(shape, number, range(i, i + 1), int(ends[i + 1] - ends[i]), folder)
            for i in range(files)
        ]
    return tasks


def _run(task: _Task) -> _Done:
    shape, number = task.shape, task.date_number
    pa.set_cpu_count(1)
    rng = make_rng(shape.seed, shape.areas, 3, number, task.file_numbers.start)
    rows = make_rows(shape, number, task.rows, rng)
    folder = task.folder / f"date={shape.days[number]}"
    bytes_written = 0
    for file, table in zip(task.file_numbers, _cut(task, rows.table), strict=True):
        if shape.has_small_files and file % TEXT_FILES == 3:
            table = to_text_coordinates(table)
        path = folder / _file_name(shape, number, file)
        _write(table, path)
        bytes_written += path.stat().st_size
    return _Done(number, bytes_written, rows.rows_by_area, rows.rejected)


def _cut(task: _Task, table: pa.Table) -> list[pa.Table]:
    """Cut a date into files of very different sizes, none of them empty."""
    count = len(task.file_numbers)
    rng = make_rng(task.shape.seed, 4, task.date_number)
    weights = np.cumsum(rng.lognormal(0, 0.5, count))
    spare = table.num_rows - count
    ends = (weights / weights[-1] * spare).astype(int) + np.arange(1, count + 1)
    starts = [0, *ends[:-1]]
    return [
        table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)
    ]


def _file_name(shape: Shape, date_number: int, file: int) -> str:
    """Name a part; the numbers have holes, as the vendor's have."""
    write_id = UUID(bytes=make_rng(shape.seed, 5, date_number).bytes(16), version=4)
    return f"part-{file * 5 // 2:05d}-{write_id}-c000.snappy.parquet"


def _write(table: pa.Table, path: Path) -> None:
    pq.write_table(
        table,
        path,
        compression="snappy",
        row_group_size=table.num_rows,
        use_deprecated_int96_timestamps=True,
        store_schema=False,
        version="1.0",
    )


def _sum_up(shape: Shape, done: list[_Done], seconds: float) -> Truth:
    keys = [city.key for city in make_cities(shape.areas)]
    by_date = np.zeros((shape.dates, shape.areas), dtype=np.int64)
    rejected = dict.fromkeys(map(str, shape.days), 0)
    for part in done:
        by_date[part.date_number] += part.rows_by_area
        rejected[str(shape.days[part.date_number])] += part.rejected
    return Truth(
        job_id=shape.key,
        files=shape.files,
        bytes=sum(part.bytes for part in done),
        rows=shape.rows,
        rows_written=int(by_date.sum()),
        rejected=rejected,
        rows_by_city_day={
            f"{key} {day}": int(by_date[number, code])
            for number, day in enumerate(shape.days)
            for code, key in enumerate(keys)
        },
        generated_s=round(seconds, 1),
    )


def main() -> None:
    """Generate deliveries by name."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.deliveries", description=main.__doc__
    )
    parser.add_argument("names", nargs="+", choices=[*SHAPES])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    arguments = parser.parse_args()
    for name in arguments.names:
        truth = ensure_delivery(SHAPES[name].scaled(arguments.scale))
        print(
            f"{delivery_path(truth.job_id)}: {truth.files} files of "
            f"{truth.bytes / truth.files:,.0f} bytes, {truth.rows:,} rows of "
            f"{truth.bytes / truth.rows:.0f} bytes, {truth.rows_written:,} written, "
            f"{sum(truth.rejected.values()):,} rejected, {truth.generated_s} s"
        )


if __name__ == "__main__":
    main()
