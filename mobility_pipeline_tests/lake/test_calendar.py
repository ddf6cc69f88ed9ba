"""The coverage calendar: what is shown is what is known."""

from datetime import date

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.calendar import SQUARES, draw_text, make_calendar
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


def test_every_state_of_a_city_day_has_a_square_of_its_own() -> None:
    """No reason looks like another."""
    assert SQUARES.keys() == {state.value for state in CityDayState} | {"not_expected"}
    assert len(set(SQUARES.values())) == len(SQUARES)


def test_text_names_those_with_most_missing_first_and_what_is_left_out() -> None:
    """Of two cities with two missing days each, one row is shown."""
    text = draw_text(CALENDAR, cities=1)
    assert "| a/<c> | 2 | ⬜⬜🟧⬛ |" in text
    assert "1 more cities are not shown." in text
