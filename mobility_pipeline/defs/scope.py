"""What a request without partitions is about: cities and days, checked before any is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import (
    check_range,
    expected_city_days,
    first_days,
    parse_day,
)
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import newest_day
from mobility_pipeline.settings import Settings


@dataclass(frozen=True)
class Scope:
    """Cities and days, both ends included."""

    known: Cities
    start: date
    end: date
    first_by_city: dict[str, date]
    """First expected day of each chosen city, those refused for their area too."""

    @cached_property
    def expected(self) -> frozenset[CityDay]:
        """City-days the lake should hold."""
        return expected_city_days(self.first_by_city, self.start, self.end)

    @cached_property
    def requestable(self) -> frozenset[CityDay]:
        """Those of cities with a valid area."""
        active = self.known.active
        valid = {
            key: first for key, first in self.first_by_city.items() if key in active
        }
        return expected_city_days(valid, self.start, self.end)


def read_scope(
    settings: Settings,
    known: Cities,
    keys: Sequence[str],
    start: str,
    end: str,
    now: datetime,
    *,
    is_typed: bool,
) -> Scope:
    """Check what is asked for.

    Args:
        settings: for the first and the newest day.
        known: the registry.
        keys: cities chosen; none = every active one.
        start: first day, `YYYY-MM-DD`.
        end: last day, included.
        now: the present instant.
        is_typed: the cities were chosen by a person just now, who is told of one that is
            retired or invalid. Else they stand in a run's config, and the registry may
            have changed since: one bad city must not take the other 199 down.

    Raises:
        UsageError: a day is malformed, reversed, too early or not yet available; a chosen
            city is not there, or is typed and retired or invalid.
    """
    first, last = parse_day(start, "from"), parse_day(end, "to")
    earliest = settings.mobility_start_date
    check_range(first, last, first=earliest, newest=newest_day(settings, now))
    if is_typed:
        _refuse_unusable(known, keys)
    return Scope(known, first, last, _choose_cities(known, keys, earliest))


def _choose_cities(
    known: Cities, keys: Sequence[str], default_first: date
) -> dict[str, date]:
    """Return the first expected day of each chosen city that is not retired.

    Refused cities count too: nothing can be asked for them, and their days must show as
    missing.
    """
    if not known.active:
        raise UsageError("no active city: add one by `mobility cities add FILE`")
    refused = {city.name for city in known.refused}
    chosen = set(keys) or refused | known.active.keys()
    valid = [known.find(key) for key in chosen - refused]
    first = first_days((city for city in valid if city.is_active), default_first)
    return first | dict.fromkeys(chosen & refused, default_first)


def _refuse_unusable(known: Cities, keys: Sequence[str]) -> None:
    for key in keys:
        if not known.find(key).is_active:
            raise UsageError(f"city {key} is retired: nothing is asked for it")
