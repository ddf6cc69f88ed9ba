"""SQL that applies to the ledger what the lake has shown, inside the caller's transaction."""

from collections.abc import Mapping
from datetime import date, datetime

import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.city_day_reads import select_city_days
from mobility_pipeline.vendor.city_day_rows import erase_rows, insert_city_days
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState
from mobility_pipeline.vendor.reindex import ERASED, Changes, reason_found
from mobility_pipeline.vendor.tables import city_days, vendor_jobs

_DAYS = city_days.c
_SETTLED = ("state", "reason", "job_ref", "attempts", "updated_at")


def select_all(connection: sa.Connection, feed: str) -> dict[CityDay, CityDayRecord]:
    """Return every city-day of a feed."""
    return select_city_days(connection, feed, date.min, date.max, None)


def apply_changes(
    connection: sa.Connection,
    feed: str,
    records: Mapping[CityDay, CityDayRecord],
    changes: Changes,
    now: datetime,
) -> None:
    """Write what changes; nothing else is touched."""
    refs = _refs_by_job_id(connection)
    settled: list[dict[str, object]] = []
    for day, held in changes.found.items():
        record = records.get(day)
        settled.append(
            {
                "feed": feed,
                "city": day.city,
                "date": day.date,
                "state": held.state.value,
                "reason": reason_found(record),
                "job_ref": refs.get(held.job_id),
                # A manifest is proof of one bought job, also where the ledger forgot it.
                "attempts": max(record.attempts, 1) if record else 1,
                "updated_at": now,
            }
        )
    gone = [(day, CityDayState.NOT_REQUESTED, why) for day, why in changes.lost.items()]
    bad = [(day, CityDayState.REJECTED, why) for day, why in changes.spoilt.items()]
    for day, state, reason in (*gone, *bad):
        record = records.get(day)
        settled.append(
            {
                "feed": feed,
                "city": day.city,
                "date": day.date,
                "state": state.value,
                "reason": reason,
                "job_ref": record.job_ref if record else None,
                # It ends in this state for the first time, however it ended before.
                "attempts": 1,
                "updated_at": now,
            }
        )
    if settled:
        insert = insert_city_days(connection)
        upsert = insert.on_conflict_do_update(
            index_elements=["feed", "city", "date"],
            set_={name: insert.excluded[name] for name in _SETTLED},
        )
        connection.execute(upsert, settled)
    _correct_previous(connection, feed, changes, refs)
    erase_rows(connection, feed, changes.erased, ERASED, now)


def _correct_previous(
    connection: sa.Connection, feed: str, changes: Changes, refs: Mapping[str, int]
) -> None:
    """Correct what requested city-days fall back to; they wait on for their job."""
    values: list[dict[str, object]] = [
        {
            "day_city": day.city,
            "day_date": day.date,
            "old_state": held.state.value,
            "old_reason": reason_found(None),
            "old_ref": refs.get(held.job_id),
        }
        for day, held in changes.found_below.items()
    ]
    nothing = {"old_state": None, "old_reason": None, "old_ref": None}
    for day in changes.lost_below:
        values.append({"day_city": day.city, "day_date": day.date, **nothing})
    if values:
        update = (
            sa.update(city_days)
            .where(
                _DAYS.feed == feed,
                _DAYS.city == sa.bindparam("day_city"),
                _DAYS.date == sa.bindparam("day_date"),
                _DAYS.state == CityDayState.REQUESTED,
            )
            .values(
                previous_state=sa.bindparam("old_state"),
                previous_reason=sa.bindparam("old_reason"),
                previous_job_ref=sa.bindparam("old_ref"),
            )
        )
        connection.execute(update, values)


def _refs_by_job_id(connection: sa.Connection) -> dict[str, int]:
    found = sa.select(vendor_jobs.c.job_id, vendor_jobs.c.ref).where(
        vendor_jobs.c.job_id.is_not(None)
    )
    return {str(row.job_id): int(row.ref) for row in connection.execute(found)}
