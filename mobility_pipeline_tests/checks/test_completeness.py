from datetime import date

from mobility_pipeline.checks.completeness import (
    city_freshness,
    expected_to_be_fresh,
    feed_freshness,
    no_missing_dates,
)
from mobility_pipeline.checks.finding import Severity
from mobility_pipeline.lake.coverage import Gap

NEWEST = date(2024, 5, 31)


def _gap(city: str, start: int, end: int, reason: str = "not_delivered") -> Gap:
    days = end - start + 1
    return Gap(
        "pings_full", city, date(2024, 5, start), date(2024, 5, end), days, reason
    )


def test_no_gap_passes() -> None:
    """Nothing missing is said as such."""
    found = no_missing_dates([], NEWEST)
    assert found.passed
    assert found.numbers["missing_city_days"] == 0


def test_missing_days_are_named_by_city_and_range_the_longest_first() -> None:
    """1 + 3 days of two cities, the oldest on May 10."""
    found = no_missing_dates([_gap("a", 31, 31), _gap("b", 10, 12, "rejected")], NEWEST)
    assert found.message == (
        "4 city-days of 2 cities are missing: b 2024-05-10 to 2024-05-12 (rejected); "
        "a 2024-05-31 (not_delivered)"
    )
    assert found.numbers["missing_city_days"] == 4
    assert found.numbers["oldest_missing"] == "2024-05-10"


def test_recent_days_are_a_warning_older_ones_an_error() -> None:
    """The 28th is 3 days old, the 27th 4; one old day among recent ones decides."""
    assert no_missing_dates([_gap("a", 28, 31)], NEWEST).severity == Severity.WARN
    assert no_missing_dates([_gap("a", 27, 31)], NEWEST).severity == Severity.ERROR
    both = [_gap("a", 31, 31), _gap("b", 1, 1)]
    assert no_missing_dates(both, NEWEST).severity == Severity.ERROR
    assert not no_missing_dates([_gap("a", 31, 31)], NEWEST).passed


def test_a_long_message_names_20_ranges_and_the_numbers_have_all() -> None:
    """25 cities: 20 named, 5 counted."""
    found = no_missing_dates([_gap(f"c{n:02}", 1, 1) for n in range(25)], NEWEST)
    assert found.message.endswith("; and 5 more")
    ranges = found.numbers["ranges"]
    assert isinstance(ranges, tuple)
    assert len(ranges) == 25


def test_a_city_may_be_behind_by_the_grace() -> None:
    """2 days are allowed, 3 are not."""
    assert city_freshness("a", date(2024, 5, 29), NEWEST).passed
    late = city_freshness("a", date(2024, 5, 28), NEWEST)
    assert not late.passed
    assert late.severity == Severity.ERROR
    assert late.numbers["days_behind"] == 3


def test_a_day_newer_than_the_newest_expected_is_fresh() -> None:
    """A lag that was made longer since leaves nobody behind by a negative number."""
    assert city_freshness("a", date(2024, 6, 3), NEWEST).numbers["days_behind"] == 0


def test_a_city_without_any_day_is_behind_by_no_number() -> None:
    """Absence is never zero."""
    found = city_freshness("a", None, NEWEST)
    assert not found.passed
    assert found.numbers == {"city": "a"}


def test_the_feed_names_the_cities_that_are_behind() -> None:
    """1 of 2."""
    found = feed_freshness(
        [city_freshness("a", NEWEST, NEWEST), city_freshness("b", None, NEWEST)]
    )
    assert not found.passed
    assert found.message.startswith("1 of 2 cities are behind: b: no day")
    assert (found.numbers["cities"], found.numbers["cities_behind"]) == (2, 1)


def test_a_feed_without_cities_is_not_behind() -> None:
    """There is nobody to be late."""
    assert feed_freshness([]).passed


def test_a_city_added_just_now_is_not_late_yet() -> None:
    """Its first day has to be as old as the grace."""
    expected = {"new": date(2024, 5, 30), "old": date(2024, 5, 29)}
    assert expected_to_be_fresh(expected, NEWEST) == ["old"]
