"""What stderr says of Ctrl-C that strikes inside a library's own cleaning up."""

import subprocess
import sys

import pytest

_CLOSE_AND_FAIL = """
import sqlite3
import sqlalchemy as sa
from mobility_pipeline.cli_output import quieten_interrupts

class Connection(sqlite3.Connection):
    def close(self):
        raise {error}

quieten_interrupts()
make = lambda: sqlite3.connect(":memory:", factory=Connection)
engine = sa.create_engine("sqlite://", creator=make, poolclass=sa.pool.NullPool)
try:
    engine.connect().close()
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize(
    ("error", "stdout", "is_logged"),
    [("KeyboardInterrupt", "interrupted\n", False), ("ValueError", "", True)],
)
def test_sqlalchemy_logs_errors_of_closing_but_no_interrupt(
    error: str, stdout: str, is_logged: bool
) -> None:
    """Real SQLAlchemy, whose connection is interrupted, or fails, when it is closed."""
    done = subprocess.run(
        [sys.executable, "-c", _CLOSE_AND_FAIL.format(error=error)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == stdout
    assert ("Traceback" in done.stderr) == is_logged
