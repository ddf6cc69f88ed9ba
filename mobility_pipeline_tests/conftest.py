"""Fixtures that run the product as its users do: the command line on the sandbox."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings

from mobility_pipeline.cli import main
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.settings import PROJECT, child_environment

pytest_plugins = [
    "mobility_pipeline_tests.fixtures.postgres",
    "mobility_pipeline_tests.fixtures.sandbox",
]

# A busy machine is no failure.
settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("patient")

CITIES = ("canada/british_columbia/vancouver", "kenya/nairobi/nairobi")
"""A polygon and a circle: the two ways an area is sent."""


@dataclass(frozen=True)
class Answer:
    """What one call of the command line said."""

    code: int
    document: Any
    """Of `--json`; null without it."""
    stdout: str
    stderr: str


@dataclass(frozen=True)
class Workplace:
    """One user's folders and environment, on a sandbox."""

    home: Path
    environment: dict[str, str]

    @property
    def cities(self) -> Path:
        """Folder of the registry."""
        return self.home / "cities"

    def run(self, *arguments: str, **variables: str) -> Answer:
        """Run the command line to its end in this process: all but its start is real."""
        stdout, stderr = io.StringIO(), io.StringIO()
        with (
            patch.dict(os.environ, {**self.environment, **variables}, clear=True),
            patch.object(sys, "argv", ["mobility", *arguments]),
            redirect_stdout(stdout),
            redirect_stderr(stderr),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        document = json.loads(stdout.getvalue()) if "--json" in arguments else None
        code = int(ended.value.code or 0)
        return Answer(code, document, stdout.getvalue(), stderr.getvalue())

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start the command line as a process, from a folder that is not the project's."""
        return subprocess.Popen(
            [sys.executable, "-m", "mobility_pipeline.cli", *arguments],
            env={**self.environment, **variables},
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def request(self, start: date, end: date, *more: str, **variables: str) -> Answer:
        """Request full pings of a range of days."""
        span = ("--from", start.isoformat(), "--to", end.isoformat())
        return self.run(
            "request", "--feed", "pings_full", *span, "--json", *more, **variables
        )


@pytest.fixture
def newest() -> date:
    """A day that is surely available, also when midnight passes during a test."""
    return (datetime.now(UTC) - timedelta(days=9)).date()


@pytest.fixture
def make_workplace(tmp_path: Path) -> Callable[[dict[str, str]], Workplace]:
    """Make a workplace with two cities, on whatever the variables say."""

    def make(variables: dict[str, str]) -> Workplace:
        for key in CITIES:
            target = tmp_path / "cities" / f"{key}.geojson"
            target.parent.mkdir(parents=True)
            target.write_bytes((PROJECT / "cities" / f"{key}.geojson").read_bytes())
        environment = child_environment(
            MOBILITY_HOME=str(tmp_path / "home"),
            MOBILITY_CITIES=str(tmp_path / "cities"),
            DAGSTER_HOME=str(tmp_path / "dagster"),
            VERASET_POLL_SECONDS="0.05",
            VERASET_POLL_TIMEOUT_MINUTES="1",
            **variables,
        )
        return Workplace(tmp_path, environment)

    return make


@pytest.fixture
def workplace(
    sandbox: Sandbox, make_workplace: Callable[[dict[str, str]], Workplace]
) -> Workplace:
    """A user on the sandbox."""
    return make_workplace(sandbox.environment)
