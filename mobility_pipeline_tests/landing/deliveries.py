"""Deliveries in memory, the ways to split them, and what comes out."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import gettempdir

import obstore
import pyarrow as pa
import pytest
from obstore.store import MemoryStore

from mobility_pipeline.lake.parts import Part, PartsEncoder
from mobility_pipeline.landing import read, split
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.shuffle import HeldBucket, SpilledBucket
from mobility_pipeline.landing.split import Means, SplitDate, split_date
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.vendor.request import Area
from mobility_pipeline_tests.landing.oracle import Row
from mobility_pipeline_tests.landing.store import (
    AREAS,
    CITIES,
    JOB_PREFIX,
    to_parquet,
)

DAY = date(2024, 5, 1)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
FEED = "pings_full"


@dataclass(frozen=True)
class Way:
    """How a date is split: nothing of it may show in what comes out."""

    memory_bytes: int = 2**30
    threads: int = 1
    large_file_bytes: int = read.LARGE_FILE_BYTES
    batch_files: int = read.BATCH_FILES
    window_rows: int = read.WINDOW_ROWS
    window_bytes: int = read.WINDOW_BYTES


@dataclass(frozen=True)
class Wanted:
    """What is asked of a delivery."""

    areas: Sequence[Area] = AREAS
    cities: Collection[str] = CITIES
    feed: str = FEED
    folder: Path = Path(gettempdir())
    """Where rows wait that do not fit into memory."""


WANTED = Wanted()


def hold_files(files: Sequence[bytes]) -> Bucket:
    """Make a bucket with the files of a job's one date, without any server."""
    store = MemoryStore()
    for number, data in enumerate(files):
        path = f"{JOB_PREFIX}date={DAY}/part-{number:05d}.parquet"
        obstore.put(store, path, data)
    return Bucket("vendor", lambda _: store)


@contextmanager
def splitting(
    files: Sequence[bytes], way: Way | None = None, wanted: Wanted = WANTED
) -> Iterator[SplitDate]:
    """Split the files of one date, and keep what came of it until the block's end."""
    way = way or Way()
    bucket = hold_files(files)
    delivery = list_delivery(bucket, JOB_PREFIX)
    means = Means(way.memory_bytes, way.threads, wanted.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "LARGE_FILE_BYTES", way.large_file_bytes)
        patch.setattr(read, "BATCH_FILES", way.batch_files)
        patch.setattr(read, "WINDOW_ROWS", way.window_rows)
        patch.setattr(read, "WINDOW_BYTES", way.window_bytes)
        result = split_date(
            bucket, delivery, DAY, wanted.feed, wanted.areas, wanted.cities, means
        )
    try:
        yield result
    finally:
        result.close()


@contextmanager
def splitting_tables(*tables: pa.Table, wanted: Wanted = WANTED) -> Iterator[SplitDate]:
    """Split tables as a file each."""
    with splitting([to_parquet(table) for table in tables], wanted=wanted) as result:
        yield result


def read_tables(result: SplitDate) -> dict[str, pa.Table]:
    """Return each city's rows as plain tables."""
    none = result.schema.empty_table()
    return {
        city: pa.concat_tables([none, *(chunk.cast(result.schema) for chunk in chunks)])
        for group in result.groups
        for city, chunks in result.read(group)
    }


def read_rows(result: SplitDate) -> dict[str, list[Row]]:
    """Return each city's rows as Python values."""
    return {city: table.to_pylist() for city, table in read_tables(result).items()}


def encode(result: SplitDate, chunk_rows: int) -> dict[str, list[str]]:
    """Return the sha256 of each city's parts, cut after some rows each."""
    parts: dict[str, list[str]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(split, "CHUNK_ROWS", chunk_rows)
        for group in result.groups:
            for city, chunks in result.read(group):
                with PartsEncoder(result.schema, None) as encoder:
                    parts[city] = [_sha256(part) for part in encoder.encode(chunks)]
    return parts


def _sha256(part: Part) -> str:
    part.data.seek(0)
    sha256 = hashlib.sha256(part.data.read()).hexdigest()
    assert part.file.sha256 == sha256
    return sha256


def name_paths(result: SplitDate) -> set[str]:
    """Say where rows waited: `held`, `spilled`, or `cut again` after that."""
    buckets = [bucket for group in result.groups for bucket in group.rows.buckets]
    return {_name_path(bucket, result) for bucket in buckets} - {""}


def _name_path(bucket: HeldBucket | SpilledBucket, result: SplitDate) -> str:
    tables = sum(1 for _ in bucket.read(result._packed_schema))
    if isinstance(bucket, HeldBucket):
        return "held" if tables else ""
    return ("", "spilled")[tables] if tables < 2 else "cut again"


def make_pings(
    rows: Sequence[tuple[str | None, Sequence[str | None] | None]],
) -> pa.Table:
    """Make pings of (device, area ids)."""
    return pa.table(
        {
            "ad_id": pa.array([row[0] for row in rows], pa.string()),
            "utc_timestamp": pa.array([NOON] * len(rows), pa.timestamp("us", "UTC")),
            "poi_ids": pa.array([row[1] for row in rows], pa.list_(pa.string())),
        }
    )
