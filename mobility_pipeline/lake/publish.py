"""Publish city-days atomically, and read them back.

`replace.py` says why a crash leaves the old day or the new one; `land.py` sees to it that
an older job's rows are not published once the ledger has moved on.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError, UsageError
from mobility_pipeline.lake.describe import Measure, describe_city_day
from mobility_pipeline.lake.manifest import Manifest, ManifestFile, Source
from mobility_pipeline.lake.parts import MAX_PART_BYTES, PartsEncoder
from mobility_pipeline.lake.paths import MANIFEST_NAME
from mobility_pipeline.lake.replace import find_complete, replace_city_day
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.schemas.pings import PING_SCHEMAS

if TYPE_CHECKING:
    from mobility_pipeline.landing.split import SplitDate
    from mobility_pipeline.landing.storage import Bucket
    from mobility_pipeline.vendor.records import VendorJob

READ_ATTEMPTS = 3
"""A part may be replaced between reading the manifest and reading the part."""


@dataclass(frozen=True)
class Published:
    """A city-day that now stands in the lake."""

    manifest: Manifest
    changed: bool
    """Whether its parts are other ones than before."""
    uri: str
    """The city-day's folder."""
    rows_before: int | None = None
    """Rows of the day it replaced; null where none stood there, or it is unchanged."""
    rows_in_date: int | None = None
    """Rows delivered for the whole (job, date), each attributed or rejected; null where a
    run that died had published the day."""


class Lake:
    """The city-days of one feed in its bucket."""

    def __init__(self, bucket: "Bucket", folder: Path | None = None) -> None:
        """Make a lake.

        Args:
            bucket: the feed's.
            folder: where large parts wait until they are stored; None = where the system
                keeps temporary files.
        """
        self._bucket = bucket
        self._folder = folder

    def require_access(self) -> None:
        """Look into the bucket, before something is bought that should go there.

        Raises:
            StorageForbiddenError: no such bucket, or not allowed to list it.
            StorageError: S3 failed after its own retries.
        """
        doing = f"looking into the lake's bucket {self._bucket.name}"
        next(self._bucket.list_files("data", doing), None)

    def uri(self, city_day: CityDay) -> str:
        """Return the `s3://` address of a city-day's folder."""
        return self.store(city_day).uri

    def read_manifest(self, city_day: CityDay) -> Manifest | None:
        """Return what the lake holds of a city-day, or None where nothing is published.

        Raises:
            ManifestError: there is something, but not that city-day's manifest.
            StorageError: S3 failed after its own retries.
            StorageForbiddenError: no such bucket, or not allowed to read it.
        """
        data = self.store(city_day).get(MANIFEST_NAME)
        return None if data is None else Manifest.from_json(data, city_day)

    def find_complete(self, city_day: CityDay) -> Manifest | None:
        """Return the manifest of a city-day whose publish left nothing undone.

        Raises:
            StorageError: S3 failed after its own retries.
            StorageForbiddenError: no such bucket, or not allowed to read it.
        """
        return find_complete(self.store(city_day), city_day)

    def read(self, city_day: CityDay) -> pa.Table:
        """Return a city-day's rows, sorted, as its manifest names them.

        Raises:
            ManifestError: nothing is published, or the parts are not the manifest's.
            StorageError: S3 failed after its own retries.
            StorageForbiddenError: no such bucket, or not allowed to read it.
        """
        for _ in range(READ_ATTEMPTS):
            manifest = self.read_manifest(city_day)
            if manifest is None:
                raise ManifestError(
                    f"{city_day.city} {city_day.date} is not in the lake: request it"
                )
            table = self._read_parts(city_day, manifest)
            if table is not None:
                return table
        raise ManifestError(
            f"{city_day.city} {city_day.date} lacks parts its manifest names: "
            "request the day again with --refresh"
        )

    def publish(
        self,
        feed: str,
        city_day: CityDay,
        chunks: Iterable[pa.Table],
        source: Source,
        *,
        schema: pa.Schema | None = None,
        cast_failures: int = 0,
        rejected: Mapping[str, int] | None = None,
        max_part_bytes: int = MAX_PART_BYTES,
    ) -> Published:
        """Make rows the content of a city-day; repeating it changes no object.

        Args:
            feed: the feed's name.
            city_day: what the rows are.
            chunks: all rows, in stored order; each becomes a row group. None = the day is
                known to be empty. What they raise leaves the city-day as it is.
            source: what they were made from.
            schema: of the rows; None = as the feed declares.
            cast_failures: cells of the rows that could not be cast.
            rejected: reason -> rows of the whole (job, date).
            max_part_bytes: where one file becomes several.

        Raises:
            ConfigurationError: another feed's city-day stands there.
            StorageError: S3 failed; the old day or the new one stands, publish again.
            StorageForbiddenError: no such bucket, or not allowed to write it.
        """
        measure = Measure()
        store = self.store(city_day)
        schema = schema or PING_SCHEMAS[feed]
        with PartsEncoder(schema, self._folder, max_part_bytes) as encoder:
            parts = [*encoder.encode(measure.watch(chunks))]
            manifest = describe_city_day(
                feed,
                city_day,
                measure,
                [part.file for part in parts],
                source,
                cast_failures=cast_failures,
                rejected=rejected or {},
            )
            payloads = {part.file.name: part.data for part in parts}
            old = replace_city_day(store, manifest, payloads)
        changed = old is None or old.files != manifest.files
        rows_before = old.rows if old is not None and changed else None
        return Published(manifest, changed, store.uri, rows_before)

    def store(self, city_day: CityDay) -> CityDayStore:
        """Return the objects of a city-day."""
        return CityDayStore(self._bucket, city_day)

    def _read_parts(self, city_day: CityDay, manifest: Manifest) -> pa.Table | None:
        store = self.store(city_day)
        tables: list[pa.Table] = []
        for file in manifest.files:
            data = store.get(file.name)
            if data is None:
                return None
            tables.append(_decode(data, file, city_day))
        if not tables:
            return PING_SCHEMAS[manifest.feed].empty_table()
        return pa.concat_tables(tables)


