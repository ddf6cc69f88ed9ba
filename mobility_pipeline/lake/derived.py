"""Derived tables in the lake: written as city-days are, atomically, and read back.

Objects: `analytics/<table>/<city key>/date=YYYY-MM-DD/part-NNNNN-<8 hex>.snappy.parquet`
and `_manifest.json`, in the bucket that analytics writes to.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError, SchemaError
from mobility_pipeline.lake.derived_manifest import DerivedManifest, Origin
from mobility_pipeline.lake.manifest import (
    ManifestFile,
)
from mobility_pipeline.lake.parts import PartsEncoder
from mobility_pipeline.lake.paths import MANIFEST_NAME, table_folder
from mobility_pipeline.lake.publish import READ_ATTEMPTS
from mobility_pipeline.lake.replace import find_whole, replace_parts
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.schemas.derived import DerivedTable

if TYPE_CHECKING:
    from mobility_pipeline.landing.storage import Bucket

_ROW_GROUP_ROWS = 262_144


@dataclass(frozen=True)
class DerivedPublished:
    """A city and day of a derived table that now stands in the lake."""

    manifest: DerivedManifest
    changed: bool
    """Whether its parts are other ones than before."""
    uri: str
    """Its folder."""


class DerivedTables:
    """The derived tables of all cities in one bucket.

    Every method raises StorageError where S3 failed, after its own retries, and
    StorageForbiddenError where there is no such bucket or we may not use it.
    """

    def __init__(self, bucket: "Bucket") -> None:
        self._bucket = bucket

    def write(
        self, table: DerivedTable, city_day: CityDay, rows: pl.DataFrame, origin: Origin
    ) -> DerivedPublished:
        """Make rows the content of a city and day; repeating it changes no object.

        Args:
            table: which one.
            city_day: city, and the table's day.
            rows: its columns, in any order.
            origin: what they were made from.

        Raises:
            SchemaError: the rows are not the table's.
        """
        content = conform(rows, table)
        store = self._store(table, city_day)
        with PartsEncoder(table.schema, None) as encoder:
            parts = [*encoder.encode(_row_groups(content))]
            files = tuple(part.file for part in parts)
            manifest = _describe(table, city_day, files, origin)
            payloads = {part.file.name: part.data for part in parts}
            old = replace_parts(store, manifest, payloads, _read_or_none)
        changed = old is None or old.files != files
        return DerivedPublished(manifest, changed, store.uri)

    def find(self, table: DerivedTable, city_day: CityDay) -> DerivedPublished | None:
        """Return what stands there whole, where publishing it left nothing undone."""
        store = self._store(table, city_day)
        manifest = find_whole(store, _read_or_none)
        if manifest is None:
            return None
        return DerivedPublished(manifest, changed=False, uri=store.uri)

    def uri(self, table: DerivedTable, city_day: CityDay) -> str:
        """Return the `s3://` address of a city and day."""
        return self._store(table, city_day).uri

    def read_manifest(
        self, table: DerivedTable, city_day: CityDay
    ) -> DerivedManifest | None:
        """Return what stands there of a city and day; None = nothing was derived.

        Raises:
            ManifestError: there is something, but not that manifest.
        """
        data = self._store(table, city_day).get(MANIFEST_NAME)
        return None if data is None else _read(data, table, city_day)

    def read(self, table: DerivedTable, city_day: CityDay) -> pl.DataFrame:
        """Return the rows of a city and day, sorted by the table's key.

        Raises:
            ManifestError: nothing was derived, or the parts are not the manifest's.
        """
        store = self._store(table, city_day)
        for _ in range(READ_ATTEMPTS):
            manifest = self.read_manifest(table, city_day)
            if manifest is None:
                raise ManifestError(
                    f"{table.name} of {city_day.city} {city_day.date} was not derived: "
                    f"`mobility derive --from {city_day.date} --to {city_day.date} "
                    f"--city {city_day.city}`"
                )
            parts = [store.get(file.name) for file in manifest.files]
            whole = [part for part in parts if part is not None]
            if len(whole) == len(parts):
                return _decode(table, manifest, whole)
        raise ManifestError(
            f"{table.name} of {city_day.city} {city_day.date} lacks parts its manifest "
            "names: derive it again"
        )

    def _store(self, table: DerivedTable, city_day: CityDay) -> CityDayStore:
        return CityDayStore(self._bucket, city_day, table_folder(table.name))


def empty_rows(table: DerivedTable) -> pl.DataFrame:
    """Return the table without rows."""
    return _to_polars(table.schema.empty_table())


def conform(rows: pl.DataFrame, table: DerivedTable) -> pa.Table:
    """Return rows as they are stored: the table's columns and types, sorted by its key.

    Raises:
        SchemaError: a column is missing or of another type, a required cell is null, or
            two rows have the same key.
    """
    names = table.schema.names
    if missing := set(names) - set(rows.columns):
        raise SchemaError(f"{table.name} lacks its columns {sorted(missing)}")
    content = rows.select(names).sort(table.key)
    for column in table.schema:
        if not column.nullable and content[column.name].null_count():
            raise SchemaError(f"{table.name}.{column.name} has nulls")
    if content.select(table.key).is_duplicated().any():
        raise SchemaError(f"{table.name} has rows of the same {', '.join(table.key)}")
    try:
        return content.to_arrow().cast(table.schema)
    except pa.ArrowInvalid as error:
        raise SchemaError(f"{table.name} has cells of another type: {error}") from None


def _row_groups(content: pa.Table) -> Iterator[pa.Table]:
    for start in range(0, content.num_rows, _ROW_GROUP_ROWS):
        yield content.slice(start, _ROW_GROUP_ROWS)


def _describe(
    table: DerivedTable,
    city_day: CityDay,
    files: tuple[ManifestFile, ...],
    origin: Origin,
) -> DerivedManifest:
    return DerivedManifest(
        table=table.name,
        method_version=table.version,
        city=city_day.city,
        date=city_day.date,
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
        files=files,
        inputs=tuple(sorted(origin.inputs, key=lambda found: found.uri)),
        regions=origin.regions,
        observed_hours=tuple(origin.observed_hours),
        expected_hours_count=origin.expected_hours_count,
        dropped=origin.dropped,
    )


def _read_or_none(data: bytes) -> DerivedManifest | None:
    """Return what stands there; what is not readable vouches for nothing."""
    try:
        return DerivedManifest.model_validate_json(data)
    except ValidationError:
        return None


def _read(data: bytes, table: DerivedTable, city_day: CityDay) -> DerivedManifest:
    manifest = _read_or_none(data)
    day = CityDay(manifest.city, manifest.date) if manifest else None
    if manifest is None or (manifest.table, day) != (table.name, city_day):
        raise ManifestError(
            f"the manifest of {table.name} of {city_day.city} {city_day.date} is not "
            "readable, or another one's: derive it again"
        )
    return manifest


def _decode(
    table: DerivedTable, manifest: DerivedManifest, parts: Sequence[bytes]
) -> pl.DataFrame:
    tables = [table.schema.empty_table()]
    for file, data in zip(manifest.files, parts, strict=True):
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise ManifestError(
                f"{file.name} of {table.name} of {manifest.city} {manifest.date} is not "
                "the one its manifest names: derive it again"
            )
        tables.append(pq.read_table(pa.BufferReader(data)))
    return _to_polars(pa.concat_tables(tables))


def _to_polars(table: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(table))
