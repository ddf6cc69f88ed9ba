"""Dagster's event log in SQLite, without opening a database for every event.

Dagster's own class makes an engine and a connection two or three times for each event it
stores: 11–20 ms an event, of which a city-day has seven. With connections kept open it is
3 ms (`dagster.yaml` names this class; PostgreSQL keeps its own connections).
"""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import event
from sqlalchemy.pool import QueuePool

from mobility_pipeline.settings import read_dagster_home

_MAX_OPEN = 8
"""Databases kept open: the index, and those of the runs last used."""


class OpenSqliteEventLogStorage(SqliteEventLogStorage):
    """Keeps the databases of the index and of a few runs open.

    The files are those of Dagster's own class, where it has them, so that either may follow
    the other: below DAGSTER_HOME.
    """

    def __init__(
        self, base_dir: str, inst_data: ConfigurableClassData | None = None
    ) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def config_type(cls) -> Any:
        """Return the shape of the config in `dagster.yaml`."""
        return {}

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "OpenSqliteEventLogStorage":
        """Open the event log of this process's instance."""
        del config_value
        return cls(str(read_dagster_home() / "history" / "runs"), inst_data)

    def has_table(self, table_name: str) -> bool:
        """Return whether a table is there; asked for each check, so a yes is remembered."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """Begin a transaction on the database of a run, or of the index."""
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            engine = sa.create_engine(
                self.conn_string_for_shard(shard),
                poolclass=QueuePool,
                pool_size=1,
                # Dagster's lock lets one thread in at a time.
                connect_args={
                    "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
                    "check_same_thread": False,
                },
            )
            event.listen(engine, "connect", _wait_for_no_disk)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        if len(self._engines) > _MAX_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return self._engines[shard]

    def wipe(self) -> None:
        """Delete every run's database."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close what is open."""
        self._close()
        super().dispose()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _wait_for_no_disk(connection: Any, record: object) -> None:
    """Let a commit return before it is on the disk: SQLite's own advice for its WAL.

    A process that dies loses nothing. A power cut may lose the last events; what the lake
    holds and Dagster has not heard of is reported by the next run.
    """
    del record
    connection.execute("PRAGMA synchronous=NORMAL")
