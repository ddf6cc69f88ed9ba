"""From settings to pictures of what was derived, with few devices hidden."""

from datetime import date

import polars as pl

from mobility_pipeline.analytics.pictures import (
    draw_flows,
    draw_presence_map,
    write_hour,
)
from mobility_pipeline.analytics.suppression import hide_od, hide_presence
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.errors import NoDataError
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.schemas.derived import OD, PRESENCE, DerivedTable
from mobility_pipeline.settings import Settings


def draw_presence(settings: Settings, city: City, day: date, local_hour: int) -> bytes:
    """Draw who was where in an hour, as a PNG.

    Args:
        settings: counts of fewer devices than ANALYTICS_MIN_DEVICES are hidden.
        city: whose map it is.
        day: local.
        local_hour: 0–23; of an hour that the clock showed twice, the first.

    Raises:
        ManifestError: presence of the day was not derived.
        NoDataError: the hour was not observed.
        StorageError: S3 failed.
    """
    rows = open_derived_tables(settings).read(PRESENCE, CityDay(city.key, day))
    of_hour = rows.filter(pl.col("local_hour") == local_hour)
    hour_at = min(of_hour["hour_at"].to_list(), default=None)
    if hour_at is None:
        raise NoDataError(
            f"{city.key} was not observed on {day} at {local_hour}:00",
            reason="not_observed",
        )
    return _draw_hour(settings, city, day, of_hour.filter(pl.col("hour_at") == hour_at))


def draw_table(
    settings: Settings, table: DerivedTable, city: City, day: date
) -> bytes | None:
    """Draw the picture of a city and day of a table, as a PNG; most tables have none.

    Presence is drawn in the hour in which regions hold most devices, OD by its first and
    last regions; without rows nothing is drawn.

    Raises:
        ManifestError: the day was not derived.
        StorageError: S3 failed.
    """
    if table not in (PRESENCE, OD):
        return None
    rows = open_derived_tables(settings).read(table, CityDay(city.key, day))
    if rows.is_empty():
        return None
    if table == OD:
        return _draw_od(settings, city, day, rows)
    by_hour = (
        rows.filter(portrait_id=0).group_by("hour_at").agg(pl.sum("devices_count"))
    )
    fullest = by_hour.sort("devices_count", "hour_at", descending=[True, False])
    of_hour = rows.filter(pl.col("hour_at") == fullest["hour_at"][0])
    return _draw_hour(settings, city, day, of_hour)


def _draw_hour(settings: Settings, city: City, day: date, rows: pl.DataFrame) -> bytes:
    k = settings.analytics_min_devices
    hour_at, local_hour = rows.row(0, named=True)["hour_at"], int(rows["local_hour"][0])
    return draw_presence_map(
        open_region_map(settings, city).regions,
        hide_presence(rows, k).filter(pl.col("portrait_id") == 0),
        title=write_hour(city.city, hour_at, local_hour, str(day)),
        k=k,
    )


def _draw_od(settings: Settings, city: City, day: date, rows: pl.DataFrame) -> bytes:
    k = settings.analytics_min_devices
    return draw_flows(
        open_region_map(settings, city).regions,
        hide_od(rows.filter(kind="first_last"), k),
        title=f"{city.city} · {day} · from the day's first region to its last",
        k=k,
    )
