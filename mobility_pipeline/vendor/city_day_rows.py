"""SQL on the ledger's city-days, each function inside the caller's transaction."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import KEPT, CityDayRecord, CityDayState
from mobility_pipeline.vendor.tables import city_days, vendor_jobs

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
        (_is_any(_DAYS.previous_state, *_PRESENT), _DAYS.previous_state),
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


def request_rows(
    connection: sa.Connection,
    feed: str,
    wanted: Collection[CityDay],
    ref: int,
    now: datetime,
    *,
    by_recovery: bool,
) -> int:
    """Mark city-days as waiting for a job, remembering what they were.

    Those that wait for another job, or are erased, stay as they are.

    Returns:
        How many of `wanted` wait for this job now.
    """
    insert = insert_city_days(connection).values(
        feed=feed,
        city=sa.bindparam("day_city"),
        date=sa.bindparam("day_date"),
        state=_REQUESTED,
        reason="",
        job_ref=ref,
        attempts=0,
        asked_by_recovery=by_recovery,
        updated_at=now,
    )
    upsert = insert.on_conflict_do_update(
        index_elements=["feed", "city", "date"],
        set_={
            "state": _REQUESTED,
            "reason": "",
            "job_ref": ref,
            "asked_by_recovery": by_recovery,
            "updated_at": now,
            "previous_state": _DAYS.state,
            "previous_reason": _DAYS.reason,
            "previous_job_ref": _DAYS.job_ref,
        },
        where=~_is_any(_DAYS.state, _REQUESTED, CityDayState.ERASED),
    )
    connection.execute(upsert, _parameters(wanted))
    return len(select_pending(connection, ref) & set(wanted))


def settle_rows(
    connection: sa.Connection,
    ref: int,
    results: Mapping[CityDay, tuple[CityDayState, str]],
    now: datetime,
) -> frozenset[CityDay]:
    """Record how city-days of a job ended; those of other jobs stay as they are.

    A day that was in the lake before stays what it was when the newer delivery failed:
    the older one is still there.

    Returns:
        Those of `results` that belong to the job and are not erased.
    """
    mine = (_DAYS.job_ref == ref, _DAYS.state != CityDayState.ERASED)
    own = {
        CityDay(row.city, row.date)
        for row in connection.execute(sa.select(_DAYS.city, _DAYS.date).where(*mine))
    }
    present = {day: end for day, end in results.items() if end[0].is_present}
    missing = {day: end for day, end in results.items() if not end[0].is_present}
    was_present = _is_any(_DAYS.previous_state, *_PRESENT)
    state = sa.bindparam("end_state", type_=sa.Text)
    reason = sa.bindparam("end_reason", type_=sa.Text)
    end = {"state": state, "reason": reason, "attempts": _count_attempts(state)}
    kept = {
        "state": _DAYS.previous_state,
        "reason": sa.literal(KEPT) + state + " " + reason,
        "job_ref": _DAYS.previous_job_ref,
    }
    waiting = (*mine, _DAYS.state == _REQUESTED)
    _update_each(connection, ref, missing, (*waiting, was_present), kept, now)
    lost = (*mine, ~_is_any(_DAYS.state, *_PRESENT))
    _update_each(connection, ref, missing, lost, end, now)
    _update_each(connection, ref, present, mine, end, now)
    return frozenset(own & results.keys())


def _count_attempts(state: sa.ColumnElement[str]) -> sa.ColumnElement[int]:
    """Count one that ends in `state`; the same end recorded twice counts once."""
    is_waiting = _DAYS.state == _REQUESTED
    before = sa.case((is_waiting, _DAYS.previous_state), else_=_DAYS.state)
    counts = sa.case((sa.and_(is_waiting, _DAYS.asked_by_recovery), 1), else_=0)
    return sa.case((before == state, _DAYS.attempts + counts), else_=1)


def restore_rows(
    connection: sa.Connection,
    ref: int,
    days: Collection[CityDay] | None,
    reason: str,
    now: datetime,
) -> None:
    """Make city-days that wait for a job what they were before.

    Args:
        connection: in a transaction.
        ref: the job.
        days: only these of its city-days; null = all.
        reason: said of those that were never requested before.
        now: time of the change.
    """
    state, before = _DAYS.previous_state, _DAYS.previous_reason
    values = {
        "state": sa.func.coalesce(state, CityDayState.NOT_REQUESTED.value),
        "reason": sa.func.coalesce(before, reason),
        "job_ref": _DAYS.previous_job_ref,
        **_forget_previous(now),
    }
    update = (
        sa.update(city_days)
        .where(_DAYS.job_ref == ref, _DAYS.state == _REQUESTED)
        .values(**values)
    )
    if days is None:
        connection.execute(update)
    elif days:
        connection.execute(_for_each_day(connection, update, ref), _parameters(days))


def defer_rows(
    connection: sa.Connection,
    feed: str,
    days: Collection[CityDay],
    reason: str,
    now: datetime,
) -> None:
    """Record city-days that were not asked for because of the quota.

    Those in the lake, requested or erased stay as they are.
    """
    insert = insert_city_days(connection).values(
        feed=feed,
        city=sa.bindparam("day_city"),
        date=sa.bindparam("day_date"),
        state=CityDayState.DEFERRED_QUOTA,
        reason=reason,
        attempts=0,
        updated_at=now,
    )
    untouched = (*_PRESENT, _REQUESTED, CityDayState.ERASED)
    upsert = insert.on_conflict_do_update(
        index_elements=["feed", "city", "date"],
        set_={
            "state": CityDayState.DEFERRED_QUOTA,
            "reason": reason,
            "updated_at": now,
        },
        where=~_is_any(_DAYS.state, *untouched),
    )
    if days:
        connection.execute(upsert, _parameters(days))


def insert_city_days(
    connection: sa.Connection,
) -> postgresql.Insert | sqlite.Insert:
    """Return an insert that can say what happens where the row is there already."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(city_days)
    return sqlite.insert(city_days)


