"""The coverage calendar: one row per city, one column per UTC day, colour = state.

Drawn by hand as SVG, and as one HTML page around it that needs nothing else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from html import escape
from itertools import groupby
from operator import itemgetter

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.coverage import NOT_REQUESTED, PRESENT_STATES

_NOT_EXPECTED = "not_expected"
COLOURS: Mapping[str, str] = {
    "delivered": "#2a7f4f",
    "empty": "#a8d5b5",
    "requested": "#4a90d9",
    "not_requested": "#d9d9d9",
    "not_delivered": "#e0a030",
    "deferred_quota": "#9b6fc4",
    "job_failed": "#d9534f",
    "rejected": "#8c1d18",
    "erased": "#333333",
    _NOT_EXPECTED: "#ffffff",
}
"""State -> colour; the last one is before a city's first day."""
SQUARES: Mapping[str, str] = {
    "delivered": "🟩",
    "empty": "🟢",
    "requested": "🟦",
    "not_requested": "⬜",
    "not_delivered": "🟨",
    "deferred_quota": "🟪",
    "job_failed": "🟥",
    "rejected": "🟫",
    "erased": "⬛",
    _NOT_EXPECTED: "◽",
}
"""The same for text."""
_ROW_PX, _NAME_PX, _WIDTH_PX, _HEAD_PX, _LEGEND_PX = 14, 300, 900, 40, 40


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
        """State -> city-days; only those there are, in the order of `COLOURS`."""
        all_states = [state for row in self.rows.values() for state in row]
        counts = {state: all_states.count(state) for state in COLOURS}
        return {state: count for state, count in counts.items() if count}

    @property
    def expected(self) -> int:
        """City-days from each city's first day on."""
        return sum(n for state, n in self.counts.items() if state != _NOT_EXPECTED)

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
                NOT_REQUESTED if day >= first else _NOT_EXPECTED,
            )
            for day in days
        )
    return Calendar(feed, start, end, rows)


def draw_svg(calendar: Calendar) -> str:
    """Draw the calendar; days of one state that follow each other are one rectangle."""
    height = _HEAD_PX + _ROW_PX * len(calendar.rows) + _LEGEND_PX
    width = _NAME_PX + _WIDTH_PX + 10
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            f'<text x="4" y="14" font-size="13">{escape(_title(calendar))}</text>',
            *_draw_months(calendar),
            *_draw_rows(calendar),
            *_draw_legend(calendar, height - 14),
            "</svg>\n",
        ]
    )


def draw_html(calendar: Calendar) -> str:
    """Draw one page: the calendar, with city, days and state under the pointer."""
    title = escape(_title(calendar))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body>\n{draw_svg(calendar)}</body></html>\n"
    )


def draw_text(calendar: Calendar, *, cities: int = 100) -> str:
    """Draw the calendar as a Markdown table of squares, those with most missing first.

    Args:
        calendar: of a month or so.
        cities: rows at most; the last line says how many are left out.
    """

    def count_missing(item: tuple[str, tuple[str, ...]]) -> int:
        return sum(
            state not in ("delivered", "empty", "not_expected") for state in item[1]
        )

    ordered = sorted(
        calendar.rows.items(), key=lambda item: (-count_missing(item), item[0])
    )
    legend = " · ".join(
        f"{SQUARES[state]} {state} {count}" for state, count in calendar.counts.items()
    )
    lines = [
        f"{_title(calendar)}: {legend}",
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


def _title(calendar: Calendar) -> str:
    return f"{calendar.feed} {calendar.start} to {calendar.end}, {len(calendar.rows)} cities"


def _draw_months(calendar: Calendar) -> Iterator[str]:
    bottom = _HEAD_PX + _ROW_PX * len(calendar.rows)
    for offset in range(calendar.days):
        day = calendar.start + timedelta(offset)
        if day.day == 1 or not offset:
            x = _x(calendar, offset)
            yield f'<path d="M{x} 22V{bottom}" stroke="#999999" stroke-width="0.5"/>'
            if day.day == 1 or calendar.days < 32:
                yield f'<text x="{x + 2}" y="32" font-size="9">{day:%Y-%m}</text>'


def _draw_rows(calendar: Calendar) -> Iterator[str]:
    for number, (city, states) in enumerate(calendar.rows.items()):
        y = _HEAD_PX + number * _ROW_PX
        yield f'<text x="4" y="{y + 10}">{escape(city)}</text>'
        for state, run in groupby(enumerate(states), key=itemgetter(1)):
            places = [place for place, _ in run]
            left, right = _x(calendar, places[0]), _x(calendar, places[-1] + 1)
            first = calendar.start + timedelta(places[0])
            last = calendar.start + timedelta(places[-1])
            yield (
                f'<rect x="{left}" y="{y}" width="{right - left:.2f}" '
                f'height="{_ROW_PX - 2}" fill="{COLOURS[state]}"><title>'
                f"{escape(city)} {first} to {last}: {state}</title></rect>"
            )


def _draw_legend(calendar: Calendar, y: int) -> Iterator[str]:
    x = 4
    for state, count in calendar.counts.items():
        yield (
            f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{COLOURS[state]}" '
            'stroke="#666666" stroke-width="0.5"/>'
        )
        text = f"{state} {count}"
        yield f'<text x="{x + 14}" y="{y}">{text}</text>'
        x += 30 + 7 * len(text)


def _x(calendar: Calendar, offset: int) -> float:
    return round(_NAME_PX + _WIDTH_PX * offset / calendar.days, 2)
