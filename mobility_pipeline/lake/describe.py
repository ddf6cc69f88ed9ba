"""Measure a city-day's rows for its manifest."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.manifest import Manifest, ManifestFile, Source
from mobility_pipeline.schemas.pings import DEVICE_COLUMNS


def describe_city_day(
    feed: str,
    city_day: CityDay,
    table: pa.Table,
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
        table: all its rows, under the feed's schema.
        files: the parts they are stored in.
        source: what they were made from.
        cast_failures: cells of `table` that could not be cast.
        rejected: reason -> rows of the whole (job, date).
    """
    times = pc.min_max(table.column("utc_timestamp"))
    return Manifest(
        feed=feed,
        city=city_day.city,
        date=city_day.date,
        state="delivered" if files else "empty",
        rows=table.num_rows,
        devices=count_devices(table),
        bytes=sum(file.bytes for file in files),
        first_ping_at=times["min"].as_py(),
        last_ping_at=times["max"].as_py(),
        files=tuple(files),
        source=source,
        cast_failures=cast_failures,
        rejected=rejected,
    )


def count_devices(table: pa.Table) -> int:
    """Count distinct devices; a ping without any id is nobody's."""
    ids = pc.coalesce(*(table.column(name) for name in DEVICE_COLUMNS))
    return pc.count_distinct(ids, mode="only_valid").as_py()
