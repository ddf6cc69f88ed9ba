"""SQL that reads the ledger's city-days, inside the caller's transaction."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState
from mobility_pipeline.vendor.tables import city_days

_DAYS = city_days.c
_REQUESTED = CityDayState.REQUESTED
_PRESENT = (CityDayState.DELIVERED, CityDayState.EMPTY)
_STATES = {state.value: state for state in CityDayState}
"""Looked up for hundreds of thousands of rows, where `CityDayState(text)` is slow."""
_RECORDED = (
    _DAYS.city,
    _DAYS.date,
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


def select_city_days(
    connection: sa.Connection,
    feed: str,
    start: date,
    end: date,
    cities: Collection[str] | None,
) -> dict[CityDay, CityDayRecord]:
    """Return what is known of a feed's city-days from `start` to `end`, inclusive."""
    found = sa.select(*_RECORDED).where(
        _DAYS.feed == feed, _DAYS.date.between(start, end)
    )
    if cities is not None:
        found = found.where(_DAYS.city.in_(sorted(cities)))
    return _make_records(connection.execute(found))


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
) -> dict[CityDay, CityDayRecord | None]:
    """Return the wanted city-days that the lake lacks; null = never asked for."""
    start, end = min(day.date for day in wanted), max(day.date for day in wanted)
    in_range = (_DAYS.feed == feed, _DAYS.date.between(start, end))
    held = sa.select(_DAYS.city, _DAYS.date).where(*in_range, _IS_HELD)
    found = set(map(CityDay._make, connection.execute(held)))
    lacking = sa.select(*_RECORDED).where(*in_range, ~_IS_HELD)
    records = _make_records(connection.execute(lacking))
    return {day: records.get(day) for day in wanted if day not in found}


def select_coverage(
    connection: sa.Connection, feed: str, start: date, end: date
) -> dict[CityDay, str]:
    """Return what the lake holds of city-days, and where that is nothing, why.

    No record is made of each: there may be hundreds of thousands.
    """
    held = sa.case(
        (is_any(_DAYS.previous_state, *_PRESENT), _DAYS.previous_state),
        else_=_DAYS.state,
    )
    found = sa.select(_DAYS.city, _DAYS.date, held).where(
        _DAYS.feed == feed, _DAYS.date.between(start, end)
    )
    return {CityDay(city, day): state for city, day, state in connection.execute(found)}


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


def _make_records(rows: Iterable[sa.Row[Any]]) -> dict[CityDay, CityDayRecord]:
    return {
        (day := CityDay(city, day_date)): CityDayRecord(
            day, _STATES[state], reason, ref, updated_at, attempts, _STATES.get(before)
        )
        for city, day_date, state, reason, ref, updated_at, attempts, before in rows
    }
