"""From settings to pictures of what was derived, with few devices hidden."""

import polars as pl

from mobility_pipeline.analytics.pictures import draw_presence_map, write_hour
from mobility_pipeline.analytics.suppression import hide_presence
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import NoDataError
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.schemas.derived import PRESENCE
from mobility_pipeline.settings import Settings


def draw_presence(settings: Settings, city_day: CityDay, local_hour: int) -> bytes:
    """Draw who was where in an hour, as a PNG.

    Args:
        settings: counts of fewer devices than ANALYTICS_MIN_DEVICES are hidden.
        city_day: city and local day.
        local_hour: 0–23; of an hour that the clock showed twice, the first.

    Raises:
        ManifestError: presence of the day was not derived.
        NoDataError: the hour was not observed.
        StorageError: S3 failed.
    """
    city = open_registry(settings).load().find(city_day.city)
    rows = open_derived_tables(settings).read(PRESENCE, city_day)
    of_hour = rows.filter(pl.col("local_hour") == local_hour)
    hour_at = min(of_hour["hour_at"].to_list(), default=None)
    if hour_at is None:
        raise NoDataError(
            f"{city.key} was not observed on {city_day.date} at {local_hour}:00",
            reason="not_observed",
        )
    k = settings.analytics_min_devices
    shown = hide_presence(of_hour.filter(pl.col("hour_at") == hour_at), k)
    return draw_presence_map(
        open_region_map(settings, city).regions,
        shown.filter(pl.col("portrait_id") == 0),
        title=write_hour(city.city, hour_at, local_hour, str(city_day.date)),
        k=k,
    )
