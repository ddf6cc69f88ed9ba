"""What is wrong at one moment, as values; each problem has a key that outlives changes."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import days_between

Span = tuple[date, date]
"""First and last UTC day, both included."""
Days = Mapping[str, tuple[Span, ...]]
"""City key -> ranges of days, in order and apart."""
Key = tuple[str, str, str, str]
"""Feed, kind, subject, reason: at most one open alert has it."""

ALL_FEEDS = ""
"""The feed of what concerns every one."""
_NAMED_CITIES = 3
"""Cities that a command names; of more it asks for every city's missing days."""


class Kind(StrEnum):
    """What a problem is about, and so what ends it."""

    DAYS = "days"
    """Missing city-days; over when none of them is missing any more."""
    RUN = "run"
    """A failed run of Dagster; over when a later one of the same sort gets through."""
    PROJECT = "project"
    """What keeps us from looking, or a refused city; over when it is not seen any more."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong now."""

    feed: str
    """Name; empty = every feed."""
    kind: Kind
    subject: str
    """A city's key, `vendor job 4711`, `runs`, …"""
    reason: str
    """A city-day's state, or the class of an error."""
    what: str
    """What is wrong, in words; names neither feed nor subject."""
    by_itself: str
    """What the system will do about it."""
    by_person: str
    """What a person should do."""
    since: datetime | None = None
    """Null = it is not known; it was first seen when its alert was opened."""
    days: Days = field(default_factory=dict[str, tuple[Span, ...]])
    """Of kind DAYS: what is missing."""

    @property
    def key(self) -> Key:
        """What stays the same while the problem lasts."""
        return self.feed, self.kind.value, self.subject, self.reason

    @property
    def city_days(self) -> int:
        """Number of missing city-days."""
        return sum(
            (end - start).days + 1
            for spans in self.days.values()
            for start, end in spans
        )


@dataclass(frozen=True)
class Assessment:
    """All that is wrong, and what could not be looked at."""

    problems: tuple[Problem, ...]
    """No two with one key."""
    on_their_way: Mapping[str, Set[CityDay]] = field(
        default_factory=dict[str, Set[CityDay]]
    )
    """Feed -> city-days that are missing, and asked for: no reason to open an alert, nor
    to close one."""
    unjudged_feeds: frozenset[str] = frozenset()
    """Nothing is known of their city-days now: none of their alerts is over."""
    unjudged_cities: frozenset[str] = frozenset()
    """Cities that are refused now: the same."""
    got_through: frozenset[tuple[str, str]] = frozenset()
    """(feed, subject) of runs that ended well after any failure."""


def to_days(city_days: Iterable[CityDay]) -> dict[str, tuple[Span, ...]]:
    """Return city-days as ranges by city, both sorted."""
    by_city: dict[str, list[date]] = {}
    for city_day in city_days:
        by_city.setdefault(city_day.city, []).append(city_day.date)
    return to_spans(by_city)


def to_spans(by_city: Mapping[str, Iterable[date]]) -> dict[str, tuple[Span, ...]]:
    """Return days by city as ranges, both sorted."""
    return {city: _join(by_city[city]) for city in sorted(by_city)}


def to_city_days(days: Days) -> frozenset[CityDay]:
    """Return ranges by city as city-days."""
    return frozenset(
        CityDay(city, day)
        for city, spans in days.items()
        for start, end in spans
        for day in days_between(start, end)
    )


_NEVER_BOUGHT = frozenset({"not_requested", "deferred_quota"})


def ask_command(feed: str, reason: str, days: Days) -> str:
    """Return the command that asks for missing days.

    What was never bought is asked for by recovery, for all cities that lack it in one go:
    city by city it would take many times the vendor jobs. What was, is asked for whatever
    recovery thinks of it.
    """
    start = min(start for spans in days.values() for start, _ in spans)
    end = max(end for spans in days.values() for _, end in spans)
    cities = [f"--city {city}" for city in days] if len(days) <= _NAMED_CITIES else []
    span = f"--from {start} --to {end}"
    if reason in _NEVER_BOUGHT:
        return f"mobility recover --feed {feed} {span}"
    return " ".join(["mobility request --feed", feed, *cities, span])


def _join(days: Iterable[date]) -> tuple[Span, ...]:
    # Numbers: adding a day to hundreds of thousands of dates takes a second.
    numbers = sorted({day.toordinal() for day in days})
    starts = numbers[:1]
    ends: list[int] = []
    for before, after in pairwise(numbers):
        if before + 1 != after:
            ends.append(before)
            starts.append(after)
    ends += numbers[-1:]
    return tuple(
        zip(map(date.fromordinal, starts), map(date.fromordinal, ends), strict=True)
    )
