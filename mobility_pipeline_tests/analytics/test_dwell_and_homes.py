from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.analytics.dwell import measure_dwell
from mobility_pipeline.analytics.home_regions import find_home_regions
from mobility_pipeline.schemas.derived import DEVICE_HOURS
from mobility_pipeline_tests.analytics.fixes import make_fixes

ZONE = "Asia/Shanghai"
LAST = date(2025, 6, 30)
HOUR = timedelta(hours=1)


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


def test_ties_are_broken_by_the_smaller_id() -> None:
    """Three nights each; more fixes are no more nights."""
    rows = [("a", "r2", local(days_before(n), 20), 9) for n in (1, 2, 3)]
    rows += [("a", "r1", local(days_before(n), 23), 1) for n in (1, 2, 3)]
    assert find(*rows) == [("a", "r1", 3, 3)]


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


def test_window_is_as_long_as_asked() -> None:
    """Of four nights in a row the last three are in a window of three."""
    rows = make_hours(*[("a", f"r{n}", local(days_before(n), 20), 1) for n in range(4)])
    at = rows["hour_at"].to_list()
    same = rows.with_columns(region_id=pl.lit("r"))
    found = find_home_regions(same, LAST, at, ZONE, window_days=3)
    names = ("nights_count", "observed_nights_count", "coverage_ratio")
    assert found.select(names).rows() == [(3, 3, 1.0)]
    assert find_home_regions(rows, LAST, at, ZONE, window_days=3).is_empty()


def test_nights_follow_the_clock_through_its_changes() -> None:
    """06:00 is night and 07:00 is not, on the days before and after a spring night."""
    zone = ZoneInfo("Europe/Paris")
    days = [date(2025, 3, day) for day in (29, 30, 31)]

    def count(hour: int) -> int:
        at = [datetime(day.year, day.month, day.day, hour, tzinfo=zone) for day in days]
        rows = make_hours(*[("a", "r1", instant, 1) for instant in at])
        return find_home_regions(rows, days[-1], at, zone.key).height

    assert [count(hour) for hour in (6, 7, 18, 19)] == [1, 0, 0, 1]


_HOURS = st.integers(0, 24 * 40).map(
    lambda past: local(days_before(39), 0) + HOUR * past
)
_SEEN = st.tuples(st.sampled_from("ab"), st.sampled_from(["r1", "r2", "r3"]), _HOURS)


@given(st.lists(_SEEN, max_size=60, unique=True), st.randoms())
@settings(max_examples=60, deadline=None)
def test_homes_are_those_of_plain_python(
    seen: list[tuple[str, str, datetime]], random: Random
) -> None:
    """In any order of rows; nights are counted with sets."""
    rows = [(*who, 1) for who in seen]
    random.shuffle(rows)
    nights: dict[str, dict[str, set[date]]] = {}
    for device, region, at in seen:
        clock = at.astimezone(ZoneInfo(ZONE))
        # Seven hours earlier a morning is still the evening's day, and a day begins at 0.
        evening = (clock - 7 * HOUR).date()
        is_night = clock.hour >= 19 or clock.hour < 7
        if is_night and days_before(27) <= evening <= LAST:
            nights.setdefault(device, {}).setdefault(region, set()).add(evening)
    expected = []
    for device, of in sorted(nights.items()):
        home = min(of, key=lambda region: (-len(of[region]), region))
        if len(of[home]) >= 3:
            every = set[date]().union(*of.values())
            expected.append((device, home, len(of[home]), len(every)))
    assert find(*rows) == expected


_FIXES = st.tuples(
    st.sampled_from("ab"),
    st.integers(0, 86_399).map(lambda past: local(LAST, 0) + timedelta(seconds=past)),
    st.sampled_from(["r1", "r2", None]),
)


@given(st.lists(_FIXES, max_size=40, unique_by=lambda fix: fix[:2]), st.randoms())
@settings(max_examples=60, deadline=None)
def test_dwell_is_that_of_plain_python(
    seen: list[tuple[str, datetime, str | None]], random: Random
) -> None:
    """In any order, and with fixes that are there twice."""
    again = seen + [fix for fix in seen if random.random() < 0.5]
    random.shuffle(again)
    places: dict[tuple[str, str], list[datetime]] = {}
    for device, at, region in seen:
        if region is not None:
            places.setdefault((device, region), []).append(at)
    expected = [
        (*who, min(at), max(at), (max(at) - min(at)).total_seconds(), len(at))
        for who, at in sorted(places.items())
    ]
    assert measure_dwell(make_fixes(again, ZONE)).rows() == expected
