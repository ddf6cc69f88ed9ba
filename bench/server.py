"""The S3 server that everybody is measured against: rclone, on a local folder.

Every measured run gets a new server and empty buckets to write to, so that nobody profits
from what the run before left in its caches.
"""

import ctypes
import os
import re
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "benchmark", "not-a-secret"
_FLAGS = (
    "--vfs-cache-mode=off",
    # Else each listing reads every file once, for its MD5.
    "--etag-hash=none",
    "--no-modtime",
    # Nobody changes the folder behind a server while it runs.
    "--dir-cache-time=24h",
)
_START_S, _STOP_S = 20.0, 10.0
_PR_SET_PDEATHSIG = 1
_REQUESTS = {
    "LIST BUCKET": "list",
    "GET OBJECT": "get",
    "HEAD OBJECT": "head",
    "CREATE OBJECT": "put",
    "COPY": "copy",
    "DELETE OBJECT": "delete",
    "delete multi": "delete",
    "initiate multipart upload": "multipart begin",
    "put multipart upload": "multipart part",
    "complete multipart upload": "multipart end",
}
"""The server's words for a request, and S3's."""
_REQUEST = re.compile(rf" : serve s3: ({'|'.join(_REQUESTS)})\b".encode())
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    process: subprocess.Popen[bytes]

    @property
    def environment(self) -> dict[str, str]:
        """What a client finds it by."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_REGION": "us-east-1",
        }

    @property
    def cpu_s(self) -> float:
        """User and system time it has used since its start."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS_PER_S


@contextmanager
def serve(
    rclone: Path, store: Path, log: Path, *, verbose: bool = False
) -> Iterator[Server]:
    """Serve a folder while the block runs.

    Args:
        rclone: the program.
        store: its subfolders are the buckets.
        log: where the server writes.
        verbose: write a line per request, for `count_requests`; slower.
    """
    port = _free_port()
    command = [
        *(str(rclone), "serve", "s3", str(store), *_FLAGS),
        f"--addr=127.0.0.1:{port}",
        f"--auth-key={ACCESS_KEY},{SECRET_KEY}",
        f"--log-level={'DEBUG' if verbose else 'ERROR'}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={"RCLONE_CONFIG": os.devnull, "HOME": str(log.parent)},
            start_new_session=True,  # Ctrl-C stops it through us, after its clients
            preexec_fn=die_with_parent,  # no threads of ours yet
        )
    try:
        _wait_until_ready(process, port, log)
        yield Server(f"http://127.0.0.1:{port}", process)
    finally:
        stop(process)


def count_requests(log: Path) -> Counter[str]:
    """Count the requests in the log of a verbose server, by what was asked for."""
    counts: Counter[str] = Counter()
    with log.open("rb") as lines:
        for line in lines:
            if found := _REQUEST.search(line):
                counts[_REQUESTS[found[1].decode()]] += 1
    # The server logs a copy as the writing of an object first.
    counts["put"] -= counts["copy"]
    return +counts


def die_with_parent() -> None:
    """Ask Linux to end this process when the one that started it is gone."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process; by force when it does not listen."""
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the S3 server did not start: {log.read_text()[-2000:]}")
