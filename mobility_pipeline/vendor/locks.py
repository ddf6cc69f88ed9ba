"""Locks between processes that share a ledger, on SQLite and PostgreSQL."""

import logging
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import count
from typing import Any
from zlib import crc32

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.exc import DBAPIError, OperationalError

_LOG = logging.getLogger(__name__)
_LANDING_FILES = 64
"""Dates of a feed this close to each other never share a file: a job has at most 31."""


@dataclass(frozen=True)
class ProcessLock:
    """One lock of a ledger."""

    name: str
    """SQLite: part of the name of the lock's file, beside the ledger."""
    number: int
    """PostgreSQL: the advisory lock, which holds within one database."""
    doing: str
    """What its holder does, to tell those who wait: `is submitting vendor jobs`."""


MIGRATION = ProcessLock("migration", 0x6D6F62_01, "is bringing the ledger up to date")
SUBMISSION = ProcessLock("submission", 0x6D6F62_02, "is submitting vendor jobs")
ALERTING = ProcessLock("alerting", 0x6D6F62_03, "is evaluating and sending alerts")


def landing_lock(feed: str, day: date) -> ProcessLock:
    """Return the lock of a feed's date.

    SQLite: locks share 64 files that stay, so those of far-off dates or of two feeds may be
    one; who meets such a one waits without need. PostgreSQL: each has its number (of two
    feeds 1 pair in 65,536 share theirs), which no other lock has: those above are short.
    """
    feed_number = crc32(feed.encode())
    day_number = day.toordinal()
    return ProcessLock(
        f"landing-{(feed_number + day_number) % _LANDING_FILES:02d}",
        0x6D6F62 << 40 | (feed_number & 0xFFFF) << 24 | day_number,
        f"is publishing city-days; {feed} {day} is next",
    )


@contextmanager
def hold_lock(
    engine: sa.Engine, lock: ProcessLock, patience_s: float
) -> Generator[None]:
    """Hold a lock that the system lets go when this process dies, however it dies.

    Args:
        engine: keeps no connections: what acquiring sets on one must not stay.
        lock: which.
        patience_s: seconds of waiting after which the log says, once, what for.
    """
    if engine.dialect.name == "sqlite":
        path = f"{engine.url.database}.{lock.name}.lock"
        with _acquired_file(path, lock, patience_s):
            yield
        return
    # Its own connection, outside any transaction: the lock lives as long as it.
    autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
    with autocommit.connect() as connection:
        _acquire_advisory_lock(connection, lock, patience_s)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(lock.number)))


@contextmanager
def _acquired_file(path: str, lock: ProcessLock, patience_s: float) -> Generator[None]:
    file_lock = FileLock(path)
    try:
        file_lock.acquire(timeout=patience_s)
    except Timeout:
        _say_waiting(lock)
        file_lock.acquire()
    try:
        yield
    finally:
        file_lock.release()


def _acquire_advisory_lock(
    connection: sa.Connection, lock: ProcessLock, patience_s: float
) -> None:
    # A second at a time: while the driver waits, Python cannot react to a signal.
    connection.exec_driver_sql("SET lock_timeout = '1s'")
    is_said = False
    for waited_s in count(1):
        try:
            connection.execute(sa.select(sa.func.pg_advisory_lock(lock.number)))
        except OperationalError as error:
            if _sql_state(error) != "55P03":  # lock_not_available
                raise
        else:
            return
        if waited_s >= patience_s and not is_said:
            is_said = True
            _say_waiting(lock)


def _say_waiting(lock: ProcessLock) -> None:
    _LOG.warning("waiting: another process %s", lock.doing)


def _sql_state(error: DBAPIError) -> str | None:
    original: Any = error.orig  # psycopg2's errors, without types
    return getattr(original, "pgcode", None)
