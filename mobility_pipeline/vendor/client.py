"""Client for the vendor's job API.

Source: `https://platform.prd.veraset.tech/v1`, header `X-API-Key`. Shape: JSON
envelopes, see `answers.py`. A submit is one attempt, because it is paid; reading is
repeated.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
)
from urllib3.exceptions import NewConnectionError

from mobility_pipeline.backoff import wait_after
from mobility_pipeline.errors import (
    ConfigurationError,
    MobilityError,
    UsageError,
    VendorJobUnknownError,
    VendorTransientError,
)
from mobility_pipeline.vendor.answers import Json, read_envelope, refuse_error_code
from mobility_pipeline.vendor.endpoints import check_submittable
from mobility_pipeline.vendor.statuses import (
    JobStatus,
    ListedJob,
    read_list,
    read_status,
)

_Answer = TypeVar("_Answer")
_JOB_PATH = re.compile(r"job/[^/]+")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class VerasetClient:
    """The vendor's job API. Its key is in no repr, log or exception."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        sleep: Callable[[float], None],
        session: requests.Session | None = None,
        timeout_s: tuple[float, float] = (5, 60),
        attempts: int = 5,
    ) -> None:
        """Make a client; nothing is sent yet.

        Args:
            base_url: without `/v1`.
            api_key: blanks around it are trimmed, the vendor answers 401 to them.
            sleep: waits that many seconds between attempts.
            session: for connection reuse by the caller.
            timeout_s: seconds to connect, and to wait for the next bytes.
            attempts: how often a read is tried.

        Raises:
            ConfigurationError: the key is empty or cannot be a header.
        """
        self._base = f"{base_url.rstrip('/').removesuffix('/v1')}/v1"
        self._key = _checked_key(api_key)
        self._session = session or requests.Session()
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._retrying = Retrying(
            retry=retry_if_exception_type(VendorTransientError),
            stop=stop_after_attempt(attempts),
            wait=_wait_s,
            sleep=sleep,
            reraise=True,
        )

    def __repr__(self) -> str:
        """Name the address, never the key."""
        return f"VerasetClient({self._base!r})"

    @property
    def longest_attempt_s(self) -> float:
        """Seconds until one attempt has an answer or is given up."""
        return sum(self._timeout_s)

    def submit(self, endpoint: str, body: Mapping[str, Any]) -> str:
        """Buy a job, in exactly one attempt, and return its id.

        Raises:
            UsageError: not a documented endpoint, or no area; nothing was sent.
            VendorTransientError: its `may_have_happened` says whether to look first.
            VendorPermanentError: the vendor refused it; nothing was bought.
        """
        check_submittable(endpoint, body)
        doing = f"POST {endpoint}"
        envelope = self._send("POST", endpoint, doing, body)
        refuse_error_code(envelope, doing, self._key)
        job_id: object = _data_object(envelope, doing).get("job_id")
        if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
            raise VendorTransientError(f"{doing}: the answer holds no job id")
        return job_id

    def job(self, job_id: str) -> JobStatus:
        """Return the state of one job. A failed job is an answer, not an error.

        Raises:
            VendorJobUnknownError: the vendor neither finds nor lists it.
        """
        path = _job_path(job_id)
        return self._of_job(job_id, lambda: self._read_job(path, job_id))

    def list_jobs(self) -> list[ListedJob]:
        """Return every job of this account."""
        return self._repeat(self._read_jobs)

    def cancel(self, job_id: str) -> None:
        """Cancel one job.

        Raises:
            VendorJobUnknownError: the vendor neither finds nor lists it.
        """
        path = _job_path(job_id)
        self._of_job(job_id, lambda: self._read_data("DELETE", path))

    def _of_job(self, job_id: str, read: Callable[[], _Answer]) -> _Answer:
        """Read about one job; a 404 counts only where the vendor's list agrees.

        A wrong address answers 404 to everything, and a paid job must not be given up
        for that: there the list fails too.
        """
        try:
            return self._repeat(read)
        except VendorJobUnknownError as error:
            if any(listed.id == job_id for listed in self.list_jobs()):
                raise VendorTransientError(f"{error}; yet it is listed") from error
            raise

    def _repeat(self, read: Callable[[], _Answer]) -> _Answer:
        return self._retrying(read)

    def _read_job(self, path: str, job_id: str) -> JobStatus:
        doing = f"GET {path}"
        envelope = self._send("GET", path, doing)
        status = read_status(job_id, envelope)
        if status is None:
            # A failed job's text comes as an error too, but then with a status.
            refuse_error_code(envelope, doing, self._key)
            raise VendorTransientError(f"{doing}: the answer holds no status")
        return status

    def _read_jobs(self) -> list[ListedJob]:
        listed = read_list(self._read_data("GET", "job"))
        if listed is None:
            raise VendorTransientError("GET job: the answer is not a list of jobs")
        return listed

    def _read_data(self, method: str, path: str) -> object:
        doing = f"{method} {path}"
        envelope = self._send(method, path, doing)
        refuse_error_code(envelope, doing, self._key)
        return envelope.get("data")

    def _send(
        self, method: str, path: str, doing: str, body: Mapping[str, Any] | None = None
    ) -> Json:
        failure: MobilityError | None = None
        try:
            response = self._session.request(
                method,
                f"{self._base}/{path}",
                json=body,
                headers={"X-API-Key": self._key, "Accept": "application/json"},
                timeout=self._timeout_s,
                allow_redirects=False,
            )
            of_job = _JOB_PATH.fullmatch(path) is not None
            return read_envelope(response, doing, self._key, of_job=of_job)
        except requests.RequestException as error:
            failure = _connection_error(error, doing)
        # Raised out here without a cause: requests' error holds the key.
        raise failure


def _checked_key(api_key: str) -> str:
    key = api_key.strip()
    if not key or not all("!" <= character <= "~" for character in key):
        raise ConfigurationError(
            "VERASET_API_KEY is empty or holds a character no key has; paste it again"
        )
    return key


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, VendorTransientError) else None
    return wait_after(state.attempt_number, asked)


def _connection_error(error: requests.RequestException, doing: str) -> MobilityError:
    if isinstance(error, ValueError):  # an URL that cannot be
        return ConfigurationError(f"{doing}: VERASET_API_URL is not usable")
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    never_sent = isinstance(error, requests.ConnectTimeout) or isinstance(
        reason, NewConnectionError
    )
    return VendorTransientError(
        f"{doing}: {type(error).__name__}"
        + (" (VERASET_API_URL did not accept the connection)" if never_sent else ""),
        may_have_happened=not never_sent,
    )


def _job_path(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise UsageError(f"{job_id!r} is no job id; `mobility jobs list` shows them")
    return f"job/{job_id}"


def _data_object(envelope: Json, doing: str) -> Json:
    data: object = envelope.get("data")
    if not isinstance(data, dict):
        raise VendorTransientError(f"{doing}: the answer holds no data")
    return cast("Json", data)
