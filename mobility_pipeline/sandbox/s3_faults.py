"""Faults of the S3 and STS server, and the counters that decide when each strikes."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_CHAINED_SESSION_S = 3600
"""What STS grants a role that assumes a role, as the vendor's customers do."""


class S3Faults(BaseModel):
    """What can be switched on; null or false = off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expire_sessions: bool = False
    """Every session issued until now is expired; an order, not a state."""
    session_ttl_requests: int | None = Field(default=None, ge=0)
    """S3 requests each session is good for."""
    slow_down_every: int | None = Field(default=None, ge=1)
    """Every n-th S3 request is answered 503."""
    fail_puts_after: int | None = Field(default=None, ge=0)
    """Object PUTs that still succeed; every later one is answered 500."""
    fail_puts_matching: str | None = None
    """Object PUTs whose `bucket/key` holds this are answered 500."""
    deny_bucket: str | None = None
    deny_assume_role: bool = False
    deny_sns: bool = False
    """Every request to SNS is answered 403."""


@dataclass(frozen=True)
class S3Request:
    """What faults look at."""

    method: str
    bucket: str
    key: str
    session_token: str | None

    @property
    def is_object_put(self) -> bool:
        """Whether it writes an object or a part of one."""
        return self.method == "PUT" and bool(self.key)


@dataclass(frozen=True)
class Refusal:
    """One error answer."""

    status: str
    code: str
    message: str


_EXPIRED = Refusal("400 Bad Request", "ExpiredToken", "The provided token has expired.")
_DENIED = Refusal("403 Forbidden", "AccessDenied", "Access Denied")
_NOT_AUTHORIZED = Refusal(
    "403 Forbidden", "AuthorizationError", "User is not authorized to perform this."
)
_SLOW_DOWN = Refusal("503 Slow Down", "SlowDown", "Please reduce your request rate.")
_INTERNAL = Refusal(
    "500 Internal Server Error",
    "InternalError",
    "We encountered an internal error. Please try again.",
)
_TOO_LONG = Refusal(
    "400 Bad Request",
    "ValidationError",
    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
    "by role chaining",
)


class FaultState:
    """Faults now switched on, sessions issued, requests counted; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._live_sessions: Counter[str] = Counter()
        self._expired_sessions: set[str] = set()
        self.reset()

    def reset(self) -> None:
        """Switch every fault off and forget the counts; expired sessions stay so."""
        with self._lock:
            self._faults = S3Faults()
            self._counts: Counter[str] = Counter()
            self._requests = 0
            self._puts = 0
            self._live_sessions = Counter(dict.fromkeys(self._live_sessions, 0))

    def merge(self, changes: Mapping[str, Any]) -> None:
        """Change the faults named, leave the others.

        Raises:
            pydantic.ValidationError: a fault is unknown or its value is wrong.
        """
        with self._lock:
            faults = S3Faults.model_validate(self._faults.model_dump() | dict(changes))
            if "fail_puts_after" in changes:
                self._puts = 0
            if "slow_down_every" in changes:
                self._requests = 0
            if faults.expire_sessions:
                self._expired_sessions |= set(self._live_sessions)
                self._live_sessions.clear()
            self._faults = faults.model_copy(update={"expire_sessions": False})

    def counts(self) -> dict[str, int]:
        """Return requests by `METHOD bucket/first part of the key`."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def remember_session(self, token: str) -> None:
        """Note a session that STS issued."""
        with self._lock:
            self._live_sessions[token] = 0

    def admit_sts(self, form: Mapping[str, str]) -> Refusal | None:
        """Count one STS request and say how it is refused, if it is."""
        action = form.get("Action", "")
        with self._lock:
            self._counts[f"POST sts/{action}"] += 1
            if action != "AssumeRole":
                return None
            if self._faults.deny_assume_role:
                return _DENIED
            if int(form.get("DurationSeconds", "0")) > MAX_CHAINED_SESSION_S:
                return _TOO_LONG
            return None

    def admit_sns(self) -> Refusal | None:
        """Count one SNS request and say how it is refused, if it is."""
        with self._lock:
            self._counts["POST sns"] += 1
            return _NOT_AUTHORIZED if self._faults.deny_sns else None

    def admit(self, request: S3Request) -> Refusal | None:
        """Count one S3 request and say how it is refused, if it is."""
        place = f"{request.bucket}/{request.key.split('/')[0]}".rstrip("/")
        with self._lock:
            self._counts[f"{request.method} {place}"] += 1
            self._requests += 1
            if request.bucket and request.bucket == self._faults.deny_bucket:
                return _DENIED
            if request.session_token and self._is_expired(request.session_token):
                return _EXPIRED
            every = self._faults.slow_down_every
            if every is not None and self._requests % every == 0:
                return _SLOW_DOWN
            return self._refuse_put(request) if request.is_object_put else None

    def _is_expired(self, token: str) -> bool:
        if token in self._expired_sessions:
            return True
        self._live_sessions[token] += 1
        limit = self._faults.session_ttl_requests
        return limit is not None and self._live_sessions[token] > limit

    def _refuse_put(self, request: S3Request) -> Refusal | None:
        self._puts += 1
        after = self._faults.fail_puts_after
        if after is not None and self._puts > after:
            return _INTERNAL
        part = self._faults.fail_puts_matching
        if part is not None and part in f"{request.bucket}/{request.key}":
            return _INTERNAL
        return None
