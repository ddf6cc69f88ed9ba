"""Run one command and measure its whole process tree; a process of its own.

As a subreaper (Linux) it inherits whatever the command leaves behind, so that no worker's
CPU time is lost. Use `measure.py`, which starts this.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_INTERVAL_S = 0.05
_REST_RATIO = 10
"""Looking at memory takes at most one part in this many: it holds up the one looked at."""
_ORPHANS_S = 15.0


class MemorySampler:
    """Looks for the largest proportional set size (PSS) of all our descendants."""

    def __init__(self) -> None:
        """Look from now on, on a thread."""
        self.peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        took_s = 0.0
        while not self._is_over.wait(max(_INTERVAL_S, _REST_RATIO * took_s)):
            started = time.perf_counter()
            pids = _descendants(os.getpid())
            # PSS is at most RSS, which costs nothing to read.
            if sum(map(_rss_bytes, pids)) > self.peak_bytes:
                self.peak_bytes = max(self.peak_bytes, sum(map(pss_bytes, pids)))
            took_s = time.perf_counter() - started


def main() -> None:
    """Run `supervise RESULT LOG COMMAND…`; the result is JSON."""
    result, log, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with Path(log).open("wb") as output:
        started = time.perf_counter()
        child = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            sampler = MemorySampler()
            code = child.wait()
            wall_s = time.perf_counter() - started
            sampler.stop()
            _reap_orphans()
        finally:
            _kill_group(child.pid)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    measured = {
        "exit_code": code,
        "wall_s": wall_s,
        "user_s": usage.ru_utime,
        "system_s": usage.ru_stime,
        "peak_bytes": sampler.peak_bytes,
    }
    Path(result).write_text(json.dumps(measured))


def pss_bytes(pid: int) -> int:
    """Return a process's memory, shared pages divided among their users; 0 once gone."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    fields = [line.split() for line in rollup.splitlines()]
    return next((int(field[1]) * 1024 for field in fields if field[0] == "Pss:"), 0)


def _rss_bytes(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for child in _children(pid):
        found += [child, *_descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    try:
        texts = [
            (thread / "children").read_text()
            for thread in Path(f"/proc/{pid}/task").iterdir()
        ]
    except OSError:
        return []
    return [int(word) for text in texts for word in text.split()]


def _reap_orphans() -> None:
    end = time.monotonic() + _ORPHANS_S
    while time.monotonic() < end:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            time.sleep(0.01)
    raise SystemExit(f"processes were left running: {_descendants(os.getpid())}")


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
