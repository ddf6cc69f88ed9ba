"""The benchmarks besides landing: each a program of its own, which prints Markdown.

Each runs its peers, if it has any, in the same run, compares their answers with ours, and
fails where its target is missed.
"""

import subprocess
import sys
from dataclasses import dataclass

PROGRAMS = {
    "presence": "People by region and hour",
    "regions": "Regions of points",
    "staypoints": "Stops",
    "api": "HTTP API",
    "console": "City console",
}
"""Module -> what it measures."""


@dataclass(frozen=True)
class Program:
    """What one program found."""

    table: str
    missed: str
    """Its words where its target was missed; empty where it holds."""


def run_program(name: str) -> Program:
    """Run one program.

    Raises:
        RuntimeError: it could not measure, such as where the answers differ.
    """
    command = [sys.executable, "-m", f"bench.{name}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stderr.strip().rpartition("\n")[2]
    if not done.stdout.strip():
        raise RuntimeError(f"{' '.join(command[1:])}: {last or 'it said nothing'}")
    return Program(done.stdout.strip(), last if done.returncode else "")
