"""The main job on one machine: sandbox, Dagster, 8 cities × 7 days, and what came of it."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from filelock import FileLock
from filelock import Timeout as FileLockTimeout
from rich.console import Console
from rich.table import Table

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import days_between
from mobility_pipeline.defs.launch import open_instance
from mobility_pipeline.errors import PermanentError, TransientError, UsageError
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.clients import newest_day, open_registry
from mobility_pipeline.resources.lakes import make_lake
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import (
    PROJECT,
    Settings,
    child_environment,
    read_settings,
)

_FEED = "pings_full"
_DAYS = 7
_UI_PORT = 3000
_CONSOLE_PORT = 8050
_WIDTH = 120
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 20


@dataclass(frozen=True)
class WebServer:
    """A server of ours that is starting, or up."""

    name: str
    """How messages call it."""
    url: str
    probe: str
    """Path that answers once it is up."""
    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_up(self) -> None:
        """Wait until it answers.

        Raises:
            TransientError: it ended, or takes too long.
        """
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if requests.get(f"{self.url}{self.probe}", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.3)
        raise TransientError(f"the {self.name} did not start: see {self.log}")


def run_demo(*, keep_running: bool) -> int:
    """Run the demo from a clean start, apart from any real ledger, instance and lake.

    Args:
        keep_running: leave the web UI until Ctrl-C.

    Returns:
        Exit code of the request: 0 where every city-day landed.
    """
    home = PROJECT / ".mobility" / "demo"
    lock = FileLock(home.with_suffix(".lock"))
    home.parent.mkdir(exist_ok=True)
    try:
        with lock.acquire(blocking=False):
            return _run_in(home, keep_running=keep_running)
    except FileLockTimeout:
        raise UsageError("a demo is running already: stop it first") from None


def _run_in(home: Path, *, keep_running: bool) -> int:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    console = Console(width=_WIDTH)
    # A shell that starts us in the background has children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Sandbox.start(home / "sandbox") as sandbox:
        newest = newest_day(read_settings({}), datetime.now(UTC))
        values = {
            **sandbox.environment,
            # Nothing else is expected, so nothing else is missing.
            "MOBILITY_START_DATE": (newest - timedelta(days=_DAYS - 1)).isoformat(),
            "MOBILITY_HOME": str(home),
            "DAGSTER_HOME": str(home / "dagster"),
            "VERASET_POLL_SECONDS": "0.2",
        }
        environment = child_environment(**values)
        settings = read_settings(values)
        open_instance(settings.dagster_home).dispose()
        with start_dagster(environment, home / "dagster.log", _UI_PORT) as dagster:
            console.print("[bold]cities → one vendor job → city-days in the lake")
            code = _load_and_show(console, settings, environment, sandbox)
            dagster.wait_until_up()
            if keep_running:
                address = f"{dagster.url}/assets/lake/{_FEED}?view=partitions"
                console.print(f"Dagster UI: {address}", soft_wrap=True)
                _keep_console(console, environment, home, dagster.url)
            else:
                console.print("The Dagster UI came up and is stopped now (UI=0).")
    return code


def _keep_console(
    console: Console, environment: Mapping[str, str], home: Path, dagster_url: str
) -> None:
    """Run the city console until Ctrl-C, with a password of its own."""
    password = secrets.token_urlsafe(9)
    more = {"ADMIN_PASSWORD": password, "DAGSTER_UI_URL": dagster_url}
    with start_console(
        {**environment, **more}, home / "console.log", _CONSOLE_PORT
    ) as server:
        server.wait_until_up()
        console.print(
            f"City console: {server.url} (name admin, password {password})",
            soft_wrap=True,
        )
        console.print("Ctrl-C stops everything.")
        signal.pause()


def _load_and_show(
    console: Console,
    settings: Settings,
    environment: Mapping[str, str],
    sandbox: Sandbox,
) -> int:
    start = settings.mobility_start_date
    newest = start + timedelta(days=_DAYS - 1)
    span = ["--from", start.isoformat(), "--to", newest.isoformat(), "--json"]
    code, _ = _mobility(["request", "--feed", _FEED, *span], environment)
    _, coverage = _mobility(["gaps", "--feed", _FEED, *span], environment)
    cities = [*open_registry(settings).load().active]
    days = [*days_between(start, newest)]
    console.print(_city_days(make_lake(settings, FEEDS[_FEED]), cities, days))
    spent = len(sandbox.jobs())
    console.print(f"vendor jobs spent: {spent} (the vendor's own count)")
    console.print(f"gaps: {len(coverage['gaps'])}", coverage["gaps"] or "")
    return code


def _mobility(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, Any]:
    """Run the command line as its users do; progress goes to our stderr."""
    command = [sys.executable, "-m", "mobility_pipeline.cli", *arguments]
    done = subprocess.run(  # noqa: S603  # our own command line
        command, env=environment, stdout=subprocess.PIPE, check=False, text=True
    )
    document = json.loads(done.stdout or "{}")
    if "error" in document or not document:
        message = document.get("error", {}).get("message", "it ended without a word")
        raise PermanentError(f"mobility {arguments[0]}: {message}")
    return done.returncode, document


def _city_days(lake: Lake, cities: Sequence[str], days: Sequence[date]) -> Table:
    table = Table(title="rows and (devices) by city and UTC day", title_justify="left")
    table.add_column("city", no_wrap=True)
    for day in days:
        table.add_column(f"{day:%m-%d}", justify="right")
    for city in cities:
        manifests = [lake.read_manifest(CityDay(city, day)) for day in days]
        cells = [
            f"{manifest.rows:,}\n({manifest.devices})" if manifest else "–"
            for manifest in manifests
        ]
        table.add_row(city, *cells)
    return table


@contextmanager
def start_dagster(
    environment: Mapping[str, str], log: Path, preferred_port: int = 0
) -> Iterator[WebServer]:
    """Run `dagster dev` in a process group of its own; stop all of it at the end.

    Args:
        environment: of the process, DAGSTER_HOME included.
        log: file for what it prints.
        preferred_port: taken if it is free; else, and for 0, any that is.
    """
    port = _free_port(preferred_port)
    command = ["-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str(PROJECT / "workspace.yaml")]
    with _start(command, environment, log) as process:
        url = f"http://127.0.0.1:{port}"
        yield WebServer("Dagster UI", url, "/server_info", process, log)


@contextmanager
def start_console(
    environment: Mapping[str, str], log: Path, preferred_port: int = 0
) -> Iterator[WebServer]:
    """Run `mobility console` likewise; see `start_dagster`."""
    port = _free_port(preferred_port)
    command = ["-m", "mobility_pipeline.cli", "console", "--port", str(port)]
    with _start(command, environment, log) as process:
        url = f"http://127.0.0.1:{port}"
        yield WebServer("city console", url, "/login", process, log)


@contextmanager
def _start(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own programs and arguments
            [sys.executable, *arguments],
            env=environment,
            cwd=PROJECT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _stop_group(process)


def _stop_group(process: subprocess.Popen[bytes]) -> None:
    """Stop a server and everything it started, also what has left it behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _free_port(preferred: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
