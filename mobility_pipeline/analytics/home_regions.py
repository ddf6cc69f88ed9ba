"""Home regions: where a device was in most nights."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta

import polars as pl

from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import HOME_REGIONS, HOME_WINDOW_DAYS

MIN_NIGHTS = 3
_EVENING, _MORNING = 19, 7
_INSTANT = pl.Datetime("us", "UTC")


def find_home_regions(
    device_hours: pl.DataFrame,
    last_day: date,
    observed_hours: Collection[datetime],
    time_zone: str,
    *,
    window_days: int = HOME_WINDOW_DAYS,
) -> pl.DataFrame:
    """Find the region in which each device was seen in most nights, and in at least three.

    A night is 19:00 to 07:00 local time and belongs to the day of its evening. Of regions
    with equally many nights the one with the smaller id is the home: how many fixes a
    night has says more about the phone's apps than about its owner.

    Args:
        device_hours: rows of `DEVICE_HOURS` of one city and the local days of the window
            that are there, each once, in any order.
        last_day: evening of the window's last night, of which only the part before
            midnight can be there.
        observed_hours: instants at which observed local hours start.
        time_zone: the city's.
        window_days: nights in the window.

    Returns:
        Rows of `HOME_REGIONS`, sorted by its key: devices without a home are in none.
        `coverage_ratio` is the share of the window's nights of which at least one hour was
        observed.

    References:
        Vanhoof, Reis, Ploetz, Smoreda (2018), Assessing the quality of home detection from
        mobile phone data for official statistics, J. Off. Stat. 34(4): most nights.
    """
    first = last_day - timedelta(days=window_days - 1)
    in_window = pl.col("night").is_between(first, last_day)
    nights = device_hours.lazy().with_columns(night=_night(time_zone)).filter(in_window)
    by_region = nights.group_by("device_id", "region_id").agg(
        nights_count=pl.col("night").n_unique()
    )
    observed = nights.group_by("device_id").agg(
        observed_nights_count=pl.col("night").n_unique()
    )
    homes = (
        by_region.sort(
            ["device_id", "nights_count", "region_id"],
            descending=[False, True, False],
        )
        .unique("device_id", keep="first", maintain_order=True)
        .filter(pl.col("nights_count") >= MIN_NIGHTS)
        .join(observed, on="device_id", how="left")
        .collect()
    )
    known = _to_frame(observed_hours).with_columns(night=_night(time_zone))
    covered = known.filter(in_window)["night"].n_unique()
    ratio = pl.lit(covered / window_days)
    return shape_as(homes.with_columns(coverage_ratio=ratio), HOME_REGIONS)


def _night(time_zone: str) -> pl.Expr:
    """Return the date of the evening an hour belongs to; null = it is of the day."""
    local = pl.col("hour_at").dt.convert_time_zone(time_zone)
    hour, day = local.dt.hour(), local.dt.date()
    return (
        pl.when(hour >= _EVENING)
        .then(day)
        .when(hour < _MORNING)
        .then(day.dt.offset_by("-1d"))
    )


def _to_frame(hours: Collection[datetime]) -> pl.DataFrame:
    instants = [hour.astimezone(UTC) for hour in hours]
    return pl.DataFrame({"hour_at": instants}, {"hour_at": _INSTANT})
