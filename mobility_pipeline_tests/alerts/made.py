"""What tests of alerts are made of: a day, an outlook, problems."""

from datetime import UTC, date, datetime, timedelta

from mobility_pipeline.alerts.outlook import Outlook
from mobility_pipeline.alerts.problems import Kind, Problem, to_days
from mobility_pipeline.cities.city import CityDay

NOW = datetime(2025, 3, 20, 10, 0, tzinfo=UTC)
NEWEST = date(2025, 3, 13)
DAILY = datetime(2025, 3, 21, 2, 0, tzinfo=UTC)
RECOVERY = datetime(2025, 3, 21, 6, 0, tzinfo=UTC)

ALL_ON = Outlook(NEWEST - timedelta(days=13), DAILY, RECOVERY)
"""The daily load asks again from 28 February on; recovery for the rest."""
ALL_OFF = Outlook(None, DAILY, None)


def make_days(city: str, *offsets: int) -> list[CityDay]:
    """Return days of a city, counted back from NEWEST."""
    return [CityDay(city, NEWEST - timedelta(days=offset)) for offset in offsets]


def make_problem(
    city: str = "c/a", *offsets: int, reason: str = "not_delivered"
) -> Problem:
    """Return a problem of a city that lacks days, the newest where none is given."""
    return Problem(
        feed="pings_full",
        kind=Kind.DAYS,
        subject=city,
        reason=reason,
        what="the vendor did not deliver",
        by_itself="Nothing.",
        by_person="Ask:",
        days=to_days(make_days(city, *(offsets or (0,)))),
    )
