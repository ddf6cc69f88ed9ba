"""The ledger's database: opening, migrating, transactions, locks between processes."""

import sqlite3
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from mobility_pipeline.errors import ConfigurationError, LedgerError
from mobility_pipeline.vendor.locks import (
    ALERTING,
    MIGRATION,
    SUBMISSION,
    ProcessLock,
    hold_lock,
    landing_lock,
)
from mobility_pipeline.vendor.tables import VERSION_TABLE

_DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg2")
_BUSY_TIMEOUT_S = 60.0
"""How long a transaction waits for another process's on SQLite."""
_WRITES = {"ledger_writes": True}
_PATIENCE_S = 10.0
"""Seconds of waiting for another process that are not worth a word."""


class Database:
    """Transactions and locks, the same on SQLite and PostgreSQL.

    No connection outlives its transaction: there are many short-lived ledgers, and
    nobody has to close them.
    """

    def __init__(self, engine: sa.Engine, patience_s: float = _PATIENCE_S) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**_WRITES)
        self._patience_s = patience_s

    @contextmanager
    def read(self) -> Generator[sa.Connection]:
        """Open a transaction that sees one state of the ledger.

        Raises:
            LedgerError: the database is locked, gone, or refuses it.
        """
        with _explaining(self._engine.url), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Generator[sa.Connection]:
        """Open a transaction that takes effect wholly or not at all.

        Raises:
            LedgerError: the database is locked, gone, or refuses it.
        """
        with _explaining(self._engine.url), self._writer.begin() as connection:
            yield connection

    def submission_lock(self) -> AbstractContextManager[None]:
        """Wait until nobody else submits; see `Ledger.submission_lock`."""
        return self._hold(SUBMISSION)

    def landing_lock(self, feed: str, day: date) -> AbstractContextManager[None]:
        """Wait until nobody else publishes a feed's date; see `Ledger.landing_lock`."""
        return self._hold(landing_lock(feed, day))

    def alerting_lock(self) -> AbstractContextManager[None]:
        """Wait until nobody else evaluates alerts, and keep others from it meanwhile."""
        return self._hold(ALERTING)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _hold(self, lock: ProcessLock) -> Generator[None]:
        with (
            _explaining(self._engine.url),
            hold_lock(self._engine, lock, self._patience_s),
        ):
            yield


def open_database(url: str, *, patience_s: float = _PATIENCE_S) -> Database:
    """Connect, create what is not there, and bring the tables up to date.

    Several processes may do so at once.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.
        patience_s: seconds of waiting for another process until the log says so.

    Raises:
        ConfigurationError: the URL is wrong, the database cannot be reached, or a newer
            version of the project wrote it. The message never holds the password.
    """
    parsed = _parse_url(url)
    name = parsed.render_as_string(hide_password=True).split("?")[0]
    problem = ""
    try:
        engine = _make_engine(parsed)
        _migrate(engine, patience_s)
        return Database(engine, patience_s)
    except (SQLAlchemyError, ImportError, OSError) as error:
        problem = _first_line(error, parsed)
    # Raised out here without a cause: what the driver says may repeat the whole URL.
    raise ConfigurationError(
        f"MOBILITY_LEDGER_URL: the ledger {name} cannot be opened: {problem}"
    )


@contextmanager
def _explaining(url: sa.URL) -> Generator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # Without its cause: the driver's further lines repeat what was to be stored.
        raise LedgerError(
            f"the ledger's database: {type(error).__name__}: {_first_line(error, url)}"
        ) from None


def _parse_url(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url.strip())
    except (SQLAlchemyError, ValueError):
        parsed = None
    if parsed is None or parsed.drivername not in _DRIVERS:
        raise ConfigurationError(
            "MOBILITY_LEDGER_URL must be sqlite:///path/to/ledger.sqlite or "
            "postgresql://user:password@host/database"
        )
    if parsed.drivername.startswith("sqlite") and parsed.database in (
        None,
        "",
        ":memory:",
    ):
        raise ConfigurationError(
            "MOBILITY_LEDGER_URL must name a file: one in memory forgets what was paid"
        )
    return parsed


def _make_engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() == "postgresql":
        # Thousands of city-days change at once: many rows a round trip, updates too.
        return sa.create_engine(
            url,
            executemany_mode="values_plus_batch",
            hide_parameters=True,
            poolclass=NullPool,
        )
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(
        url,
        connect_args={"timeout": _BUSY_TIMEOUT_S},
        hide_parameters=True,
        poolclass=NullPool,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    del record
    # The driver's own transactions begin too late; ours begin in `_begin_sqlite`.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and writes later may find the file locked for good;
    # one that takes the write lock at once only waits.
    writes = connection.get_execution_options().get("ledger_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: sa.Engine, patience_s: float) -> None:
    config = _alembic_config()
    newest = ScriptDirectory.from_config(config).get_current_head()
    if _current_version(engine) == newest:
        return
    with hold_lock(engine, MIGRATION, patience_s):
        _use_write_ahead_log(engine)
        with engine.execution_options(**_WRITES).begin() as connection:
            config.attributes["connection"] = connection
            _refuse_newer(connection, config)
            command.upgrade(config, "head")


def _alembic_config() -> Config:
    config = Config()
    scripts = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def _current_version(engine: sa.Engine) -> str | None:
    with engine.begin() as connection:
        return _read_version(connection)


def _read_version(connection: sa.Connection) -> str | None:
    options = {"version_table": VERSION_TABLE}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def _refuse_newer(connection: sa.Connection, config: Config) -> None:
    version = _read_version(connection)
    known = {
        script.revision
        for script in ScriptDirectory.from_config(config).walk_revisions()
    }
    if version is not None and version not in known:
        raise ConfigurationError(
            f"the ledger has version {version}, newer than this code; update it"
        )


def _use_write_ahead_log(engine: sa.Engine) -> None:
    """Let readers work while one writes; the file remembers it."""
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.close()
    finally:
        raw.close()


def _first_line(error: BaseException, url: sa.URL) -> str:
    """Return the first line of what the driver says, without the password."""
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    line = lines[0] if lines else type(cause).__name__
    password = str(url.password or "")
    return line.replace(password, "***") if password else line
