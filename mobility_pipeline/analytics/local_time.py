"""Instants in a city's own time: which local day and hour they are in."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

_INSTANT = pl.Datetime("us", "UTC")
_WIDEST_OFFSET = timedelta(hours=26)
_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)


def local_hours(at: pl.Series, time_zone: str) -> pl.DataFrame:
    """Say in which hour of which day of a city instants are.

    An hour lasts while the city's clock shows it without a jump. So a day has 23, 24 or
    25 of them, the second 01:00 of an autumn night is another hour than the first, and
    where a clock moves by 30 minutes (Lord Howe), half an hour is one of its own.

    Args:
        at: instants (UTC, µs); null stays null.
        time_zone: IANA name.

    Returns:
        As many rows as instants, in their order: `local_date`, `hour_at` (the instant at
        which the hour starts; xx:30 or xx:45 UTC in some zones), `local_hour` (0–23).
    """
    # Clocks show the same hour for a whole minute, and a day has few minutes.
    minute = at.cast(_INSTANT).dt.truncate("1m").rename("minute")
    known = _describe_minutes(minute.unique(), time_zone)
    return (
        minute.to_frame()
        .join(known, on="minute", how="left", maintain_order="left")
        .select("local_date", "hour_at", "local_hour")
    )


def hours_of(local_date: date, time_zone: str) -> pl.Series:
    """Return the hours of a city's day as `hour_at`, ascending: mostly 24, or 23 or 25.

    Empty for a day that the city skipped, as Samoa did 2011-12-30.
    """
    return _minutes_of(local_date, time_zone)["hour_at"].unique().sort()


def utc_dates_of(local_date: date, time_zone: str) -> list[date]:
    """Return the UTC days that a city's day overlaps, ascending."""
    minutes = _minutes_of(local_date, time_zone)["minute"]
    return minutes.dt.date().unique().sort().to_list()


def _minutes_of(local_date: date, time_zone: str) -> pl.DataFrame:
    """Return every minute of a city's day."""
    midnight = datetime(local_date.year, local_date.month, local_date.day, tzinfo=UTC)
    minutes = pl.datetime_range(
        midnight - _WIDEST_OFFSET,
        midnight + 2 * _WIDEST_OFFSET,
        "1m",
        time_unit="us",
        eager=True,
    ).alias("minute")
    return _describe_minutes(minutes, time_zone).filter(
        pl.col("local_date") == local_date
    )


def _describe_minutes(minute: pl.Series, time_zone: str) -> pl.DataFrame:
    """Return `local_date`, `hour_at` and `local_hour` of distinct minutes."""
    local = pl.col("minute").dt.convert_time_zone(time_zone)
    frame = (
        minute.drop_nulls()
        .to_frame()
        .with_columns(
            local_date=local.dt.date(),
            hour_at=pl.col("minute") - pl.duration(minutes=local.dt.minute()),
            local_hour=local.dt.hour(),
            offset=_offset("minute", time_zone),
        )
    )
    # The clock jumped since the hour's start: the hour started with the jump.
    jumped = frame.filter(_offset("hour_at", time_zone) != pl.col("offset"))
    starts = {
        minute: _find_jump(hour_at, minute, time_zone)
        for minute, hour_at in jumped.select("minute", "hour_at").rows()
    }
    return frame.with_columns(
        hour_at=pl.coalesce(
            pl.col("minute").replace_strict(
                starts, default=None, return_dtype=_INSTANT
            ),
            "hour_at",
        )
        if starts
        else "hour_at"
    ).drop("offset")


def _offset(instant: str, time_zone: str) -> pl.Expr:
    local = pl.col(instant).dt.convert_time_zone(time_zone)
    return local.dt.base_utc_offset() + local.dt.dst_offset()


def _find_jump(before: datetime, after: datetime, time_zone: str) -> datetime:
    """Return the minute from which a zone's clock is as it is at `after`."""
    zone = ZoneInfo(time_zone)
    offset = after.astimezone(zone).utcoffset()
    low, high = before, after
    while high - low > _MINUTE:
        middle = low + _MINUTE * ((high - low) // _MINUTE // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high
