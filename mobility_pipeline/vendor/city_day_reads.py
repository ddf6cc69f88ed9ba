"""SQL that reads the ledger's city-days, inside the caller's transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date
from itertools import repeat

import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState, Missing
from mobility_pipeline.vendor.tables import city_days

_DAYS = city_days.c
_REQUESTED = CityDayState.REQUESTED
_PRESENT = (CityDayState.DELIVERED, CityDayState.EMPTY)
_RECORDED = (
    _DAYS.state,
    _DAYS.reason,
    _DAYS.job_ref,
    _DAYS.updated_at,
    _DAYS.attempts,
    _DAYS.previous_state,
)
"""What a `CityDayRecord` is made of, in the order of its fields."""
_IS_HELD = sa.or_(
    _DAYS.state.in_(_PRESENT), sa.func.coalesce(_DAYS.previous_state, "").in_(_PRESENT)
)
"""As `CityDayRecord.is_in_lake` says."""
_CITIES = sa.func.aggregate_strings(_DAYS.city, ",")
"""The cities of a group in one text: keys have no comma, and a row for each of hundreds of
thousands of city-days would take seconds."""


def select_city_days(
    connection: sa.Connection,
    feed: str,
    start: date,
    end: date,
    cities: Collection[str] | None,
) -> dict[CityDay, CityDayRecord]:
    """Return what is known of a feed's city-days from `start` to `end`, inclusive."""
    conditions = [_DAYS.feed == feed, _DAYS.date.between(start, end)]
    if cities is not None:
        conditions.append(_DAYS.city.in_(sorted(cities)))
    records: dict[CityDay, CityDayRecord] = {}
    for day, keys, record in _select_alike(connection, *conditions):
        records.update(dict.fromkeys(map(CityDay, keys, repeat(day)), record))
    return records


def count_held(
    connection: sa.Connection, city: str
) -> list[tuple[str, int | None, int, date, date]]:
    """Count a city's days in the lake by feed and the job they came from.

    Returns:
        Feed, `ref` (null where the ledger does not know it), days, first and last.
    """
    is_settled = _DAYS.state.in_(_PRESENT)
    ref = sa.case((is_settled, _DAYS.job_ref), else_=_DAYS.previous_job_ref)
    held = (
        sa.select(_DAYS.feed, ref.label("ref"), _DAYS.date)
        .where(_DAYS.city == city, _IS_HELD)
        .subquery()
        .c
    )
    found = sa.select(
        held.feed,
        held.ref,
        sa.func.count(),
        sa.func.min(held.date),
        sa.func.max(held.date),
    ).group_by(held.feed, held.ref)
    return [
        (feed, ref, days, first, last)
        for feed, ref, days, first, last in connection.execute(found)
    ]


def select_asked_cities(connection: sa.Connection) -> frozenset[str]:
    """Return the cities of which any day was asked for, or is known to be in the lake."""
    found = sa.select(_DAYS.city).distinct()
    return frozenset(
        connection.scalars(found.where(_DAYS.state != CityDayState.NOT_REQUESTED))
    )


def select_missing(
    connection: sa.Connection, feed: str, wanted: Collection[CityDay]
) -> list[Missing]:
    """Return the wanted city-days that the lake lacks, each once."""
    by_date: defaultdict[date, set[str]] = defaultdict(set)
    for city, day in wanted:
        by_date[day].add(city)
    in_range = (_DAYS.feed == feed, _DAYS.date.between(min(by_date), max(by_date)))
    # First: a city-day that lands between the two reads must not look never asked for.
    lacking = [*_select_alike(connection, *in_range, ~_IS_HELD)]
    held = sa.select(_DAYS.date, _CITIES).where(*in_range, _IS_HELD)
    for day, keys in connection.execute(held.group_by(_DAYS.date)):
        by_date[day].difference_update(keys.split(","))
    missing: list[Missing] = []
    for day, keys, record in lacking:
        if known := by_date[day].intersection(keys):
            by_date[day] -= known
            missing.append(Missing(day, known, record))
    never_asked = [Missing(day, keys, None) for day, keys in by_date.items() if keys]
    return missing + never_asked


def select_coverage(
    connection: sa.Connection, feed: str, start: date, end: date
) -> dict[CityDay, str]:
    """Return what the lake holds of city-days, and where that is nothing, why."""
    held = sa.case(
        (is_any(_DAYS.previous_state, *_PRESENT), _DAYS.previous_state),
        else_=_DAYS.state,
    ).label("held")
    found = (
        sa.select(_DAYS.date, held, _CITIES)
        .where(_DAYS.feed == feed, _DAYS.date.between(start, end))
        .group_by(_DAYS.date, held)
    )
    states: dict[CityDay, str] = {}
    for day, state, keys in connection.execute(found):
        alike = map(CityDay, keys.split(","), repeat(day))
        states.update(dict.fromkeys(alike, str(state)))
    return states


def select_pending(connection: sa.Connection, ref: int) -> frozenset[CityDay]:
    """Return the city-days that still wait for a job."""
    found = sa.select(_DAYS.city, _DAYS.date).where(
        _DAYS.job_ref == ref, _DAYS.state == _REQUESTED
    )
    return frozenset(CityDay(row.city, row.date) for row in connection.execute(found))


def is_any(column: sa.Column[str], *states: CityDayState) -> sa.ColumnElement[bool]:
    """Say whether a column is one of some states."""
    # Not `in_`, which cannot be sent for many rows at once.
    return sa.or_(*(column == state for state in states))


def _select_alike(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool]
) -> Iterator[tuple[date, list[str], CityDayRecord]]:
    """Yield the cities of which the same is recorded for a date, as what lands together."""
    found = (
        sa.select(_DAYS.date, _CITIES, *_RECORDED)
        .where(*conditions)
        .group_by(_DAYS.date, *_RECORDED)
    )
    for day, keys, state, reason, ref, at, attempts, before in connection.execute(
        found
    ):
        was = CityDayState(before) if before else None
        record = CityDayRecord(CityDayState(state), reason, ref, at, attempts, was)
        yield day, keys.split(","), record
