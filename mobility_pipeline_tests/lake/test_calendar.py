"""The coverage calendar: what is drawn is what is known."""

from datetime import date
from xml.etree import ElementTree as ET

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.calendar import (
    COLOURS,
    draw_html,
    draw_svg,
    draw_text,
    make_calendar,
)
from mobility_pipeline.vendor.records import CityDayState

START, END = date(2024, 2, 27), date(2024, 3, 1)
STATES = {
    CityDay("a/b", date(2024, 2, 28)): "delivered",
    CityDay("a/b", date(2024, 2, 29)): "delivered",
    CityDay("a/<c>", END): "erased",
}
CALENDAR = make_calendar(
    "pings_full", STATES, {"a/b": START, "a/<c>": date(2024, 2, 29)}, START, END
)


def test_each_city_has_a_state_for_each_day() -> None:
    """Not asked for, and not expected yet, are states, too; a leap day counts."""
    assert CALENDAR.rows == {
        "a/<c>": ("not_expected", "not_expected", "not_requested", "erased"),
        "a/b": ("not_requested", "delivered", "delivered", "not_requested"),
    }
    assert sum(CALENDAR.counts.values()) == 2 * 4


def test_every_state_of_a_city_day_has_a_colour_of_its_own() -> None:
    """No reason looks like another."""
    assert COLOURS.keys() == {state.value for state in CityDayState} | {"not_expected"}
    assert len(set(COLOURS.values())) == len(COLOURS)


def test_svg_has_a_rectangle_for_each_run_of_days() -> None:
    """Runs are named by city, days and state; widths add up to the whole range."""
    root = ET.fromstring(draw_svg(CALENDAR))  # noqa: S314  # our own text
    space = "{http://www.w3.org/2000/svg}"
    runs = [
        (rect.findtext(f"{space}title"), float(rect.get("width", "0")))
        for rect in root.iter(f"{space}rect")
        if rect.find(f"{space}title") is not None
    ]
    assert runs == [
        ("a/<c> 2024-02-27 to 2024-02-28: not_expected", 450),
        ("a/<c> 2024-02-29 to 2024-02-29: not_requested", 225),
        ("a/<c> 2024-03-01 to 2024-03-01: erased", 225),
        ("a/b 2024-02-27 to 2024-02-27: not_requested", 225),
        ("a/b 2024-02-28 to 2024-02-29: delivered", 450),
        ("a/b 2024-03-01 to 2024-03-01: not_requested", 225),
    ]


def test_html_stands_alone() -> None:
    """The page holds the drawing and asks nobody for anything."""
    page = draw_html(CALENDAR)
    assert draw_svg(CALENDAR) in page
    assert "src=" not in page


def test_text_names_those_with_most_missing_first_and_what_is_left_out() -> None:
    """Of two cities with two missing days each, one row is shown."""
    text = draw_text(CALENDAR, cities=1)
    assert "| a/<c> | 2 | ◽◽⬜⬛ |" in text
    assert "1 more cities are not shown." in text
