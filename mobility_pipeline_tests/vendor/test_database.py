"""Tests of `vendor.database` and the migrations."""

import os
import sqlite3
import threading
import traceback
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy.pool import NullPool

from mobility_pipeline.errors import ConfigurationError, LedgerError
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.tables import VERSION_TABLE, city_days, metadata
from mobility_pipeline_tests.vendor.requester import open_at_once


def test_migrations_make_the_declared_tables(ledger_url: str) -> None:
    """What the migrations create is what `tables` declares, on both storages."""
    open_database(ledger_url).close()
    engine = sa.create_engine(ledger_url)
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing(ledger_url: str) -> None:
    """A ledger that is there is left as it is."""
    for _ in range(2):
        open_database(ledger_url).close()


@pytest.mark.processes
def test_processes_open_a_new_ledger_at_once(ledger_url: str) -> None:
    """Processes that all find no tables create them once."""
    assert open_at_once(ledger_url, 3) == [0, 0, 0]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:s3cret@127.0.0.1:1/x",
        "postgresql+nope://u:s3cret@h/x",
        "postgresql://u:s3cret@127.0.0.1:1/x?password=s3cret",
        "postgresql://u:s3cret@host:port/x",
        "mysql://u:s3cret@h/x",
        "s3cret",
        "",
        "sqlite://",
        "sqlite:////proc/s/ledger.sqlite",
    ],
)
def test_wrong_url_is_a_configuration_error(url: str) -> None:
    """The message names the variable and never the password."""
    with pytest.raises(ConfigurationError, match="MOBILITY_LEDGER_URL") as caught:
        open_database(url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None or "s3cret" not in str(
        caught.value.__context__
    )


def test_file_that_is_no_database_is_a_configuration_error(tmp_path: Path) -> None:
    """A text file is not taken for a ledger, and not overwritten."""
    path = tmp_path / "ledger.sqlite"
    path.write_text("not a database, but long enough to be one " * 20)
    with pytest.raises(ConfigurationError, match="not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_text().startswith("not a database")


def test_ledger_of_newer_code_is_left_alone(tmp_path: Path) -> None:
    """Code that does not know a ledger's version does not touch it."""
    path = tmp_path / "ledger.sqlite"
    open_database(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE ledger_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer than this code"):
        open_database(f"sqlite:///{path}")


def open_connections(ledger_url: str, name: str) -> int:
    """Count the connections this process has to a ledger, or those named so."""
    url = sa.make_url(ledger_url)
    if url.get_backend_name() == "sqlite":
        files = [*Path("/proc/self/fd").iterdir()]
        # The one that listed the others is gone.
        targets = [str(file.readlink()) for file in files if file.is_symlink()]
        return sum(str(url.database) in target for target in targets)
    engine = sa.create_engine(url, poolclass=NullPool)
    named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = :name"
    with engine.connect() as connection:
        return int(connection.execute(sa.text(named), {"name": name}).scalar_one())


def test_ledger_that_nobody_closes_holds_no_connection(ledger_url: str) -> None:
    """After a transaction nothing is open, however many ledgers there are."""
    name = f"unclosed-{os.getpid()}"
    url = sa.make_url(ledger_url)
    if url.get_backend_name() == "postgresql":
        url = url.update_query_dict({"application_name": name})
    databases = [
        open_database(url.render_as_string(hide_password=False)) for _ in range(3)
    ]
    for database in databases:
        with database.read() as connection:
            connection.execute(sa.select(city_days)).all()
            assert open_connections(ledger_url, name) > 0
        with database.submission_lock():
            pass
    # PostgreSQL notices a moment later that a client has gone.
    assert any(open_connections(ledger_url, name) == 0 for _ in range(100))


def test_what_the_database_refuses_is_a_ledger_error(ledger_url: str) -> None:
    """A broken rule is told without the values that broke it."""
    row = {"feed": "s3cret", "city": "s3cret", "date": date(2024, 5, 1)}
    with (
        pytest.raises(LedgerError, match="IntegrityError") as caught,
        open_database(ledger_url).write() as connection,
    ):
        connection.execute(sa.insert(city_days).values(**row))
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_waiting_for_another_submitter_is_told_once(
    ledger_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits longer than patience lasts learns what for."""
    first = open_database(ledger_url)
    second = open_database(ledger_url, patience_s=0.1)
    told = threading.Event()
    caplog.handler.addFilter(lambda record: told.set() or True)

    def submit() -> None:
        with second.submission_lock():
            pass

    waiting = threading.Thread(target=submit)
    with first.submission_lock():
        waiting.start()
        assert told.wait(timeout=5)
    waiting.join(timeout=5)
    assert caplog.messages == ["waiting: another process is submitting vendor jobs"]


def test_interrupted_wait_leaves_no_connection_behind(postgres_url: str) -> None:
    """What waiting for PostgreSQL's lock sets on a connection goes with it."""
    name = f"interrupted-{os.getpid()}"
    url = sa.make_url(postgres_url).update_query_dict({"application_name": name})
    first, second = (
        open_database(known.render_as_string(hide_password=False))
        for known in (sa.make_url(postgres_url), url)
    )
    refused: list[LedgerError] = []

    def submit() -> None:
        try:
            with second.submission_lock():
                pass
        except LedgerError as error:
            refused.append(error)

    waiting = threading.Thread(target=submit)
    interrupt = sa.text(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = :name AND wait_event = 'advisory'"
    )
    with first.submission_lock():
        waiting.start()
        while waiting.is_alive():
            with first.read() as connection:
                connection.execute(interrupt, {"name": name})
    assert len(refused) == 1
    assert any(open_connections(postgres_url, name) == 0 for _ in range(100))
