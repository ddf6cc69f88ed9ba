"""Where everybody runs: a fresh server, empty buckets, one measured command, one check."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from bench.measure import Measurement, measure
from bench.server import count_requests, serve
from bench.tools import Tools
from bench.truth import store_path

LAKE, COPY = "lake", "copy"
"""Buckets that are empty before each run; the vendor's stays."""
_SCRATCH = "run-"


@dataclass(frozen=True)
class Contender:
    """One command on one delivery."""

    name: str
    command: tuple[str, ...]
    """`{url}` and `{scratch}` stand for the server and an empty folder."""
    check: Callable[[], None]
    """Raises where the command did not do its work."""
    environment: Mapping[str, str] = field(default_factory=dict)
    reads: Path | None = None
    """A folder whose files are in memory when it starts: disks differ too much."""


@dataclass(frozen=True)
class Sample:
    """One run of one contender."""

    measured: Measurement
    server_cpu_s: float
    requests: Counter[str]
    """By what was asked for; only where they were counted."""


@dataclass(frozen=True)
class Arena:
    """The folders of the benchmark."""

    home: Path
    tools: Tools

    @property
    def lake(self) -> Path:
        """What lies in our bucket."""
        return store_path(self.home) / LAKE

    @property
    def copy(self) -> Path:
        """What lies in the bucket that peers copy to."""
        return store_path(self.home) / COPY

    @property
    def out(self) -> Path:
        """The folder that peers download to."""
        return self.home / "out"

    def run(self, contender: Contender, *, count: bool = False) -> Sample:
        """Run a contender, measure it and check what it left; leave nothing behind.

        Args:
            contender: who.
            count: count its requests, which slows the server down.
        """
        self._empty()
        if contender.reads is not None:
            _warm(contender.reads)
        try:
            with tempfile.TemporaryDirectory(
                prefix=_SCRATCH, dir=self.home.absolute()
            ) as scratch:
                sample = self._run(contender, Path(scratch), count=count)
            contender.check()
        finally:
            self._empty()
        return sample

    @contextmanager
    def reserve(self) -> Iterator[None]:
        """Keep other benchmarks out, and remove what one that was killed left.

        Raises:
            SystemExit: another one is running.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.home / "lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise SystemExit("another benchmark is running here: wait for it") from None
        try:
            for folder in self.home.glob(f"{_SCRATCH}*"):
                shutil.rmtree(folder)
            yield
        finally:
            lock.release()

    def _run(self, contender: Contender, scratch: Path, *, count: bool) -> Sample:
        log = scratch / "server.log"
        store = store_path(self.home).absolute()
        with serve(self.tools.rclone, store, log, verbose=count) as server:
            names = {"url": server.url, "scratch": str(scratch / "home")}
            environment = {**server.environment, **contender.environment}
            measured = measure(
                [word.format_map(names) for word in contender.command],
                {key: text.format_map(names) for key, text in environment.items()},
            )
            server_cpu_s = server.cpu_s
        requests = count_requests(log) if count else Counter[str]()
        return Sample(measured, server_cpu_s, requests)

    def _empty(self) -> None:
        for folder in (self.lake, self.copy, self.out):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)


def _warm(folder: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        for _ in threads.map(_read, folder.rglob("*.parquet")):
            pass


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(2**22):
            pass
