"""Publish city-days atomically, and read them back.

The manifest is the switch: parts under new names first, then the manifest in one PUT,
then every other part goes. A crash at any point leaves the old day or the new one; the
next publish of that city-day removes what the crash left. Two processes that publish the
same vendor job's city-day at once write the same bytes under the same names; `land.py`
sees to it that an older job's rows are not published once the ledger has moved on.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ConfigurationError, ManifestError, UsageError
from mobility_pipeline.lake.describe import describe_city_day
from mobility_pipeline.lake.manifest import Manifest, ManifestFile, Source
from mobility_pipeline.lake.parts import MAX_PART_BYTES, Part, encode_parts
from mobility_pipeline.lake.paths import MANIFEST_NAME
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.landing.storage import storage_errors
from mobility_pipeline.schemas.pings import PING_SCHEMAS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from mobility_pipeline.landing.split import SplitDate
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


class Lake:
    """The city-days of one feed in its bucket."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def require_access(self) -> None:
        """Look into the bucket, before something is bought that should go there.

        Raises:
            StorageForbiddenError: no such bucket, or not allowed to list it.
            StorageError: S3 failed after its own retries.
        """
        with storage_errors(f"looking into the lake's bucket {self._bucket}"):
            self._s3.list_objects_v2(Bucket=self._bucket, MaxKeys=1)

    def uri(self, city_day: CityDay) -> str:
        """Return the `s3://` address of a city-day's folder."""
        return self._store(city_day).uri

    def read_manifest(self, city_day: CityDay) -> Manifest | None:
        """Return what the lake holds of a city-day, or None where nothing is published.

        Raises:
            ManifestError: there is something, but not that city-day's manifest.
            StorageError: S3 failed after its own retries.
            StorageForbiddenError: no such bucket, or not allowed to read it.
        """
        data = self._store(city_day).get(MANIFEST_NAME)
        return None if data is None else Manifest.from_json(data, city_day)

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
        table: pa.Table,
        source: Source,
        *,
        cast_failures: int = 0,
        rejected: Mapping[str, int] | None = None,
        max_part_bytes: int = MAX_PART_BYTES,
    ) -> Published:
        """Make a table the content of a city-day; repeating it changes no object.

        Args:
            feed: the feed's name.
            city_day: what the rows are.
            table: all rows, in stored order; none = the day is known to be empty.
            source: what they were made from.
            cast_failures: cells of `table` that could not be cast.
            rejected: reason -> rows of the whole (job, date).
            max_part_bytes: where one file becomes several.

        Raises:
            ConfigurationError: another feed's city-day stands there.
            StorageError: S3 failed; the old day or the new one stands, publish again.
            StorageForbiddenError: no such bucket, or not allowed to write it.
        """
        parts = encode_parts(table, max_part_bytes)
        manifest = describe_city_day(
            feed,
            city_day,
            table,
            [part.file for part in parts],
            source,
            cast_failures=cast_failures,
            rejected=rejected or {},
        )
        store = self._store(city_day)
        stored = store.list_sizes()
        old_data = store.get(MANIFEST_NAME) if MANIFEST_NAME in stored else None
        old = _read_old(old_data, city_day, feed)
        _replace(store, stored, old_data, manifest.to_json(), parts)
        changed = old is None or old.files != manifest.files
        return Published(manifest, changed, store.uri)

    def _store(self, city_day: CityDay) -> CityDayStore:
        return CityDayStore(self._s3, self._bucket, city_day)

    def _read_parts(self, city_day: CityDay, manifest: Manifest) -> pa.Table | None:
        store = self._store(city_day)
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
    lake: Lake, split: "SplitDate", city: str, job: "VendorJob"
) -> Published:
    """Publish one city's rows of a split date; an empty table as a day known empty.

    Args:
        lake: where the feed is kept.
        split: the date.
        city: one of its tables.
        job: the vendor job it came from.

    Raises:
        UsageError: the job was never submitted, or has no area for the city.
        ConfigurationError: another feed's city-day stands there.
        StorageError: S3 failed; run it again.
        StorageForbiddenError: no such bucket, or not allowed to write it.
    """
    return lake.publish(
        job.feed,
        CityDay(city, split.date),
        split.tables[city],
        _source(job, city),
        cast_failures=split.cast_failures[city],
        rejected=split.rejected,
    )


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


def _read_old(data: bytes | None, city_day: CityDay, feed: str) -> Manifest | None:
    """Return what stands there; an unreadable manifest is replaced by a good one."""
    try:
        old = None if data is None else Manifest.from_json(data, city_day)
    except ManifestError:
        return None
    if old is not None and old.feed != feed:
        raise ConfigurationError(
            f"{city_day.city} {city_day.date} holds feed {old.feed}, not {feed}: "
            "give each feed its own bucket (S3_BUCKET_<ENDPOINT WORDS>_<SCHEMA>)"
        )
    return old


def _replace(
    store: CityDayStore,
    stored: Mapping[str, int],
    old_manifest: bytes | None,
    new_manifest: bytes,
    parts: Sequence[Part],
) -> None:
    for part in parts:
        if stored.get(part.file.name) != part.file.bytes:
            store.put(part.file.name, part.data, "application/vnd.apache.parquet")
    if new_manifest != old_manifest:
        store.put(MANIFEST_NAME, new_manifest, "application/json")
    current = {part.file.name for part in parts}
    for name in sorted(stored):
        if name.endswith(".parquet") and name not in current:
            store.delete(name)


def _decode(data: bytes, file: ManifestFile, city_day: CityDay) -> pa.Table:
    if hashlib.sha256(data).hexdigest() != file.sha256:
        raise ManifestError(
            f"{file.name} of {city_day.city} {city_day.date} is not the one its "
            "manifest names: request the day again with --refresh"
        )
    return pq.read_table(pa.BufferReader(data))
