"""The coverage calendar as a picture: SVG, and one HTML page that needs nothing else.

One row per city, one column per UTC day. Blue is held; every other colour is missing, and
says why. The colours stay apart for colour-blind people, too (Okabe and Ito's palette).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from html import escape
from itertools import groupby
from operator import itemgetter

from mobility_pipeline.lake.calendar import NOT_EXPECTED, Calendar, is_missing
from mobility_pipeline.wording import number_of

COLOURS: Mapping[str, str] = {
    "delivered": "#0072b2",
    "empty": "#9ccbe8",
    "requested": "#009e73",
    "not_requested": "#e69f00",
    "not_delivered": "#f0e442",
    "deferred_quota": "#cc79a7",
    "job_failed": "#d5400d",
    "rejected": "#701500",
    "erased": "#000000",
    NOT_EXPECTED: "#eeeeee",
}
"""State -> colour; the last one is before a city's first day."""

_ROW_PX, _NAME_PX, _DAYS_PX, _MISSING_PX = 14, 280, 900, 90
_WIDTH_PX = _NAME_PX + _DAYS_PX + _MISSING_PX
_LABEL_PX = 46
"""Between the left ends of two labels of months, at least."""
_FEW_DAYS = 62
"""Up to here the days of a month are marked, too."""
_LONGEST_NAME = 44
"""Characters of a city's key that fit."""
_STICKY = "position:sticky;top:0;background:#ffffff"


def draw_svg(calendar: Calendar) -> str:
    """Draw the calendar; days of one state that follow each other are one rectangle."""
    head, head_px = _draw_head(calendar)
    rows = f'<g transform="translate(0 {head_px})">'
    height = head_px + _rows_px(calendar)
    return _wrap([*head, rows, *_draw_rows(calendar), "</g>"], height)


def draw_html(calendar: Calendar) -> str:
    """Draw one page: the title, the legend and the months stay in sight on any row.

    City, days and state show under the pointer.
    """
    head, head_px = _draw_head(calendar)
    title = escape(_title(calendar))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n"
        f'<body style="margin:8px">\n<div style="{_STICKY}">{_wrap(head, head_px)}</div>'
        f"\n{_wrap([*_draw_rows(calendar)], _rows_px(calendar))}</body></html>\n"
    )


def _wrap(lines: Sequence[str], height: int) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_PX}" '
            f'height="{height}" viewBox="0 0 {_WIDTH_PX} {height}" '
            'font-family="sans-serif" font-size="11" style="display:block">',
            f'<rect width="{_WIDTH_PX}" height="{height}" fill="#ffffff"/>',
            *lines,
            "</svg>\n",
        ]
    )


def _rows_px(calendar: Calendar) -> int:
    return _ROW_PX * len(calendar.rows) + 6


def _title(calendar: Calendar) -> str:
    held = f"{calendar.held:,} of {calendar.expected:,} city-days in the lake"
    cities = number_of(len(calendar.rows), "city", "cities")
    return f"{calendar.feed}: {calendar.start} to {calendar.end}, {cities}, {held}"


def _draw_head(calendar: Calendar) -> tuple[list[str], int]:
    """Return title, legend and months, and the pixels they take."""
    legend, bottom = _draw_legend(calendar)
    title = f'<text x="4" y="18" font-size="15">{escape(_title(calendar))}</text>'
    missing = (
        f'<text x="{_WIDTH_PX - 8}" y="{bottom + 14}" text-anchor="end">missing</text>'
    )
    months = _draw_months(calendar, bottom + 14)
    return [title, *legend, *months, missing], bottom + 20


def _draw_legend(calendar: Calendar) -> tuple[list[str], int]:
    """Return what each colour means and how many days have it; and where that ends."""
    lines: list[str] = []
    x, y = 4, 38
    for state, count in calendar.counts.items():
        word = "before the first day" if state == NOT_EXPECTED else state
        text = f"{word} {count:,}"
        width = 32 + 6 * len(text)
        if x + width > _WIDTH_PX:
            x, y = 4, y + 18
        lines += [
            f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{COLOURS[state]}" '
            'stroke="#666666" stroke-width="0.5"/>',
            f'<text x="{x + 17}" y="{y}">{text}</text>',
        ]
        x += width
    return lines, y + 8


def _draw_months(calendar: Calendar, y: int) -> Iterator[str]:
    """Yield a label where a month begins, or of few days a week, and where there is room."""
    free, end = float("-inf"), _NAME_PX + _DAYS_PX - _LABEL_PX / 2
    for offset, day in _marks(calendar):
        x = _x(calendar, offset)
        if not offset or free <= x <= end:
            is_month = day.day == 1 and calendar.days > _FEW_DAYS
            text = f"{day:%Y-%m}" if is_month else f"{day:%m-%d}"
            yield f'<text x="{x}" y="{y}">{text}</text>'
            free = x + _LABEL_PX


def _draw_rows(calendar: Calendar) -> Iterator[str]:
    country = ""
    for number, (city, states) in enumerate(calendar.rows.items()):
        y = number * _ROW_PX
        if city.split("/", 1)[0] != country and number:
            yield f'<path d="M0 {y - 1}H{_WIDTH_PX}" stroke="#bbbbbb"/>'
        country = city.split("/", 1)[0]
        name = city if len(city) <= _LONGEST_NAME else f"…{city[1 - _LONGEST_NAME :]}"
        yield f'<text x="4" y="{y + 10}">{escape(name)}</text>'
        missing = sum(is_missing(state) for state in states)
        if missing:
            yield (
                f'<text x="{_WIDTH_PX - 8}" y="{y + 10}" text-anchor="end">'
                f"{missing:,}</text>"
            )
        yield from _draw_runs(calendar, city, states, y)
    bottom = _ROW_PX * len(calendar.rows)
    for offset, _ in _marks(calendar):
        x = _x(calendar, offset)
        yield f'<path d="M{x} 0V{bottom}" stroke="#ffffff" stroke-width="0.7"/>'


def _draw_runs(
    calendar: Calendar, city: str, states: Sequence[str], y: int
) -> Iterator[str]:
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


def _marks(calendar: Calendar) -> Iterator[tuple[int, date]]:
    """Yield the first day, each month's, and of few days every seventh of a month."""
    for offset in range(calendar.days):
        day = calendar.start + timedelta(offset)
        is_week = calendar.days <= _FEW_DAYS and day.day % 7 == 1
        if day.day == 1 or is_week or not offset:
            yield offset, day


def _x(calendar: Calendar, offset: int) -> float:
    return round(_NAME_PX + _DAYS_PX * offset / calendar.days, 2)
