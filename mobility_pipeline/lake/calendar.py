"""The coverage calendar: one row per city, one column per UTC day; and the same as text."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.coverage import NOT_REQUESTED, PRESENT_STATES

NOT_EXPECTED = "not_expected"
SQUARES: Mapping[str, str] = {
    "delivered": "🟦",
    "empty": "🔵",
    "requested": "🟩",
    "not_requested": "🟧",
    "not_delivered": "🟨",
    "deferred_quota": "🟪",
    "job_failed": "🟥",
    "rejected": "🟫",
    "erased": "⬛",
    NOT_EXPECTED: "⬜",
}
"""State -> how text shows it; the last one is before a city's first day."""


@dataclass(frozen=True)
class Calendar:
    """States of every city and day of a range, in one feed."""

    feed: str
    start: date
    end: date
    """Inclusive."""
    rows: Mapping[str, tuple[str, ...]]
    """City key -> state of each day from `start` on."""

    @property
    def days(self) -> int:
        """Days in the range."""
        return (self.end - self.start).days + 1

    @property
    def counts(self) -> dict[str, int]:
        """State -> city-days; only those there are, in the order of `SQUARES`."""
        counts = Counter(state for row in self.rows.values() for state in row)
        return {state: counts[state] for state in SQUARES if counts[state]}

    @property
    def expected(self) -> int:
        """City-days from each city's first day on."""
        return sum(n for state, n in self.counts.items() if state != NOT_EXPECTED)

    @property
    def held(self) -> int:
        """City-days in the lake."""
        return sum(n for state, n in self.counts.items() if state in PRESENT_STATES)


def make_calendar(
    feed: str,
    states: Mapping[CityDay, str],
    expected: Mapping[str, date],
    start: date,
    end: date,
) -> Calendar:
    """Lay states out by city and day.

    Args:
        feed: the feed's name.
        states: what is known of city-days; none = `not_requested`.
        expected: city key -> first UTC day expected of it.
        start: first day.
        end: last day, inclusive.
    """
    days = [start + timedelta(offset) for offset in range((end - start).days + 1)]
    rows: dict[str, tuple[str, ...]] = {}
    for city in sorted(expected):
        first = expected[city]
        rows[city] = tuple(
            states.get(
                CityDay(city, day),
                NOT_REQUESTED if day >= first else NOT_EXPECTED,
            )
            for day in days
        )
    return Calendar(feed, start, end, rows)


def is_missing(state: str) -> bool:
    """Whether a day in this state should be in the lake, and is not."""
    return state not in PRESENT_STATES and state != NOT_EXPECTED


def draw_text(calendar: Calendar, *, cities: int = 100) -> str:
    """Draw the calendar as a Markdown table of squares, those with most missing first.

    Args:
        calendar: of a month or so.
        cities: rows at most; the last line says how many are left out.
    """

    def count_missing(item: tuple[str, tuple[str, ...]]) -> int:
        return sum(is_missing(state) for state in item[1])

    ordered = sorted(
        calendar.rows.items(), key=lambda item: (-count_missing(item), item[0])
    )
    legend = " · ".join(
        f"{SQUARES[state]} {state} {count}" for state, count in calendar.counts.items()
    )
    lines = [
        f"{calendar.feed} {calendar.start} to {calendar.end}, {len(ordered)} cities: "
        f"{legend}",
        "",
        "| city | missing | days |",
        "|---|---|---|",
        *(
            f"| {city} | {count_missing((city, row))} | {''.join(SQUARES[s] for s in row)} |"
            for city, row in ordered[:cities]
        ),
    ]
    if len(ordered) > cities:
        lines += ["", f"{len(ordered) - cities} more cities are not shown."]
    return "\n".join(lines)
