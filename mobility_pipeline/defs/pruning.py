"""Delete old finished runs of Dagster, and the log of those that have to stay.

`DagsterInstance.delete_run` takes a run's materializations with it: a partition would no
longer count as materialized. So a run stays while it holds the latest event of a partition,
the latest evaluation of a check, the start of a re-execution, or a part of a backfill; only
what nothing but its own page shows goes then. Evaluations live in a table of their own:
their log records go, they stay (measured on dagster 1.13.27).
"""

import sqlite3
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.events import ASSET_EVENTS, EVENT_TYPE_TO_PIPELINE_RUN_STATUS
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.tags import BACKFILL_ID_TAG, ROOT_RUN_ID_TAG

from mobility_pipeline.errors import ConfigurationError

SHORTENED_TAG = "mobility/log_pruned"
"""On a run that stays without its log; says when."""

_EVENTS = SqlEventLogStorageTable.c
_KEPT_TYPES = sorted(
    kind.value
    for kind in (
        *ASSET_EVENTS,
        *EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
        dg.DagsterEventType.STEP_FAILURE,
    )
)
"""Event types that a shortened run keeps: its state, and why it failed."""
_PAGE = 500


@dataclass(frozen=True)
class Pruned:
    """What went."""

    runs_deleted: int
    runs_shortened: int
    """They stay, without the log that only their own page shows."""
    events_deleted: int
    """Event-log records."""
    bytes_deleted: int
    """Of their bodies; SQLite holds those of assets and checks twice."""


