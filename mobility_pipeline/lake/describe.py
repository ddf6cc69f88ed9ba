"""Measure a city-day's rows for its manifest, while they pass by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.manifest import Manifest, ManifestFile, Source
from mobility_pipeline.schemas.pings import DEVICE_COLUMNS


class Measure:
    """What a manifest says of rows, whatever chunks they come in."""

    def __init__(self) -> None:
        self.rows = 0
        self.first_ping_at: datetime | None = None
        self.last_ping_at: datetime | None = None
        self._devices: list[pa.Array] = []

    def watch(self, chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """Yield chunks as they are, and measure them."""
        for chunk in chunks:
            self.rows += chunk.num_rows
            self._devices.append(_distinct_devices(chunk))
            times = pc.min_max(chunk.column("utc_timestamp"))
            if times["min"].is_valid:
                first, last = times["min"].as_py(), times["max"].as_py()
                self.first_ping_at = min(first, self.first_ping_at or first)
                self.last_ping_at = max(last, self.last_ping_at or last)
            yield chunk

    @property
    def devices(self) -> int:
        """Count distinct devices; a ping without any id is nobody's."""
        ids = pa.chunked_array(self._devices, pa.string())
        return pc.count_distinct(ids, mode="only_valid").as_py()


def describe_city_day(
    feed: str,
    city_day: CityDay,
    measure: Measure,
    files: Sequence[ManifestFile],
    source: Source,
    *,
    cast_failures: int,
    rejected: Mapping[str, int],
) -> Manifest:
    """Make the manifest of a city-day.

    Args:
        feed: the feed's name.
        city_day: what the rows are.
        measure: of all its rows.
        files: the parts they are stored in.
        source: what they were made from.
        cast_failures: cells of the rows that could not be cast.
        rejected: reason -> rows of the whole (job, date).
    """
    return Manifest(
        feed=feed,
        city=city_day.city,
        date=city_day.date,
        state="delivered" if files else "empty",
        rows=measure.rows,
        devices=measure.devices,
        bytes=sum(file.bytes for file in files),
        first_ping_at=measure.first_ping_at,
        last_ping_at=measure.last_ping_at,
        files=tuple(files),
        source=source,
        cast_failures=cast_failures,
        rejected=rejected,
    )


def _distinct_devices(chunk: pa.Table) -> pa.Array:
    ids = pc.coalesce(*(chunk.column(name) for name in DEVICE_COLUMNS))
    # Sorted rows have a device's pings together: runs are cheaper to find than hashes.
    return pc.run_end_encode(ids.combine_chunks()).values
