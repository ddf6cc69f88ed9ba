"""Processes that land dates, begun by a program of their own."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import os
import sys
from mobility_pipeline.lake.workers import open_workers

print("imported", flush=True)
if __name__ == "__main__":
    with open_workers(2, [os.getpid]) as pool:
        print("apart", pool.submit(os.getpid).result() != os.getpid())
    print("main again", sys.modules["__main__"].__file__ == __file__)
"""


def test_workers_do_not_import_the_program_that_begins_them(tmp_path: Path) -> None:
    """That would be Dagster, once for each; the program itself finds its module again."""
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        "imported",
        "apart True",
        "main again True",
    ]
