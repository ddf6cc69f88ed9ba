"""Start and stop the outside world as three processes, and hand out how to reach it."""

import os
import selectors
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import requests

from mobility_pipeline.sandbox.delivery import VENDOR_BUCKET
from mobility_pipeline.sandbox.s3_client import REGION, connect_internally

LAKE_BUCKET = "mobility-lake"
API_KEY = "sandbox-key-of-nobody"
ROLE_ARN = "arn:aws:iam::123456789012:role/sandbox-reader"
SHIPPED_CITIES = Path(__file__).resolve().parents[2] / "cities"

_START_S = 60
_STOP_S = 5
_TIMEOUT_S = 30


@dataclass(frozen=True)
class SandboxOptions:
    """How the simulated vendor behaves."""

    job_seconds: float = 1.0
    """Least time from submit to the end of a job."""
    people: int = 60
    """Regular people per place."""
    pings_per_person: float = 20
    """Mean per day."""
    files_per_day: int = 6
    seed: int = 7
    max_areas: int = 200
    max_days: int = 31
    monthly_jobs: int | None = None
    lag_days: int = 2
    """Days newer than today (UTC) minus this are accepted and not delivered."""
    empty_day_ratio: float = 0.02
    """Chance that a city-day holds nothing."""
    places: Path | None = SHIPPED_CITIES
    """City files whose people exist whether asked for or not; see `places.py`."""


