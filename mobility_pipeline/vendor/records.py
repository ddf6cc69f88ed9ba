"""What the ledger knows: states, vendor jobs and city-days, as values."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import repeat
from typing import Any

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.request import Area

KEPT = "older delivery kept; the newer: "
"""Begins the reason of a city-day whose refresh failed; that state comes next."""


class CityDayState(StrEnum):
    """Where one city-day of one feed stands, and why it is missing when it is."""

    NOT_REQUESTED = "not_requested"
    REQUESTED = "requested"
    DELIVERED = "delivered"
    EMPTY = "empty"
    NOT_DELIVERED = "not_delivered"
    JOB_FAILED = "job_failed"
    REJECTED = "rejected"
    DEFERRED_QUOTA = "deferred_quota"
    ERASED = "erased"

    @property
    def is_present(self) -> bool:
        """Whether the lake holds a manifest for it."""
        return self in (CityDayState.DELIVERED, CityDayState.EMPTY)


class JobState(StrEnum):
    """Where one vendor job stands: our words before it has an id, then the vendor's."""

    PLANNED = "PLANNED"
    """Recorded, not sent."""
    SUBMITTING = "SUBMITTING"
    """About to be sent; after a crash, nobody knows whether it was."""
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    DEFERRED = "DEFERRED"
    """Not bought: the vendor's quota is used up."""
    REFUSED = "REFUSED"
    """Not bought: the vendor refused it, or has no trace of it."""

    @property
    def is_open(self) -> bool:
        """Whether something is still to happen before it can be landed or given up."""
        return self in OPEN_JOB_STATES

    @property
    def may_deliver(self) -> bool:
        """Whether city-days that wait for it can still arrive."""
        return self.is_open or self is JobState.SUCCESS


UNSENT_JOB_STATES = (JobState.PLANNED, JobState.SUBMITTING)
OPEN_JOB_STATES = (*UNSENT_JOB_STATES, JobState.SCHEDULED, JobState.RUNNING)


@dataclass(frozen=True)
class VendorJob:
    """One vendor job, as the ledger knows it. Times are UTC."""

    ref: int
    """Our own number, from before the vendor gives an id."""
    feed: str
    endpoint: str
    start: date
    end: date
    """Inclusive."""
    areas: tuple[Area, ...]
    """In the order of the request."""
    request_sha256: str
    body: dict[str, Any]  # JSON
    job_id: str | None
    """Null until the vendor gave one."""
    state: JobState
    bucket: str | None
    folder_path: str | None
    error: str | None
    """Why it failed, in the vendor's words where there are any."""
    planned_at: datetime
    submitting_at: datetime | None
    submitted_at: datetime | None
    finished_at: datetime | None

    @property
    def name(self) -> str:
        """How messages call it."""
        if self.job_id is not None:
            return f"vendor job {self.job_id}"
        return f"unsent vendor job {self.ref}"

    def area_of(self, city: str) -> Area | None:
        """Return the area bought for a city; null where the job has none."""
        return next((area for area in self.areas if area.city == city), None)


@dataclass(frozen=True)
class CityDayRecord:
    """What the ledger knows about one city-day of one feed; many may share one."""

    state: CityDayState
    reason: str
    """Detail of why; may be empty."""
    job_ref: int | None
    """The job it waits for, came from, or was last asked with."""
    updated_at: datetime
    attempts: int
    """How often it ended in its present state: 1 when it first did, and 1 more for each
    recovery that ended so again. Explicit requests and the daily load do not count."""
    previous_state: CityDayState | None
    """While requested: its state before. `delivered` or `empty` then means that the
    lake still holds the older delivery."""

    @property
    def is_in_lake(self) -> bool:
        """Whether the lake holds it, if only an older delivery that is asked for anew."""
        return self.state.is_present or (
            self.previous_state is not None and self.previous_state.is_present
        )

    @property
    def settled_state(self) -> CityDayState:
        """Its state; while requested, that which it falls back to without a delivery."""
        if self.state is CityDayState.REQUESTED:
            return self.previous_state or CityDayState.NOT_REQUESTED
        return self.state

    @property
    def last_outcome(self) -> CityDayState:
        """How it ended when it was last asked for: its state, or why a refresh failed."""
        if self.reason.startswith(KEPT):
            return CityDayState(self.reason.removeprefix(KEPT).split(" ", 1)[0])
        return self.state


@dataclass(frozen=True)
class Missing:
    """City-days of one date that the lake lacks, and of which the same is known."""

    date: date
    cities: Collection[str]
    """Keys; never none."""
    record: CityDayRecord | None
    """Null = never asked for."""

    @property
    def city_days(self) -> Iterator[CityDay]:
        """Each of them."""
        return map(CityDay, self.cities, repeat(self.date))
