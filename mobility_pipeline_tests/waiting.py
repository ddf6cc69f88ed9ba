"""Wait for what another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_until(look: Callable[[], Found | None], timeout_s: float = 60) -> Found:
    """Return what `look` finds as soon as it is truthy; fail after the time-out."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"nothing seen within {timeout_s} s")
