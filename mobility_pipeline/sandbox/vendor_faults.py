"""What the vendor can be told to do wrong."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal

from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field


class HttpError(BaseModel):
    """An error status, with `Retry-After` where it is given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int = Field(ge=400, le=599)
    retry_after: float | None = None
    """Seconds."""


Misbehaviour = (
    Literal[
        "timeout",
        "timeout_before",
        "timeout_after",
        "non_json",
        "non_json_before",
        "non_json_after",
        "error_after",
    ]
    | int
    | HttpError
)
"""One wrong answer: `…_after` does what was asked first, all others do not."""


class VendorFaults(BaseModel):
    """Faults switched on; the defaults are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    submit_errors: list[Misbehaviour] = []
    """Each answers one POST of a job."""
    poll_errors: list[Misbehaviour] = []
    """Each answers one GET of a job."""
    list_errors: list[Misbehaviour] = []
    """Each answers one GET of the job list."""
    hang_seconds: float = Field(default=5.0, ge=0)
    """How long the time-outs hang."""
    fail_jobs: int = Field(default=0, ge=0)
    """Jobs, of those submitted next, that end FAILED."""
    never_finish: bool = False
    hold_seconds: float = Field(default=0.0, ge=0)
    """Added to the time jobs submitted from now on take."""
    jobs_status_words: list[str] = []
    """The first polls of each job see these instead of its status."""
    quota: int | None = Field(default=None, ge=0)
    """Jobs left from now on."""
    quota_status: int = 403
    """HTTP status of "quota exceeded"; 200 = in the envelope."""
    undelivered_dates: list[date] = []
    marker_only_dates: list[date] = []
    """Date folders that hold `_SUCCESS` and nothing else."""
    empty: list[tuple[str, date]] = []
    """(beginning of a poi_id, date) that hold nothing."""
    corrupt_dates: list[date] = []
    """One file of the date is garbage."""
    truncated_dates: list[date] = []
    """One file of the date is cut in half."""
    unknown_poi_dates: list[date] = []
    """Some rows of the date name an id nobody sent."""
    restate_dates: list[date] = []
    """Content differs from what was delivered before."""
    caid: bool = False
    """TRIPS deliveries have `caid` instead of `ad_id`."""


class FaultBoard:
    """Faults now switched on; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults = VendorFaults()

    @property
    def current(self) -> VendorFaults:
        """Faults at this moment."""
        return self._faults

    def merge(self, changes: Mapping[str, Any]) -> VendorFaults:
        """Change the faults named, leave the others.

        Raises:
            pydantic.ValidationError: a fault is unknown or its value is wrong.
        """
        with self._lock:
            self._faults = VendorFaults.model_validate(
                self._faults.model_dump() | dict(changes)
            )
            return self._faults

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._faults = VendorFaults()

    def take(
        self, queue: Literal["submit_errors", "poll_errors", "list_errors"]
    ) -> Misbehaviour | None:
        """Take the next wrong answer off a queue."""
        with self._lock:
            waiting: list[Misbehaviour] = getattr(self._faults, queue)
            if not waiting:
                return None
            self._faults = self._faults.model_copy(update={queue: waiting[1:]})
            return waiting[0]

    def count_down(self, counter: Literal["fail_jobs", "quota"]) -> bool:
        """Use one up; false where there is none left, or no such limit."""
        with self._lock:
            left: int | None = getattr(self._faults, counter)
            if not left:
                return False
            self._faults = self._faults.model_copy(update={counter: left - 1})
            return True


def happens_after(misbehaviour: Misbehaviour) -> bool:
    """Whether what was asked is done before the wrong answer."""
    return isinstance(misbehaviour, str) and misbehaviour.endswith("_after")


async def misbehave(misbehaviour: Misbehaviour, hang_seconds: float) -> Response:
    """Give the wrong answer."""
    if isinstance(misbehaviour, HttpError):
        return _error(misbehaviour.status, misbehaviour.retry_after)
    if isinstance(misbehaviour, int):
        return _error(misbehaviour)
    if misbehaviour.startswith("timeout"):
        await asyncio.sleep(hang_seconds)
        return _error(504)
    if misbehaviour.startswith("non_json"):
        page = "<html><body>Bad gateway, try later</body></html>"
        return PlainTextResponse(page, media_type="text/html")
    return _error(500)


def _error(status: int, retry_after: float | None = None) -> JSONResponse:
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return JSONResponse({"detail": f"simulated {status}"}, status, headers)
