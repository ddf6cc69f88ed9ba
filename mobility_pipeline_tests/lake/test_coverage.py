import time
from collections.abc import Mapping
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.coverage import Coverage, Gap, find_gaps

START = date(2024, 2, 27)


def _day(offset: int) -> date:
    return START + timedelta(offset)


def _find(
    expected: Mapping[str, int], days: int, states: Mapping[tuple[str, int], str]
) -> Coverage:
    known = {
        CityDay(city, _day(offset)): state for (city, offset), state in states.items()
    }
    return find_gaps(
        {"pings_full": known},
        {city: _day(offset) for city, offset in expected.items()},
        START,
        _day(days - 1),
    )


def test_a_gap_is_a_run_of_days_with_one_reason() -> None:
    """Runs end where a day is present or the reason changes; leap days count."""
    states = {
        ("a", 1): "not_delivered",
        ("a", 2): "not_delivered",
        ("a", 3): "delivered",
        ("a", 5): "rejected",
    }
    assert _find({"a": 0}, 6, states).gaps == (
        Gap("pings_full", "a", _day(0), _day(0), 1, "not_requested"),
        Gap("pings_full", "a", _day(1), date(2024, 2, 29), 2, "not_delivered"),
        Gap("pings_full", "a", date(2024, 3, 2), _day(4), 1, "not_requested"),
        Gap("pings_full", "a", _day(5), _day(5), 1, "rejected"),
    )


def test_empty_is_present() -> None:
    """A day that is known to hold nothing is not missing."""
    coverage = _find({"a": 0}, 2, {("a", 0): "empty", ("a", 1): "delivered"})
    assert coverage == Coverage((), ("a",))


def test_days_before_the_first_expected_are_no_gap() -> None:
    """A city is expected from its first date on; before it, it misses nothing."""
    coverage = _find({"later": 3, "soon": 1}, 2, {})
    assert coverage == Coverage(
        (Gap("pings_full", "soon", _day(1), _day(1), 1, "not_requested"),), ("later",)
    )


def test_a_city_is_complete_when_it_is_in_every_feed() -> None:
    """Each feed has gaps of its own; complete means that none has any."""
    known = {CityDay("a", START): "delivered", CityDay("b", START): "empty"}
    coverage = find_gaps(
        {"pings_full": known, "pings_trips": {CityDay("a", START): "delivered"}},
        {"a": START, "b": START},
        START,
        START,
    )
    assert coverage == Coverage(
        (Gap("pings_trips", "b", START, START, 1, "not_requested"),), ("a",)
    )


def test_cities_that_are_not_expected_do_not_show() -> None:
    """What is known of a retired city is neither a gap nor complete."""
    assert _find({}, 2, {("retired", 0): "rejected"}) == Coverage((), ())


_STATES = ["delivered", "empty", "not_delivered", "rejected", "requested"]


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(-3, 12)),
    st.integers(1, 10),
    st.dictionaries(
        st.tuples(st.sampled_from("abc"), st.integers(-3, 12)),
        st.sampled_from(_STATES),
    ),
)
def test_gaps_and_present_days_are_the_expected_days(
    expected: dict[str, int], days: int, states: dict[tuple[str, int], str]
) -> None:
    """Each expected day is present or in exactly one gap; gaps are as long as can be."""
    coverage = _find(expected, days, states)
    wanted = {
        (city, offset)
        for city, first in expected.items()
        for offset in range(max(first, 0), days)
    }
    missing = [
        ((gap.city, (gap.start - START).days + offset), gap.reason)
        for gap in coverage.gaps
        for offset in range((gap.end - gap.start).days + 1)
    ]
    assert dict(missing) == {
        day: states.get(day, "not_requested")
        for day in wanted
        if states.get(day) not in ("delivered", "empty")
    }
    assert len(missing) == len(dict(missing)) == sum(gap.days for gap in coverage.gaps)
    ends = {(gap.city, gap.end, gap.reason) for gap in coverage.gaps}
    assert all(
        (gap.city, gap.start - timedelta(1), gap.reason) not in ends
        for gap in coverage.gaps
    )
    assert set(coverage.complete) == expected.keys() - {
        gap.city for gap in coverage.gaps
    }


def test_a_thousand_cities_over_a_year_are_quick() -> None:
    """365,000 city-days with a hole every third day take less than two CPU seconds."""
    cities = [f"country/city_{number}" for number in range(1_000)]
    states = {
        CityDay(city, _day(offset)): "delivered"
        for city in cities
        for offset in range(365)
        if offset % 3
    }
    started = time.process_time()
    coverage = find_gaps(
        {"pings_full": states}, dict.fromkeys(cities, START), START, _day(364)
    )
    assert len(coverage.gaps) == 1_000 * 122
    assert time.process_time() - started < 2
