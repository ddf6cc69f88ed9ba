"""The peers' programs, in a virtual environment of their own (`.venv-bench`)."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Tools:
    """Where the programs are."""

    rclone: Path
    s5cmd: Path
    """The program itself, not the Python script that starts it."""
    aws: Path

    def versions(self) -> dict[str, str]:
        """Return what each program calls itself."""
        return {
            "rclone": _first_line(str(self.rclone), "version"),
            "s5cmd": _first_line(str(self.s5cmd), "version"),
            "aws": _first_line(str(self.aws), "--version"),
        }


def find_tools(environment: Path) -> Tools:
    """Find the programs in a virtual environment made from `requirements.lock`."""
    found = Tools(
        rclone=environment / "bin" / "rclone",
        s5cmd=next(
            environment.glob("lib/python3*/site-packages/s5cmd/bin/s5cmd"),
            environment / "bin" / "s5cmd",
        ),
        aws=environment / "bin" / "aws",
    )
    missing = [
        path for path in (found.rclone, found.s5cmd, found.aws) if not path.exists()
    ]
    if missing:
        sys.exit(f"{missing[0]} is not there: make it with `make bench`")
    return found


def _first_line(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout.partition("\n")[0].strip()
