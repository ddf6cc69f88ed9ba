"""Measure one command: time, CPU time and memory of its whole process tree."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.server import die_with_parent, stop

_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
"""Of our environment; no proxy, credential or setting of the user's reaches a command."""


@dataclass(frozen=True)
class Measurement:
    """One run of one command; the S3 server is not part of it."""

    wall_s: float
    """From the start of the process to its end, interpreter included."""
    user_s: float
    system_s: float
    peak_bytes: int
    """Largest sum of proportional set sizes over the process tree."""
    output: str
    """What it wrote."""

    @property
    def cpu_s(self) -> float:
        """User and system time."""
        return self.user_s + self.system_s


def measure(command: Sequence[str], environment: Mapping[str, str]) -> Measurement:
    """Run a command to its end.

    Args:
        command: the program, with its path, and its arguments.
        environment: its variables, besides a few of ours.

    Raises:
        RuntimeError: it failed; with the end of what it wrote.
    """
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder, "result.json"), Path(folder, "log")
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "bench.supervise", str(result), str(log), *command],
            env={name: os.environ[name] for name in _KEPT if name in os.environ}
            | dict(environment),
            preexec_fn=die_with_parent,  # no threads of ours yet
        )
        try:
            supervisor.wait()
        finally:
            stop(supervisor)
        output = log.read_text(errors="replace") if log.exists() else ""
        measured = json.loads(result.read_text()) if result.exists() else {}
    if measured.pop("exit_code", 1) != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{output[-4000:]}")
    return Measurement(**measured, output=output)
