"""Which city-days are there, and in which ranges and why the others are not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import groupby, repeat
from operator import itemgetter

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import days_between

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
    states_by_feed: Mapping[str, Mapping[CityDay, str]],
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
    states: Mapping[CityDay, str],
) -> Iterator[Gap]:
    days = [*days_between(start, end)]
    for city in sorted(expected):
        own_days = days[max((expected[city] - start).days, 0) :]
        keys = map(CityDay, repeat(city), own_days)
        reasons = [states.get(key, NOT_REQUESTED) for key in keys]
        if not PRESENT_STATES.issuperset(reasons):
            yield from _find_city_gaps(feed, city, own_days, reasons)


def _find_city_gaps(
    feed: str, city: str, days: Iterable[date], reasons: Iterable[str]
) -> Iterator[Gap]:
    for reason, group in groupby(zip(days, reasons, strict=True), key=itemgetter(1)):
        if reason not in PRESENT_STATES:
            run = [*group]
            yield Gap(feed, city, run[0][0], run[-1][0], len(run), reason)
