"""Starting and stopping the two processes."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mobility_pipeline.sandbox.launch import Sandbox, SandboxOptions

STARTER = """
import sys, time
from pathlib import Path
from mobility_pipeline.sandbox.launch import Sandbox
sandbox = Sandbox.start(Path(sys.argv[1]))
print(sandbox.s3_url, sandbox.vendor_url, flush=True)
time.sleep(60)
"""


def test_the_environment_points_to_the_servers(sandbox: Sandbox) -> None:
    """Every variable a customer sets is there; keys are plainly synthetic."""
    environment = sandbox.environment
    assert environment["AWS_ENDPOINT_URL"] == sandbox.s3_url
    assert environment["VERASET_API_URL"] == sandbox.vendor_url
    assert set(environment) == {
        "VERASET_API_URL",
        "VERASET_API_KEY",
        "VERASET_ROLE_ARN",
        "AWS_ENDPOINT_URL",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_DEFAULT_REGION",
        "S3_BUCKET",
        "OVERPASS_API_URL",
        "NOMINATIM_API_URL",
        "MOBILITY_CONTACT",
    }
    assert "sandbox" in environment["VERASET_API_KEY"]


@pytest.mark.processes
def test_the_servers_die_with_their_starter(tmp_path: Path) -> None:
    """After `kill -9` of the starting process nobody listens any more."""
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    urls = starter.stdout.readline().split()
    assert all(_listens(url) for url in urls)
    os.kill(starter.pid, signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    _wait_until_gone(urls)


@pytest.mark.processes
def test_stopping_ends_all_and_twice_is_fine(tmp_path: Path) -> None:
    """After `stop` nobody listens; a second `stop` does nothing."""
    with Sandbox.start(tmp_path, SandboxOptions(places=None)) as sandbox:
        urls = [sandbox.s3_url, sandbox.vendor_url, sandbox.osm_url]
    sandbox.stop()
    assert not any(_listens(url) for url in urls)


@pytest.mark.processes
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A port in use is an error with the end of the log, and leaves nothing behind."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(RuntimeError, match=r"(?s)s3\.log.*in use"),
    ):
        Sandbox.start(tmp_path, ports=(taken.getsockname()[1], 0, 0))


@pytest.mark.processes
def test_the_foreground_command_prints_the_environment(tmp_path: Path) -> None:
    """`python -m mobility_pipeline.sandbox` prints lines to copy and ends on SIGTERM."""
    command = [
        sys.executable,
        "-m",
        "mobility_pipeline.sandbox",
        "--home",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(8)]
        process.terminate()
        try:
            assert process.wait(20) == 0
        finally:
            process.kill()  # a failure must not wait for ever
    url = (
        next(line for line in lines if "AWS_ENDPOINT_URL" in line).strip().split("=")[1]
    )
    assert all(line.startswith("export ") for line in lines)
    assert not _listens(url)


def _listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except ConnectionRefusedError:
        return False
    return True


def _wait_until_gone(urls: list[str]) -> None:
    deadline = time.monotonic() + 10
    while any(_listens(url) for url in urls):
        assert time.monotonic() < deadline, "a server outlived its starter"
        threading.Event().wait(0.05)
