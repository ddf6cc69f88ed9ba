"""SQL that changes the ledger's city-days, inside the caller's transaction."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.city_day_reads import is_any, select_pending
from mobility_pipeline.vendor.records import KEPT, CityDayState
from mobility_pipeline.vendor.tables import city_days, vendor_jobs

_DAYS = city_days.c
_REQUESTED = CityDayState.REQUESTED
_PRESENT = (CityDayState.DELIVERED, CityDayState.EMPTY)


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
        where=~is_any(_DAYS.state, _REQUESTED, CityDayState.ERASED),
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
    was_present = is_any(_DAYS.previous_state, *_PRESENT)
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
    lost = (*mine, ~is_any(_DAYS.state, *_PRESENT))
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
        where=~is_any(_DAYS.state, *untouched),
    )
    if days:
        connection.execute(upsert, _parameters(days))


def erase_rows(
    connection: sa.Connection,
    feed: str,
    days: Collection[CityDay],
    reason: str,
    now: datetime,
) -> None:
    """Record city-days as erased, whatever they were, known or not."""
    insert = insert_city_days(connection).values(
        feed=feed,
        city=sa.bindparam("day_city"),
        date=sa.bindparam("day_date"),
        state=CityDayState.ERASED,
        reason=reason,
        attempts=0,
        updated_at=now,
    )
    upsert = insert.on_conflict_do_update(
        index_elements=["feed", "city", "date"],
        set_={
            "state": CityDayState.ERASED,
            "reason": reason,
            **_forget_previous(now),
        },
        where=_DAYS.state != CityDayState.ERASED,
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