class Sandbox:
    """Three running servers; a context manager that stops them.

    They also end when the process that started them does, however it ends.
    """

    def __init__(self, s3: "_Server", vendor: "_Server", osm: "_Server") -> None:
        self._s3 = s3
        self._vendor = vendor
        self._osm = osm
        self.s3_url = s3.url
        self.vendor_url = vendor.url
        self.osm_url = osm.url
        self._buckets = connect_internally(s3.url)

    @classmethod
    def start(
        cls,
        home: Path,
        options: SandboxOptions | None = None,
        ports: tuple[int, int, int] = (0, 0, 0),
    ) -> Self:
        """Start all servers and create both buckets.

        Args:
            home: folder for `s3.log`, `vendor.log` and `osm.log`, created where missing.
            options: null = the defaults.
            ports: of S3, the vendor and OpenStreetMap; 0 = any free port.

        Raises:
            RuntimeError: a server did not start; holds the end of its log.
        """
        home.mkdir(parents=True, exist_ok=True)
        with ExitStack() as started:
            s3 = _Server("s3", home, ports[0], [])
            started.callback(s3.stop)
            arguments = ["--s3-url", s3.url, "--api-key", API_KEY]
            arguments += _vendor_arguments(options or SandboxOptions())
            vendor = _Server("vendor", home, ports[1], arguments)
            started.callback(vendor.stop)
            osm = _Server("osm", home, ports[2], [])
            started.pop_all()
        sandbox = cls(s3, vendor, osm)
        for bucket in (LAKE_BUCKET, VENDOR_BUCKET):
            sandbox._buckets.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        return sandbox

    @property
    def environment(self) -> dict[str, str]:
        """Variables that point the production clients here; no value is a secret."""
        return {
            "VERASET_API_URL": self.vendor_url,
            "VERASET_API_KEY": API_KEY,
            "VERASET_ROLE_ARN": ROLE_ARN,
            "AWS_ENDPOINT_URL": self.s3_url,
            "AWS_ACCESS_KEY_ID": "sandbox-customer",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": REGION,
            "S3_BUCKET": LAKE_BUCKET,
            "OVERPASS_API_URL": f"{self.osm_url}/api/interpreter",
            "NOMINATIM_API_URL": self.osm_url,
            "MOBILITY_CONTACT": "sandbox@example.invalid",
        }

    def set_vendor_faults(self, **faults: Any) -> None:
        """Change these faults of the vendor (`vendor_faults.VendorFaults`)."""
        _post(f"{self.vendor_url}/_sandbox/faults", faults)

    def set_s3_faults(self, **faults: Any) -> None:
        """Change these faults of S3 and STS (`s3_faults.S3Faults`)."""
        _post(f"{self.s3_url}/_sandbox/faults", faults)

    def set_osm_faults(self, **faults: Any) -> None:
        """Change these faults of OpenStreetMap (`osm.py`)."""
        _post(f"{self.osm_url}/_sandbox/faults", faults)

    def reset(self) -> None:
        """Clear faults, jobs and counts of all servers; stored objects stay."""
        _post(f"{self.osm_url}/_sandbox/reset", {})
        _post(f"{self.vendor_url}/_sandbox/reset", {})
        _post(f"{self.s3_url}/_sandbox/reset", {})

    def empty_lake(self) -> None:
        """Delete every object of the lake's bucket."""
        pages = self._buckets.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=LAKE_BUCKET):
            names = [item.get("Key", "") for item in page.get("Contents", [])]
            if names:
                self._buckets.delete_objects(
                    Bucket=LAKE_BUCKET, Delete={"Objects": [{"Key": n} for n in names]}
                )

    def jobs(self) -> list[dict[str, Any]]:
        """Return every vendor job: id, endpoint, request as sent, status, polls."""
        return self._admin_jobs()["jobs"]

    def submits(self) -> int:
        """Return how many requests reached a job route, refused ones included."""
        return self._admin_jobs()["submits"]

    def s3_requests(self) -> dict[str, int]:
        """Return requests to S3 by `METHOD bucket/first part of the key`."""
        answer = requests.get(f"{self.s3_url}/_sandbox/requests", timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()["requests"]

    def osm_requests(self) -> list[dict[str, str]]:
        """Return what OpenStreetMap was asked: path, agent, and the fields."""
        answer = requests.get(f"{self.osm_url}/_sandbox/requests", timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()

    def stop(self) -> None:
        """Stop all servers; twice is fine."""
        self._osm.stop()
        self._vendor.stop()
        self._s3.stop()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop all servers."""
        self.stop()

    def _admin_jobs(self) -> dict[str, Any]:
        answer = requests.get(f"{self.vendor_url}/_sandbox/jobs", timeout=_TIMEOUT_S)
        answer.raise_for_status()
        return answer.json()


class _Server:
    """One child process that says its URL on standard output."""

    def __init__(self, name: str, home: Path, port: int, arguments: list[str]) -> None:
        self._log = home / f"{name}.log"
        module = f"mobility_pipeline.sandbox.{name}"
        command = [sys.executable, "-m", module, "--follow-stdin", "--port", str(port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                [*command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_child_environment(),
                # Ctrl-C in the terminal is the starter's to handle, in its order.
                start_new_session=True,
            )
        self.url = self._read_url()

    def stop(self) -> None:
        # The end of its input stops it at once; the signal is for a pipe that a fork of
        # this process still holds open.
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read_url(self) -> str:
        output = self._process.stdout
        line = _read_line(output, _START_S) if output is not None else b""
        if not line:
            self.stop()
            tail = self._log.read_text("utf-8", "replace")[-2000:]
            raise RuntimeError(f"sandbox server did not start, {self._log}: {tail}")
        return line.decode().strip()


def _read_line(pipe: IO[bytes], timeout_s: float) -> bytes:
    line, deadline = b"", time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while not line.endswith(b"\n") and time.monotonic() < deadline:
            if not selector.select(0.5):
                continue
            chunk = os.read(pipe.fileno(), 4096)
            if not chunk:
                return b""
            line += chunk
    return line if line.endswith(b"\n") else b""


def _child_environment() -> dict[str, str]:
    # The user's AWS profile and endpoint are not the sandbox's business.
    inherited = os.environ.items()  # noqa: TID251 - handed on, nothing is read here
    return {name: value for name, value in inherited if not name.startswith("AWS_")}


def _vendor_arguments(options: SandboxOptions) -> list[str]:
    arguments: list[str] = []
    for name, value in vars(options).items():
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    return arguments


def _post(url: str, body: dict[str, Any]) -> None:
    answer = requests.post(url, json=body, timeout=_TIMEOUT_S)
    if not answer.ok:
        raise ValueError(f"{url}: {answer.status_code} {answer.text}")
