from datetime import date

from mobility_pipeline.lake.calendar import Calendar
from mobility_pipeline.serving.console.coverage_page import list_missing

_FIRST, _LAST = date(2026, 1, 1), date(2026, 1, 2)


def test_missing_days_are_listed_most_first() -> None:
    """Cities that miss nothing are left out; so are days before a city's first."""
    calendar = Calendar(
        "pings_full",
        _FIRST,
        _LAST,
        {
            "a/whole": ("delivered", "empty"),
            "b/one": ("delivered", "job_failed"),
            "c/two": ("not_requested", "rejected"),
            "d/new": ("not_expected", "delivered"),
        },
    )
    rows = [["c/two", "2 of 2 days"], ["b/one", "1 of 2 days"]]
    assert list_missing(calendar) == (rows, 0)


def test_more_than_fifty_cities_are_counted() -> None:
    """The picture has them all."""
    rows = {f"x/{number:02}": ("rejected", "rejected") for number in range(53)}
    listed, more = list_missing(Calendar("pings_full", _FIRST, _LAST, rows))
    assert (len(listed), more) == (50, 3)
