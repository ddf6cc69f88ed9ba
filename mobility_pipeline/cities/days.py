"""Which city-days are expected, and which ranges of days may be asked for."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import chain, repeat

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.errors import UsageError


def parse_day(text: str, option: str) -> date:
    """Read a day written as `YYYY-MM-DD`.

    Raises:
        UsageError: it is not one; names the option.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option}: {text!r} is not a day like 2025-06-30") from error
    if len(text) != len("YYYY-MM-DD"):
        raise UsageError(f"{option}: {text!r} is not a day like 2025-06-30")
    return day


def check_range(start: date, end: date, *, first: date, newest: date) -> None:
    """Refuse a range of days (both ends included) that cannot be asked for.

    Args:
        start: first day wanted.
        end: last day wanted.
        first: MOBILITY_START_DATE.
        newest: today (UTC) minus VERASET_LAG_DAYS.

    Raises:
        UsageError: reversed, before the first day, or not yet available.
    """
    if start > end:
        raise UsageError(f"reversed dates: {start} is after {end}; swap them")
    if start < first:
        raise UsageError(
            f"{start} is before the first day kept, {first}: ask from {first} on or set "
            "MOBILITY_START_DATE"
        )
    if end > newest:
        raise UsageError(
            f"{end} is not yet available: the newest day worth asking for is {newest} "
            "(today in UTC minus VERASET_LAG_DAYS)"
        )


def first_days(cities: Iterable[City], default: date) -> dict[str, date]:
    """Return the first expected day of each city, by key."""
    return {city.key: city.first_date or default for city in cities}


def expected_city_days(
    first_by_city: Mapping[str, date], start: date, end: date
) -> frozenset[CityDay]:
    """Return the city-days of a range, each city's from its first day on."""
    # Each day made once, and no loop in Python: there may be hundreds of thousands.
    days = [*days_between(start, end)]
    return frozenset(
        chain.from_iterable(
            map(CityDay, repeat(key), days[max((first - start).days, 0) :])
            for key, first in first_by_city.items()
        )
    )


def days_between(start: date, end: date) -> Iterator[date]:
    """Yield the days of a range, both ends included; none where it is reversed."""
    for offset in range((end - start).days + 1):
        yield start + timedelta(days=offset)
