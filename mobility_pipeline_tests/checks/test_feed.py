from datetime import date

from mobility_pipeline.checks.feed import judge_feed
from mobility_pipeline.cities.city import CityDay

START, NEWEST = date(2024, 5, 27), date(2024, 5, 31)


def _day(city: str, day: int) -> CityDay:
    return CityDay(city, date(2024, 5, day))


def test_missing_days_and_late_cities_are_found_together() -> None:
    """Of `a` and `b` 5 days each: `a` lacks the 30th, `b` all after the 28th, 3 days."""
    states = {_day("a", day): "delivered" for day in (27, 28, 29, 31)}
    states |= {_day("b", 27): "delivered", _day("b", 28): "empty"}
    states[_day("b", 29)] = "not_delivered"
    found = judge_feed("pings_full", states, {"a": START, "b": START}, START, NEWEST)
    assert found.no_missing_dates.numbers["missing_city_days"] == 4
    assert {city: each.passed for city, each in found.cities.items()} == {
        "a": True,
        "b": False,
    }
    assert "1 of 2 cities are behind: b" in found.city_freshness.message
    assert found.newest_delivered == {"a": NEWEST, "b": date(2024, 5, 28)}


def test_a_city_expected_since_today_is_not_late() -> None:
    """It lacks a day, and had no time to be behind; a retired one is not judged."""
    states = {_day("gone", 27): "delivered"}
    found = judge_feed("pings_full", states, {"new": NEWEST}, NEWEST, NEWEST)
    assert found.no_missing_dates.numbers["missing_city_days"] == 1
    assert found.cities == {}
    assert found.city_freshness.passed
    assert found.newest_delivered == {}


def test_without_cities_there_is_nothing_to_miss() -> None:
    """Neither check fails on an empty registry."""
    found = judge_feed("pings_full", {}, {}, NEWEST, NEWEST)
    assert found.no_missing_dates.passed
    assert found.city_freshness.passed
