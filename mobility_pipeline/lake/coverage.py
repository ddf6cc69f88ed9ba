"""Which city-days are there, and in which ranges and why the others are not."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobility_pipeline.cities.city import CityDay

PRESENT_STATES = frozenset({"delivered", "empty"})
"""`empty` is known, not missing."""
NOT_REQUESTED = "not_requested"


@dataclass(frozen=True)
class Gap:
    """Consecutive UTC days of one city that are missing for one reason."""

    feed: str
    city: str
    """The city's key."""
    start: date
    end: date
    """Inclusive."""
    days: int
    reason: str
    """A city-day's state; `not_requested` where it has none."""


@dataclass(frozen=True)
class Coverage:
    """The missing and the complete over a range of days."""

    gaps: tuple[Gap, ...]
    """By feed as given, then by city, then by day."""
    complete: tuple[str, ...]
    """Cities that miss nothing in any feed, or are not expected yet; sorted."""


def find_gaps(
    states_by_feed: "Mapping[str, Mapping[CityDay, str]]",
    expected: Mapping[str, date],
    start: date,
    end: date,
) -> Coverage:
    """Find every missing city-day, in as few ranges as there are.

    Args:
        states_by_feed: feed -> what is known of its city-days; none = not requested.
        expected: city key -> first UTC day expected of it, in every feed.
        start: first day to look at.
        end: last day to look at, inclusive.
    """
    gaps = [
        gap
        for feed, states in states_by_feed.items()
        for gap in _find_feed_gaps(feed, expected, start, end, states)
    ]
    incomplete = {gap.city for gap in gaps}
    complete = tuple(sorted(expected.keys() - incomplete))
    return Coverage(tuple(gaps), complete)


def _find_feed_gaps(
    feed: str,
    expected: Mapping[str, date],
    start: date,
    end: date,
    states: "Mapping[CityDay, str]",
) -> Iterator[Gap]:
    by_city: dict[str, dict[date, str]] = {city: {} for city in sorted(expected)}
    for city_day, state in states.items():
        if city_day.city in by_city:
            by_city[city_day.city][city_day.date] = state
    for city, known in by_city.items():
        first = max(start, expected[city])
        yield from _find_city_gaps(feed, city, first, end, known)


def _find_city_gaps(
    feed: str, city: str, start: date, end: date, states: Mapping[date, str]
) -> Iterator[Gap]:
    days = [start + timedelta(offset) for offset in range((end - start).days + 1)]
    reasons = [(day, states.get(day, NOT_REQUESTED)) for day in days]
    for reason, run in groupby(reasons, key=itemgetter(1)):
        if reason not in PRESENT_STATES:
            missing = [day for day, _ in run]
            yield Gap(feed, city, missing[0], missing[-1], len(missing), str(reason))
