"""Judge a feed as a whole: which days are missing, and which cities are late."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from mobility_pipeline.checks.completeness import (
    city_freshness,
    expected_to_be_fresh,
    feed_freshness,
    no_missing_dates,
)
from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.coverage import PRESENT_STATES, find_gaps


@dataclass(frozen=True)
class FeedFindings:
    """What was found about a feed."""

    newest: date
    """The newest day worth asking for."""
    no_missing_dates: Finding
    city_freshness: Finding
    """Of all cities together, naming those behind."""
    cities: Mapping[str, Finding]
    """`city_freshness` of each city expected for long enough to be judged."""
    newest_delivered: Mapping[str, date]
    """Of each expected city that has any day."""


def judge_feed(
    feed: str,
    states: Mapping[CityDay, str],
    expected: Mapping[str, date],
    start: date,
    newest: date,
) -> FeedFindings:
    """Judge a feed by what the ledger knows of its city-days.

    Args:
        feed: its name.
        states: of its city-days from `start` to `newest`; absent = not requested.
        expected: city key -> first UTC day expected of it.
        start: the earliest of these days.
        newest: the newest day worth asking for.
    """
    gaps = find_gaps({feed: states}, expected, start, newest).gaps
    latest = _find_newest(expected, states)
    cities = {
        city: city_freshness(city, latest.get(city), newest)
        for city in expected_to_be_fresh(expected, newest)
    }
    return FeedFindings(
        newest,
        no_missing_dates(gaps, newest),
        feed_freshness([*cities.values()]),
        cities,
        latest,
    )


def _find_newest(
    expected: Mapping[str, date], states: Mapping[CityDay, str]
) -> dict[str, date]:
    newest: dict[str, date] = {}
    for day, state in states.items():
        if state in PRESENT_STATES and day.city in expected:
            newest[day.city] = max(newest.get(day.city, day.date), day.date)
    return newest
