"""City-days of derived tables in memory: decoded once, with small counts hidden.

What stands in the lake is looked at again after `FRESH_S`; rows are kept by the digest of
their manifest, so that they are read again only when they changed.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mobility_pipeline.analytics.suppression import hide_small
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.lake.derived_manifest import DerivedManifest
from mobility_pipeline.schemas.derived import DerivedTable
from mobility_pipeline.serving.api.memory import about_to_read

FRESH_S = 5.0
"""Seconds for which what was read of the lake counts as what stands there."""
_ROWS_BYTES = 512 * 2**20
"""Memory for rows; what was not asked for longest goes first."""
_MANIFESTS = 20_000
_READERS = 64


@dataclass(frozen=True)
class Day:
    """A city-day of a derived table, as it may be published.

    Of `device_hours`, which is never published itself, the rows are exact.
    """

    manifest: DerivedManifest
    sha256: str
    """Hex digest of what may be published: it must not tell what may not."""
    rows: pl.DataFrame

    groups: Mapping[tuple[datetime, str], tuple[int, int]]
    """Hour and region -> the first of their rows, and how many; empty without regions."""

    def find(self, hour_at: datetime, region_id: str) -> pl.DataFrame:
        """Return the rows of an hour and region; none where nobody was there."""
        first, length = self.groups.get((hour_at, region_id), (0, 0))
        return self.rows.slice(first, length)


class Days:
    """Reads derived tables; safe to use from several threads."""

    def __init__(
        self, tables: DerivedTables, min_devices: int, now_s: Callable[[], float]
    ) -> None:
        """Begin with nothing in memory.

        Args:
            tables: where they are.
            min_devices: counts of fewer distinct devices are hidden.
            now_s: seconds of a clock that only goes forward.
        """
        self._tables = tables
        self._min_devices = min_devices
        self._now_s = now_s
        self._lock = threading.Lock()
        self._reading = [threading.Lock() for _ in range(_READERS)]
        self._manifests: OrderedDict[
            tuple[str, CityDay], tuple[float, DerivedManifest | None]
        ] = OrderedDict()
        self._days: OrderedDict[tuple[str, CityDay], Day] = OrderedDict()

    def manifest(
        self, table: DerivedTable, city_day: CityDay
    ) -> DerivedManifest | None:
        """Return what stands in the lake; None = nothing was derived.

        Raises:
            ManifestError: it is not readable.
            StorageError: S3 failed.
            StorageForbiddenError: S3 refused.
        """
        key = (table.name, city_day)
        with self._lock:
            read_at, known = self._manifests.get(key, (float("-inf"), None))
        if self._now_s() - read_at < FRESH_S:
            return known
        about_to_read()
        found = self._tables.read_manifest(table, city_day)
        found = known if found == known else found  # rows are kept by the object
        with self._lock:
            self._manifests[key] = (self._now_s(), found)
            self._manifests.move_to_end(key)
            while len(self._manifests) > _MANIFESTS:
                self._manifests.popitem(last=False)
        return found

    def read(self, table: DerivedTable, city_day: CityDay) -> Day | None:
        """Return a city-day as it may be published; None = nothing was derived.

        Raises:
            ManifestError: what stands there is not readable.
            StorageError: S3 failed.
            StorageForbiddenError: S3 refused.
        """
        key = (table.name, city_day)
        with self._lock:
            read_at, manifest = self._manifests.get(key, (float("-inf"), None))
            kept = self._days.get(key)
            if kept and kept.manifest is manifest:
                self._days.move_to_end(key)
                if self._now_s() - read_at < FRESH_S:
                    return kept
        about_to_read()
        with self._reading[hash(key) % _READERS]:  # many ask at once, one reads
            manifest = self.manifest(table, city_day)
            with self._lock:
                kept = self._days.get(key)
            if manifest is None or (kept and kept.manifest is manifest):
                return kept if manifest else None
            day = self._decode(table, city_day)
            self._keep(key, day)
            return day

    def _decode(self, table: DerivedTable, city_day: CityDay) -> Day | None:
        while True:
            manifest = self._tables.read_manifest(table, city_day)
            if manifest is None:
                return None
            rows = self._tables.read(table, city_day)
            # Rows and manifest are two reads: somebody may have published in between.
            if self._tables.read_manifest(table, city_day) == manifest:
                shown = hide_small(rows, table, self._min_devices)
                return Day(manifest, _digest(shown), shown, _find_groups(shown))

    def _keep(self, key: tuple[str, CityDay], day: Day | None) -> None:
        with self._lock:
            self._days.pop(key, None)
            if day is None:
                return
            self._manifests[key] = (self._now_s(), day.manifest)
            self._days[key] = day
            size = sum(kept.rows.estimated_size() for kept in self._days.values())
            while size > _ROWS_BYTES and len(self._days) > 1:
                _, dropped = self._days.popitem(last=False)
                size -= dropped.rows.estimated_size()


def _digest(rows: pl.DataFrame) -> str:
    return hashlib.sha256(rows.write_ipc(None).getbuffer()).hexdigest()


def _find_groups(rows: pl.DataFrame) -> Mapping[tuple[datetime, str], tuple[int, int]]:
    key = ["hour_at", "region_id"]
    if not {*key, "portrait_id"} <= set(rows.columns):
        return {}
    numbered = rows.select(key).with_row_index("row")
    groups = numbered.group_by(key).agg(first=pl.col("row").min(), length=pl.len())
    return {
        (hour_at, region): (first, length)
        for hour_at, region, first, length in groups.iter_rows()
    }