def publish_city(
    lake: Lake,
    split: "SplitDate",
    city: str,
    chunks: Iterable[pa.Table],
    job: "VendorJob",
) -> Published:
    """Publish one city's rows of a split date; none as a day known to be empty.

    Args:
        lake: where the feed is kept.
        split: the date.
        city: one of its cities.
        chunks: the city's rows.
        job: the vendor job it came from.

    Raises:
        UsageError: the job was never submitted, or has no area for the city.
        ConservationError: the split lost rows.
        ConfigurationError: another feed's city-day stands there.
        StorageError: S3 failed; run it again.
        StorageForbiddenError: no such bucket, or not allowed to write it.
    """
    published = lake.publish(
        job.feed,
        CityDay(city, split.date),
        chunks,
        _source(job, city),
        schema=split.schema,
        cast_failures=split.cast_failures[city],
        rejected=split.rejected,
    )
    return replace(published, rows_in_date=split.rows_in)


def _source(job: "VendorJob", city: str) -> Source:
    area = job.area_of(city)
    if job.job_id is None or area is None:
        raise UsageError(f"{job.name} cannot have delivered {city}: it was not asked")
    return Source(
        job_id=job.job_id,
        request_sha256=job.request_sha256,
        area_id=area.area_id,
        boundary_sha256=area.boundary_sha256,
    )


def _decode(data: bytes, file: ManifestFile, city_day: CityDay) -> pa.Table:
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ManifestError(
            f"{file.name} of {city_day.city} {city_day.date} is not the one its "
            "manifest names: delete it and request the day again with --refresh"
        )
    return pq.read_table(pa.BufferReader(data))