def _update_each(
    connection: sa.Connection,
    ref: int,
    results: Mapping[CityDay, tuple[CityDayState, str]],
    conditions: tuple[sa.ColumnElement[bool], ...],
    values: Mapping[str, Any],
    now: datetime,
) -> None:
    if not results:
        return
    update = (
        sa.update(city_days)
        .where(*conditions)
        .values(**values, **_forget_previous(now))
    )
    connection.execute(
        _for_each_day(connection, update, ref),
        [
            {
                "day_city": day.city,
                "day_date": day.date,
                "end_state": state.value,
                "end_reason": reason,
            }
            for day, (state, reason) in results.items()
        ],
    )


def _is_any(column: sa.Column[str], *states: CityDayState) -> sa.ColumnElement[bool]:
    # Not `in_`, which cannot be sent for many rows at once.
    return sa.or_(*(column == state for state in states))


def _for_each_day(connection: sa.Connection, update: sa.Update, ref: int) -> sa.Update:
    # The whole primary key: by `job_ref` alone each day would search all the job's days.
    feed = sa.select(vendor_jobs.c.feed).where(vendor_jobs.c.ref == ref)
    return update.where(
        _DAYS.feed == connection.execute(feed).scalar_one(),
        _DAYS.city == sa.bindparam("day_city"),
        _DAYS.date == sa.bindparam("day_date"),
    )


def _forget_previous(now: datetime) -> dict[str, Any]:
    nothing = {
        "previous_state": None,
        "previous_reason": None,
        "previous_job_ref": None,
    }
    return {**nothing, "updated_at": now}


def _parameters(days: Collection[CityDay]) -> list[dict[str, Any]]:
    return [{"day_city": day.city, "day_date": day.date} for day in sorted(days)]


def _make_records(rows: Iterable[sa.Row[Any]]) -> dict[CityDay, CityDayRecord]:
    return {
        (day := CityDay(city, day_date)): CityDayRecord(
            day, _STATES[state], reason, ref, updated_at, attempts, _STATES.get(before)
        )
        for city, day_date, state, reason, ref, updated_at, attempts, before in rows
    }
