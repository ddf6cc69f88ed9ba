"""Tests of `vendor.database` and the migrations."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.tables import metadata
from mobility_pipeline_tests.vendor.requester import open_at_once


def test_migrations_make_the_declared_tables(ledger_url: str) -> None:
    """What the migrations create is what `tables` declares, on both storages."""
    open_database(ledger_url).close()
    engine = sa.create_engine(ledger_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
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
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(ConfigurationError, match="newer than this code"):
        open_database(f"sqlite:///{path}")
