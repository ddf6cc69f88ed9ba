from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from mobility_pipeline.analytics.dwell import measure_dwell
from mobility_pipeline.analytics.home_regions import find_home_regions
from mobility_pipeline.schemas.derived import DEVICE_HOURS
from mobility_pipeline_tests.analytics.fixes import make_fixes

ZONE = "Asia/Shanghai"
LAST = date(2025, 6, 30)


def local(day: date, hour: int) -> datetime:
    """Return the instant of an hour in the city's time."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZoneInfo(ZONE))


def make_hours(*rows: tuple[str, str, datetime, int]) -> pl.DataFrame:
    """Make device-hours of (device, region, hour, fixes)."""
    empty = pl.DataFrame(DEVICE_HOURS.schema.empty_table())
    return pl.DataFrame(
        [
            (at.astimezone(UTC), at.hour, region, device, fixes)
            for device, region, at, fixes in rows
        ],
        empty.schema,
        orient="row",
    )


def test_dwell_lasts_from_the_first_fix_to_the_last() -> None:
    """Also over time spent elsewhere; nowhere is no region."""
    start = datetime(2025, 6, 11, 2, tzinfo=UTC)
    minute = timedelta(minutes=1)
    fixes = make_fixes(
        [
            ("a", start, "r1"),
            ("a", start + 10 * minute, "r2"),
            ("a", start + 30 * minute, "r1"),
            ("b", start, None),
            ("b", start + minute, "r1"),
        ],
        ZONE,
    )
    found = measure_dwell(fixes).select(
        "device_id", "region_id", "dwell_s", "fixes_count"
    )
    assert found.rows() == [("a", "r1", 1800, 2), ("a", "r2", 0, 1), ("b", "r1", 0, 1)]


def days_before(count: int) -> date:
    """Return a day before the window's last."""
    return LAST - timedelta(days=count)


def find(*rows: tuple[str, str, datetime, int]) -> list[tuple[object, ...]]:
    """Return device, home, its nights and the observed ones."""
    hours = make_hours(*rows)
    found = find_home_regions(hours, LAST, hours["hour_at"].to_list(), ZONE)
    names = ("device_id", "region_id", "nights_count", "observed_nights_count")
    return found.select(names).rows()


def test_home_is_where_most_nights_were_spent() -> None:
    """Three nights at r1, two at r2; days do not count."""
    nights = [("a", "r1", local(days_before(n), 22), 1) for n in (1, 2, 3)]
    others = [("a", "r2", local(days_before(n), 23), 5) for n in (4, 5)]
    days = [("a", "r3", local(days_before(n), 12), 9) for n in range(9)]
    assert find(*nights, *others, *days) == [("a", "r1", 3, 5)]


def test_two_nights_are_no_home() -> None:
    """Absence of knowledge is no row."""
    assert find(*[("a", "r1", local(days_before(n), 22), 9) for n in (1, 2)]) == []


def test_morning_belongs_to_the_night_of_the_evening_before() -> None:
    """22:00 and 06:00 of the next day are one night; 07:00 and 18:00 are none."""
    rows = [("a", "r1", local(days_before(n), 22), 1) for n in (1, 3)]
    rows += [("a", "r1", local(days_before(n), 6), 1) for n in (0, 2)]
    assert find(*rows) == []
    rows += [
        ("a", "r1", local(days_before(n), hour), 1) for n in (7, 8) for hour in (7, 18)
    ]
    assert find(*rows) == []
    assert find(*rows, ("a", "r1", local(days_before(9), 19), 1)) == [("a", "r1", 3, 3)]


@pytest.mark.parametrize(("fixes", "home"), [(1, "r1"), (2, "r2")])
def test_ties_are_broken_by_fixes_then_by_id(fixes: int, home: str) -> None:
    """Three nights each, so that the result never varies between runs."""
    rows = [("a", "r2", local(days_before(n), 20), fixes) for n in (1, 2, 3)]
    rows += [("a", "r1", local(days_before(n), 23), 1) for n in (1, 2, 3)]
    assert find(*rows) == [("a", home, 3, 3)]


def test_nights_outside_the_window_do_not_count() -> None:
    """28 nights end with the day; the 28th before it is out."""
    rows = [("a", "r1", local(days_before(n), 20), 1) for n in (26, 27)]
    assert find(*rows, ("a", "r1", local(days_before(28), 20), 1)) == []
    assert find(*rows, ("a", "r1", local(LAST, 20), 1)) == [("a", "r1", 3, 3)]


def test_coverage_is_the_share_of_observed_nights() -> None:
    """Three of 28 nights; an observed noon is none."""
    hours = [local(days_before(n), 20) for n in (1, 2, 3)]
    rows = make_hours(*[("a", "r1", hour, 1) for hour in hours])
    observed = [*hours, local(days_before(9), 12)]
    found = find_home_regions(rows, LAST, observed, ZONE)
    assert found["coverage_ratio"].to_list() == [pytest.approx(3 / 28)]
