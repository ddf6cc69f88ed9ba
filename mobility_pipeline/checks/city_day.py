"""Judge one city-day as it lies in the lake, a row group at a time."""

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from os import SEEK_END
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from mobility_pipeline.checks import day, duplicates, objects, place, schema
from mobility_pipeline.checks.finding import Finding, failed
from mobility_pipeline.checks.objects import manifest_matches_objects
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import READ_ATTEMPTS, Lake
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.schemas.pings import PING_SCHEMAS

_COLUMNS = (*duplicates.COLUMNS[:2], *place.COLUMNS)
_HELD_BYTES = 16 * 2**20
"""A larger part waits on disk while it is read."""
_BATCH_ROWS = 125_000


@dataclass(frozen=True)
class Judged:
    """What was found about a city-day."""

    findings: tuple[Finding, ...]
    """One per check; only `manifest_matches_objects` where that did not pass, as rows that
    are not the manifest's say nothing."""
    manifest: Manifest | None
    """That was judged by; null where nothing is published."""


def judge_city_day(
    lake: Lake,
    city_day: CityDay,
    city: City | None,
    folder: Path | None = None,
    *,
    landed: Manifest | None = None,
) -> Judged:
    """Read a city-day's objects once, and judge them and their rows.

    Takes the memory of a row group, however large the city-day is.

    Args:
        lake: where it is published.
        city_day: which.
        city: as the registry has it; null where it has none.
        folder: where a large part waits; None = the system's for temporary files.
        landed: its manifest, where a landing has just left it so: that has listed the
            folder, and deleted what the manifest does not name. The parts are read.

    Raises:
        ManifestError: its manifest is not readable.
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: no such bucket, or not allowed to read it.
    """
    store = lake.store(city_day)
    if landed is not None:
        found = _judge(store, landed, city, folder, is_listed=True)
        if found[0].passed:
            return Judged(tuple(found), landed)
    found = [failed(objects.NAME, "nothing is published; request the day", {})]
    manifest = None
    for _ in range(READ_ATTEMPTS):
        before, manifest = manifest, lake.read_manifest(city_day)
        # A day that is replaced while it is read is read again.
        if manifest is None or manifest == before:
            break
        found = _judge(store, manifest, city, folder)
        if found[0].passed:
            break
    return Judged(tuple(found), manifest)


def _judge(
    store: CityDayStore,
    manifest: Manifest,
    city: City | None,
    folder: Path | None,
    *,
    is_listed: bool = False,
) -> list[Finding]:
    where = str(folder) if folder and folder.is_dir() else None
    with ExitStack() as opened:
        sizes = {} if is_listed else store.list_sizes()
        files: list[IO[bytes]] = []
        digests: dict[str, str] = {}
        for part in manifest.files:
            file = opened.enter_context(
                tempfile.SpooledTemporaryFile(_HELD_BYTES, dir=where)
            )
            if store.download(part.name, file):
                sizes[part.name] = file.seek(0, SEEK_END)
                digests[part.name] = _digest(file)
                files.append(file)
            else:
                sizes.pop(part.name, None)
        matching = manifest_matches_objects(manifest, sizes, digests)
        if not matching.passed:
            return [matching]
        return [matching, *_judge_rows(files, manifest, city)]


def _digest(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]  # the stubs' IO lacks `readinto`


def _judge_rows(
    files: list[IO[bytes]], manifest: Manifest, city: City | None
) -> Iterator[Finding]:
    declared = PING_SCHEMAS[manifest.feed]
    tables = [pq.ParquetFile(file) for file in files]
    by_file = [schema.matches_schema(t.schema_arrow, declared) for t in tables]
    shape = next((finding for finding in by_file if not finding.passed), None)
    yield shape or (by_file or [schema.matches_schema(declared, declared)])[0]
    if shape is not None and not _can_be_judged(tables, declared):
        for name in (place.NAME, duplicates.NAME, day.NAME):
            yield failed(name, f"not judged: {shape.message}", {})
        return
    moved = place.other_boundary(manifest.source.boundary_sha256, city)
    boundary = None if moved else city
    places, dates, pings = (
        place.PlaceCount(),
        day.DateCount(),
        duplicates.DuplicateCounter(),
    )
    for table in tables:
        for batch in _batches(table):
            if boundary is not None:
                places += place.count_inside(batch, boundary)
            dates += day.count_on_date(batch, manifest.date)
            pings.watch(batch)
    yield moved or place.inside_area(places)
    yield duplicates.unique_pings(pings.count)
    yield day.utc_date_matches(dates)


def _can_be_judged(tables: list[pq.ParquetFile], declared: pa.Schema) -> bool:
    return all(
        name in table.schema_arrow.names
        and table.schema_arrow.field(name).type == declared.field(name).type
        for table in tables
        for name in _COLUMNS
    )


def _batches(table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    yield from table.iter_batches(batch_size=_BATCH_ROWS, columns=list(_COLUMNS))
