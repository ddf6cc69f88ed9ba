"""Hours as people write them, `yyyyMMddHH` in a city's local time, and as instants.

An hour that the clock shows twice, in autumn, means the first of the two; `fold=1` asks
for the second (as PEP 495 names them). An hour that it skips, in spring, is none.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from mobility_pipeline.analytics.local_time import (
    hours_of,
    local_hours,
    utc_dates_of,
)
from mobility_pipeline.errors import QuestionRefusedError

HOUR_PATTERN = r"^\d{10}$"
_FIRST_YEAR, _LAST_YEAR = 1990, 2100


@dataclass(frozen=True)
class LocalHour:
    """One hour of a city's day."""

    local_date: date
    hour_at: datetime
    """Instant at which it starts."""
    time_zone: str

    @property
    def label(self) -> str:
        """As it is written: `yyyyMMddHH`."""
        local = self.hour_at.astimezone(ZoneInfo(self.time_zone))
        return local.strftime("%Y%m%d%H")


def read_hour(text: str, time_zone: str, fold: int = 0) -> LocalHour:
    """Read `yyyyMMddHH` as an hour of a zone.

    Args:
        text: ten digits.
        time_zone: IANA name.
        fold: 0 = the first, 1 = the second of two hours that are written alike; no
            matter for all others.

    Raises:
        QuestionRefusedError: it is no hour, or the zone's clock skips it.
    """
    if not re.fullmatch(HOUR_PATTERN, text, re.ASCII):
        raise QuestionRefusedError(f"{text!r} is no hour: write it like 2025061110")
    try:
        local_date = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        raise QuestionRefusedError(f"{text} names a day that is none") from None
    check_day(local_date)
    instants = hours_by_label(local_date, time_zone).get(int(text[8:]), ())
    if not instants:
        raise QuestionRefusedError(f"there was no hour {text} in {time_zone}")
    return LocalHour(local_date, instants[min(fold, len(instants) - 1)], time_zone)


def check_day(day: date) -> None:
    """Refuse days on which nobody had a device, and those time zones know nothing of.

    Raises:
        QuestionRefusedError: it is one.
    """
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise QuestionRefusedError(
            f"there is nothing in {day.year}: ask from {_FIRST_YEAR} to {_LAST_YEAR}"
        )


@lru_cache(maxsize=4096)
def hours_by_label(
    local_date: date, time_zone: str
) -> Mapping[int, Sequence[datetime]]:
    """Return the instants at which hours of a day start, by what the clock shows."""
    found: dict[int, list[datetime]] = {}
    hours = local_hours(hours_of(local_date, time_zone), time_zone)
    for hour_at, label in hours.select("hour_at", "local_hour").rows():
        found.setdefault(label, []).append(hour_at)
    return found


@lru_cache(maxsize=4096)
def utc_days(local_date: date, time_zone: str) -> Sequence[date]:
    """Return the UTC days that a city's day overlaps."""
    return utc_dates_of(local_date, time_zone)
