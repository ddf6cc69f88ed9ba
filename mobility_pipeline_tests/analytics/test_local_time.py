from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.analytics.local_time import (
    hours_of,
    local_hours,
    utc_dates_of,
)

ZONES = (
    "UTC",
    "America/Vancouver",
    "America/St_Johns",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Pacific/Kiritimati",
)
INSTANT = pl.Datetime("us", "UTC")
HALF_AN_HOUR = timedelta(minutes=30)

instants = st.integers(946_684_800, 2_145_916_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


def ask(at: datetime, time_zone: str) -> tuple[date, datetime, int]:
    """What is said of one instant."""
    return local_hours(pl.Series([at], dtype=INSTANT), time_zone).row(0)


@given(at=instants, time_zone=st.sampled_from(ZONES))
def test_clock_of_the_city_is_read(at: datetime, time_zone: str) -> None:
    """Day and hour are zoneinfo's; the hour has begun, and nothing jumped since."""
    local_date, hour_at, local_hour = ask(at, time_zone)
    zone = ZoneInfo(time_zone)
    local, start = at.astimezone(zone), hour_at.astimezone(zone)
    assert (local_date, local_hour) == (local.date(), local.hour)
    assert timedelta(0) <= at - hour_at < timedelta(hours=1)
    assert (start.date(), start.hour) == (local_date, local_hour)
    assert start.utcoffset() == local.utcoffset()
    assert (ask(hour_at, time_zone)[1]) == hour_at
    just_before = (hour_at - timedelta(microseconds=1)).astimezone(zone)
    assert (just_before.hour, just_before.utcoffset()) != (
        start.hour,
        start.utcoffset(),
    )


@pytest.mark.parametrize(
    ("time_zone", "day", "hours"),
    [
        ("Europe/Berlin", date(2025, 3, 30), 23),
        ("Europe/Berlin", date(2025, 3, 31), 24),
        ("Europe/Berlin", date(2025, 10, 26), 25),
        ("America/Vancouver", date(2025, 11, 2), 25),
        ("Asia/Kathmandu", date(2025, 6, 11), 24),
        # The clock goes from 02:00 to 01:30, and half a year later from 02:00 to 02:30.
        ("Australia/Lord_Howe", date(2025, 4, 6), 25),
        ("Australia/Lord_Howe", date(2025, 10, 5), 24),
        # Samoa skipped a day.
        ("Pacific/Apia", date(2011, 12, 30), 0),
    ],
)
def test_days_have_as_many_hours_as_the_clock_shows(
    time_zone: str, day: date, hours: int
) -> None:
    """Around changes of the clock, each hour between two jumps counts."""
    assert len(hours_of(day, time_zone)) == hours


@given(
    day=st.dates(date(2000, 1, 2), date(2037, 12, 30)), time_zone=st.sampled_from(ZONES)
)
def test_hours_of_a_day_are_those_of_its_instants(day: date, time_zone: str) -> None:
    """Every minute of the UTC days that overlap it, asked one by one of zoneinfo."""
    zone = ZoneInfo(time_zone)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    minutes = [start + HALF_AN_HOUR / 2 * step for step in range(3 * 96)]
    inside = [minute for minute in minutes if minute.astimezone(zone).date() == day]
    found = local_hours(pl.Series(inside, dtype=INSTANT), time_zone)
    assert hours_of(day, time_zone).to_list() == sorted(set(found["hour_at"]))
    assert utc_dates_of(day, time_zone) == sorted({minute.date() for minute in inside})


def test_second_hour_of_an_autumn_night_is_another() -> None:
    """Both are 01:00 of one day, and start at different instants."""
    first = ask(datetime(2025, 11, 2, 8, 30, tzinfo=UTC), "America/Vancouver")
    second = ask(datetime(2025, 11, 2, 9, 30, tzinfo=UTC), "America/Vancouver")
    assert first == (date(2025, 11, 2), datetime(2025, 11, 2, 8, tzinfo=UTC), 1)
    assert second == (date(2025, 11, 2), datetime(2025, 11, 2, 9, tzinfo=UTC), 1)


def test_hours_start_where_the_clock_does() -> None:
    """In Kolkata at half past, in Kathmandu at a quarter past a UTC hour."""
    at = datetime(2025, 6, 11, 12, 40, 59, tzinfo=UTC)
    kolkata, kathmandu = ask(at, "Asia/Kolkata"), ask(at, "Asia/Kathmandu")
    assert kolkata[1:] == (datetime(2025, 6, 11, 12, 30, tzinfo=UTC), 18)
    assert kathmandu[1:] == (datetime(2025, 6, 11, 12, 15, tzinfo=UTC), 18)


def test_order_and_nulls_stay() -> None:
    """One row per instant, as they came; nothing of nothing."""
    at = [
        datetime(2025, 6, 11, hour, tzinfo=UTC) if hour else None for hour in (5, 0, 3)
    ]
    found = local_hours(pl.Series(at, dtype=INSTANT), "UTC")
    assert found["local_hour"].to_list() == [5, None, 3]
    assert local_hours(pl.Series([], dtype=INSTANT), "UTC").is_empty()