def prune_history(
    instance: dg.DagsterInstance, before: datetime, now: datetime
) -> Pruned:
    """Delete or shorten every run that ended before an instant. Repeated: changes nothing.

    Runs in progress, and those of a backfill that is, stay untouched.

    Args:
        instance: whose storage is SQLite or PostgreSQL.
        before: runs that ended, and were created, before it are old.
        now: the present instant, noted on shortened runs.

    Raises:
        ConfigurationError: the storage is neither.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigurationError(
            "the history of runs is pruned on SQLite and PostgreSQL only, not on "
            + type(storage).__name__
        )
    holders = _find_holders(storage)
    deleted: list[tuple[int, int]] = []
    shortened: list[tuple[int, int]] = []
    # The newest first: a re-execution goes before the run it repeats.
    for run in _old_runs(instance, before):
        backfill_id = run.tags.get(BACKFILL_ID_TAG)
        if backfill_id and not _has_ended(instance, backfill_id):
            continue
        if backfill_id or run.run_id in holders or _is_repeated(instance, run.run_id):
            if SHORTENED_TAG not in run.tags:
                shortened.append(_shorten(instance, storage, run.run_id, now))
        else:
            deleted.append(_delete(instance, storage, run.run_id))
    gone = deleted + shortened
    return Pruned(
        runs_deleted=len(deleted),
        runs_shortened=len(shortened),
        events_deleted=sum(events for events, _ in gone),
        bytes_deleted=sum(size for _, size in gone),
    )


def _find_holders(storage: SqlEventLogStorage) -> frozenset[str]:
    """Return runs that hold the latest event of a kind, or evaluation, of a partition."""
    checks = AssetCheckExecutionsTable.c
    latest_event = (
        sa.select(sa.func.max(_EVENTS.id))
        .where(_EVENTS.asset_key.is_not(None))
        .group_by(_EVENTS.asset_key, _EVENTS.dagster_event_type, _EVENTS.partition)
    )
    latest_check = sa.select(sa.func.max(checks.id)).group_by(
        checks.asset_key, checks.check_name, checks.partition
    )
    with storage.index_connection() as connection:
        found = [
            *connection.scalars(
                sa.select(_EVENTS.run_id).where(_EVENTS.id.in_(latest_event)).distinct()
            ),
            *connection.scalars(
                sa.select(checks.run_id).where(checks.id.in_(latest_check)).distinct()
            ),
        ]
    return frozenset(str(run_id) for run_id in found)


def _old_runs(instance: dg.DagsterInstance, before: datetime) -> list[dg.DagsterRun]:
    """Return the finished runs of that age, the newest first."""
    filters = dg.RunsFilter(statuses=FINISHED_STATUSES, created_before=before)
    found: list[dg.DagsterRun] = []
    cursor: str | None = None
    # All of them before any goes: a page begins at a run that must be there.
    while records := instance.get_run_records(filters, limit=_PAGE, cursor=cursor):
        for record in records:
            ended = record.end_time or record.create_timestamp.timestamp()
            if ended < before.timestamp():
                found.append(record.dagster_run)
        cursor = records[-1].dagster_run.run_id
    return found


def _has_ended(instance: dg.DagsterInstance, backfill_id: str) -> bool:
    backfill = instance.get_backfill(backfill_id)
    return backfill is None or backfill.status in BULK_ACTION_TERMINAL_STATUSES


def _is_repeated(instance: dg.DagsterInstance, run_id: str) -> bool:
    """Whether a re-execution of it is still there, whose page names it."""
    filters = dg.RunsFilter(tags={ROOT_RUN_ID_TAG: run_id})
    return any(run.run_id != run_id for run in instance.get_runs(filters, limit=2))


def _delete(
    instance: dg.DagsterInstance, storage: SqlEventLogStorage, run_id: str
) -> tuple[int, int]:
    """Delete a run with all it left; returns its events and their bytes."""
    size = _measure(storage, run_id, _EVENTS.run_id == run_id)
    instance.delete_run(run_id)
    _delete_files(instance, run_id)
    if isinstance(storage, SqliteEventLogStorage):
        file = Path(storage.path_for_shard(run_id))
        for ending in ("", "-wal", "-shm"):
            file.with_name(file.name + ending).unlink(missing_ok=True)
    return size


def _shorten(
    instance: dg.DagsterInstance,
    storage: SqlEventLogStorage,
    run_id: str,
    now: datetime,
) -> tuple[int, int]:
    """Delete what only the run's own page shows; returns the events and their bytes."""
    condition = sa.and_(
        _EVENTS.run_id == run_id,
        sa.or_(
            _EVENTS.dagster_event_type.is_(None),
            _EVENTS.dagster_event_type.not_in(_KEPT_TYPES),
        ),
    )
    size = _measure(storage, run_id, condition)
    for connect in _connections(storage, run_id):
        with connect as connection:
            connection.execute(sa.delete(SqlEventLogStorageTable).where(condition))
    _delete_files(instance, run_id)
    if isinstance(storage, SqliteEventLogStorage):
        with closing(sqlite3.connect(storage.path_for_shard(run_id))) as database:
            database.execute("VACUUM")
    # Last: one that was interrupted is not finished, and is done again.
    instance.add_run_tags(run_id, {SHORTENED_TAG: now.isoformat(timespec="seconds")})
    return size


def _measure(
    storage: SqlEventLogStorage, run_id: str, condition: sa.ColumnElement[bool]
) -> tuple[int, int]:
    """Return how many records meet a condition, and the bytes of their bodies."""
    size = sa.func.coalesce(sa.func.sum(sa.func.length(_EVENTS.event)), 0)
    counted = sa.select(sa.func.count(), size).where(condition)
    events = length = 0
    for number, connect in enumerate(_connections(storage, run_id)):
        with connect as connection:
            count, stored = connection.execute(counted).one()
        events += count if number == 0 else 0  # the second place mirrors the first
        length += stored
    return events, length


def _connections(
    storage: SqlEventLogStorage, run_id: str
) -> list[AbstractContextManager[sa.Connection]]:
    """Return the run's own database and, on SQLite, the one that mirrors parts of all."""
    own = storage.run_connection(run_id)
    is_split = isinstance(storage, SqliteEventLogStorage)
    return [own, storage.index_connection()] if is_split else [own]


def _delete_files(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what its steps printed and handed on."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
