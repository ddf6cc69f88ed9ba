"""Start Dagster, the city console and the API as processes, and stop all of them again."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    suppress,
)
from dataclasses import dataclass
from pathlib import Path

import requests

from mobility_pipeline.errors import TransientError
from mobility_pipeline.settings import PROJECT

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
    log: Path | None
    """What it prints; null = it prints where we do."""

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
        see = f"see {self.log}" if self.log else "see above"
        raise TransientError(f"the {self.name} did not start: {see}")


@contextmanager
def start_dagster(
    environment: Mapping[str, str], log: Path | None, preferred_port: int = 0
) -> Iterator[WebServer]:
    """Run `dagster dev` in a process group of its own; stop all of it at the end.

    Args:
        environment: of the process, DAGSTER_HOME included.
        log: file for what it prints; null = where we do.
        preferred_port: taken if it is free; else, and for 0, any that is.
    """
    port = _free_port(preferred_port)
    command = ["-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    command += ["-w", str(PROJECT / "workspace.yaml")]
    with _start(command, environment, log) as process:
        url = f"http://127.0.0.1:{port}"
        yield WebServer("Dagster UI", url, "/server_info", process, log)


def start_console(
    environment: Mapping[str, str], log: Path | None, preferred_port: int = 0
) -> AbstractContextManager[WebServer]:
    """Run `mobility console` likewise; see `start_dagster`."""
    port = _free_port(preferred_port)
    return _start_verb("console", "city console", "/login", environment, log, port)


def start_api(
    environment: Mapping[str, str], log: Path | None, preferred_port: int = 0
) -> AbstractContextManager[WebServer]:
    """Run `mobility api` likewise; see `start_dagster`."""
    port = _free_port(preferred_port)
    return _start_verb("api", "API", "/docs", environment, log, port)


@contextmanager
def _start_verb(
    verb: str,
    name: str,
    probe: str,
    environment: Mapping[str, str],
    log: Path | None,
    port: int,
) -> Iterator[WebServer]:
    command = ["-m", "mobility_pipeline.cli", verb, "--port", str(port)]
    with _start(command, environment, log) as process:
        yield WebServer(name, f"http://127.0.0.1:{port}", probe, process, log)


@contextmanager
def _start(
    arguments: Sequence[str], environment: Mapping[str, str], log: Path | None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") if log else nullcontext() as output:
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
        process.wait()


def _free_port(preferred: int) -> int:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", preferred))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
