"""From settings to pictures of what was derived, with few devices hidden."""

import io

import polars as pl
from PIL import Image

from mobility_pipeline.analytics.pictures import (
    draw_flows,
    draw_presence_map,
    write_hour,
)
from mobility_pipeline.analytics.suppression import hide_od, hide_presence
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import NoDataError
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.schemas.derived import OD, PRESENCE, DerivedTable
from mobility_pipeline.settings import Settings

_SMALL_PX, _SMALL_COLOURS = 560, 64
_FIRST_LAST = "first_last"


def draw_presence(
    settings: Settings, city_day: CityDay, local_hour: int | None = None
) -> bytes:
    """Draw who was where in an hour, as a PNG.

    Args:
        settings: counts of fewer devices than ANALYTICS_MIN_DEVICES are hidden.
        city_day: city and local day.
        local_hour: 0–23, and of an hour that the clock showed twice the first; null =
            the hour with most devices in regions.

    Raises:
        ManifestError: presence of the day was not derived.
        NoDataError: the hour, or every hour, was not observed.
        StorageError: S3 failed.
    """
    city = open_registry(settings).load().find(city_day.city)
    rows = open_derived_tables(settings).read(PRESENCE, city_day)
    everybody = rows.filter(pl.col("portrait_id") == 0)
    if local_hour is not None:
        everybody = everybody.filter(pl.col("local_hour") == local_hour)
    hours = everybody.group_by("hour_at", "local_hour").agg(
        pl.col("devices_count").sum()
    )
    if hours.is_empty():
        when = "" if local_hour is None else f" at {local_hour}:00"
        raise NoDataError(
            f"{city.key} was not observed on {city_day.date}{when}",
            reason="not_observed",
        )
    busiest = hours.sort(["devices_count", "hour_at"], descending=[True, False])
    hour_at, hour, _ = busiest.row(0)
    k = settings.analytics_min_devices
    shown = hide_presence(rows.filter(pl.col("hour_at") == hour_at), k)
    return draw_presence_map(
        open_region_map(settings, city).regions,
        shown.filter(pl.col("portrait_id") == 0),
        title=write_hour(city.city, hour_at, hour, str(city_day.date)),
        k=k,
    )


def draw_small(
    settings: Settings, table: DerivedTable, city_day: CityDay
) -> bytes | None:
    """Draw a small picture of a table, for Dagster's metadata; null = it has none.

    Raises:
        ManifestError: the day was not derived.
        StorageError: S3 failed.
    """
    if table == PRESENCE:
        try:
            return _shrink(draw_presence(settings, city_day))
        except NoDataError:
            return None
    if table == OD:
        return _shrink(_draw_od(settings, city_day))
    return None


def _draw_od(settings: Settings, city_day: CityDay) -> bytes:
    city = open_registry(settings).load().find(city_day.city)
    rows = open_derived_tables(settings).read(OD, city_day)
    k = settings.analytics_min_devices
    return draw_flows(
        open_region_map(settings, city).regions,
        hide_od(rows.filter(pl.col("kind") == _FIRST_LAST), k),
        title=f"{city.city} · {city_day.date}: first region of the day to the last",
        k=k,
    )


def _shrink(picture: bytes) -> bytes:
    """Return it a tenth as large: it is stored with every event."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((_SMALL_PX, _SMALL_PX))
    small = io.BytesIO()
    image.quantize(_SMALL_COLOURS).save(small, format="png", optimize=True)
    return small.getvalue()
