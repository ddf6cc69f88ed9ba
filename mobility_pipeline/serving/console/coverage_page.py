"""The coverage calendar: which days each city has, and why the others are missing."""

from datetime import date, timedelta
from urllib.parse import urlencode

from nicegui import ui

from mobility_pipeline.cities.days import first_days, parse_day
from mobility_pipeline.errors import MobilityError, UsageError
from mobility_pipeline.lake.calendar import Calendar, is_missing, make_calendar
from mobility_pipeline.lake.calendar_picture import draw_svg
from mobility_pipeline.schemas.feeds import find_feed
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.layout import frame, say, table
from mobility_pipeline.serving.console.who import attempt, page, user_of
from mobility_pipeline.wording import number_of

_DAYS = 90
_MOST_DAYS = 1_100
_MOST_CITIES = 50


def add_coverage_page(desk: Desk) -> None:
    """Give the console the page of the calendar."""

    @page("/coverage")
    async def show_coverage(feed: str = "", start: str = "", end: str = "") -> None:
        user = user_of()
        newest = desk.newest_day()
        feed = feed or desk.feeds[0].name
        end = end or newest.isoformat()
        start = (
            start or max(newest - timedelta(days=_DAYS - 1), desk.first_day).isoformat()
        )
        calendar = await attempt(lambda: _read(desk, user, feed, start, end))
        with frame("Coverage", "/coverage", user):
            _draw_choice(desk, feed, start, end)
            if isinstance(calendar, MobilityError):
                say([str(calendar)], "problem")
                return
            # Its texts are escaped where it is drawn.
            ui.html(draw_svg(calendar), sanitize=False).classes("calendar card")
            with ui.column().classes("card narrow"):
                ui.label("Missing days by city").classes("card-title")
                rows, more = list_missing(calendar)
                table(["City", "Missing"], rows, "None is missing.")
                if more:
                    ui.label(
                        f"and {number_of(more, 'more city', 'more cities')}"
                    ).classes("quiet")


def list_missing(calendar: Calendar) -> tuple[list[list[str]], int]:
    """Return the cities with most missing days, for screens too narrow for the picture.

    Returns:
        Key and `12 of 90 days` each, at most 50; and how many cities more miss any.
    """
    missing = {
        key: sum(is_missing(state) for state in states)
        for key, states in calendar.rows.items()
    }
    ordered = sorted(
        (key for key in missing if missing[key]), key=lambda key: (-missing[key], key)
    )
    rows = [
        [key, f"{missing[key]:,} of {number_of(calendar.days, 'day')}"]
        for key in ordered[:_MOST_CITIES]
    ]
    return rows, len(ordered) - len(rows)


def _draw_choice(desk: Desk, feed: str, start: str, end: str) -> None:
    names = [known.name for known in desk.feeds]
    with ui.row().classes("bar"):
        which = ui.select(
            names, value=feed if feed in names else names[0], label="Feed"
        )
        first = ui.input("From", value=start).props("type=date")
        last = ui.input("To", value=end).props("type=date")
        for box in (which, first, last):
            box.props("outlined dense").classes("grow bg-white")

        def show() -> None:
            asked = {"feed": which.value, "start": first.value, "end": last.value}
            ui.navigate.to(f"/coverage?{urlencode(asked)}")

        ui.button("Show", on_click=show).props("unelevated no-caps")


def _read(desk: Desk, user: str, name: str, start: str, end: str) -> Calendar:
    """Read the calendar of what was typed.

    Raises:
        UsageError: no such feed, or no such range of days.
    """
    feed = find_feed(name, desk.feeds)
    first, last = parse_day(start, "from"), parse_day(end, "to")
    _check(first, last)
    active = desk.open_registry(user).load().active.values()
    states = desk.ledger.coverage(feed.name, first, last)
    expected = first_days(active, desk.first_day)
    return make_calendar(feed.name, states, expected, first, last)


def _check(first: date, last: date) -> None:
    if first > last:
        raise UsageError(f"reversed dates: {first} is after {last}; swap them")
    if (last - first).days > _MOST_DAYS:
        raise UsageError(f"at most {_MOST_DAYS:,} days are shown at once")
