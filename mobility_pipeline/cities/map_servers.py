"""Ask OpenStreetMap's public servers, politely: slowly, with a name, and once.

Source: the usage policies of Overpass (dev.overpass-api.de/overpass-doc/en/preface/
commons.html) and Nominatim (operations.osmfoundation.org/policies/nominatim): at most one
request a second and one at a time, a User-Agent that names the application, caching.
Data © OpenStreetMap contributors, ODbL.
"""

import html
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from filelock import FileLock
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt

from mobility_pipeline.backoff import read_retry_after, wait_after
from mobility_pipeline.cities.answer_cache import AnswerCache
from mobility_pipeline.errors import MapServerError, MapServerRefusedError

MAX_ANSWER_BYTES = 50_000_000
LONGEST_WAIT_S = 90.0
"""A server that asks for more is left alone: whoever asked is told when to come again."""

_Answer = TypeVar("_Answer")
_APPLICATION = "mobility-pipeline/0.1"
_CHUNK_BYTES = 65_536
_WORDS_LENGTH = 300
_NO_ADDRESS = "OVERPASS_API_URL or NOMINATIM_API_URL is no address that can be asked"
_ASK_AGAIN: frozenset[int] = frozenset(
    {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}
)
_BUSY = "OpenStreetMap's server is busy: try again in a minute"
_CHECK_ADDRESS = "; check OVERPASS_API_URL and NOMINATIM_API_URL"
_HINTS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "",
    HTTPStatus.FORBIDDEN: "; it may block us: set MOBILITY_CONTACT and ask less",
}
_ERROR_OF_PAGE = re.compile(r"<strong[^>]*>\s*Error\s*</strong>:(.*?)</p>", re.DOTALL)
_TITLE_OF_PAGE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class MapServers:
    """The two servers, and how we call on them."""

    overpass_url: str
    """With `interpreter`."""
    nominatim_url: str
    contact: str | None
    """E-mail address or page, sent to the servers."""
    cache: AnswerCache
    sleep: Callable[[float], None]
    interval_s: float = 1.0
    """Least time from the end of one request to the start of the next, per server."""
    timeout_s: tuple[float, float] = (5, 90)
    """Seconds to connect, and to wait for the next bytes."""
    attempts: int = 4

    def ask(
        self,
        url: str,
        fields: Mapping[str, str],
        read: Callable[[object], _Answer],
        *,
        method: str = "GET",
        find_wait: Callable[[], float | None] = lambda: None,
    ) -> _Answer:
        """Ask one question, of the cache first.

        Args:
            url: of the server's function.
            fields: the question.
            read: reads the parsed answer; what it refuses is not kept.
            method: `POST` for questions too long for an address.
            find_wait: seconds to wait where the server is busy and does not say itself.

        Raises:
            MapServerError: no answer after all attempts, or it asks for a long wait.
            MapServerRefusedError: asking again cannot help.
        """
        question = {"url": url, **fields}
        known = self.cache.find(question)
        if known is not None:
            return read(known)

        def attempt() -> _Answer:
            answer = self._send(method, url, fields, find_wait)
            content = read(answer)
            self.cache.keep(question, answer)
            return content

        return Retrying(
            retry=retry_if_exception(_is_worth_a_wait),
            stop=stop_after_attempt(self.attempts),
            wait=_wait_s,
            sleep=self.sleep,
            reraise=True,
        )(attempt)

    def read_page(self, url: str) -> str | None:
        """Return a short page of text, in one attempt; None where there is none."""
        headers = {"User-Agent": self._user_agent}
        try:
            response = requests.get(url, headers=headers, timeout=self.timeout_s)
        except requests.RequestException:
            return None
        return response.text if response.ok else None

    @property
    def _user_agent(self) -> str:
        return f"{_APPLICATION} ({self.contact})" if self.contact else _APPLICATION

    def _send(
        self,
        method: str,
        url: str,
        fields: Mapping[str, str],
        find_wait: Callable[[], float | None],
    ) -> object:
        place, service = _read_address(url)
        try:
            with (
                self._turn(service),
                requests.request(
                    method,
                    url,
                    params=fields if method == "GET" else None,
                    data=None if method == "GET" else fields,
                    headers={"User-Agent": self._user_agent},
                    timeout=self.timeout_s,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                content = _read_content(response, place)
        except requests.RequestException as error:
            if isinstance(error, ValueError):  # an address that cannot be
                raise MapServerRefusedError(_NO_ADDRESS) from error
            raise MapServerError(f"{place} gave no answer: {_name(error)}") from error
        return _judge(response, content, place, find_wait)

    @contextmanager
    def _turn(self, service: str) -> Generator[None]:
        """Wait for our turn at one server, also behind our other processes."""
        folder: Path = self.cache.folder.parent
        folder.mkdir(parents=True, exist_ok=True)
        stamp = folder / f"{service}.last"
        with FileLock(folder / f"{service}.lock"):
            wait = self._left_at(stamp) + self.interval_s - self.cache.now()
            if 0 < wait <= self.interval_s:  # more: the clock was changed
                self.sleep(wait)
            try:
                yield
            finally:
                stamp.write_text(str(self.cache.now()))

    def _left_at(self, stamp: Path) -> float:
        try:
            return float(stamp.read_text())
        except (OSError, ValueError):
            return 0.0


def _read_address(url: str) -> tuple[str, str]:
    """Return the server to name in messages, and a file name of its service."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise MapServerRefusedError(_NO_ADDRESS) from error
    place = parts.netloc.rpartition("@")[2]  # before it stands a password
    folder = parts.path.rpartition("/")[0]
    return place, re.sub(r"[^A-Za-z0-9.]", "_", place + folder)


def _read_content(response: requests.Response, place: str) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise MapServerRefusedError(
                f"{place} sent more than {MAX_ANSWER_BYTES // 1_000_000} MB: ask for less"
            )
    return bytes(content)


def _judge(
    response: requests.Response,
    content: bytes,
    place: str,
    find_wait: Callable[[], float | None],
) -> object:
    status, text = response.status_code, content.decode("utf-8", "replace")
    if status == HTTPStatus.OK:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise MapServerError(f"{place} sent no data: {_words(text)}") from error
    message = f"{place} answered HTTP {status}: {_words(text)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        message = f"{_BUSY} ({message})"
    if status in _ASK_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait_s = read_retry_after(response)
        wait_s = find_wait() if wait_s is None else wait_s
        if wait_s is not None and wait_s > LONGEST_WAIT_S:
            message += f"; it asks to come again in {wait_s:.0f} s"
        raise MapServerError(message, retry_after_s=wait_s)
    raise MapServerRefusedError(message + _HINTS.get(status, _CHECK_ADDRESS))


def _words(text: str) -> str:
    """Return what a page says, on one short line."""
    found = _ERROR_OF_PAGE.search(text) or _TITLE_OF_PAGE.search(text)
    said = " ".join(html.unescape(found.group(1) if found else text).split())
    return said[:_WORDS_LENGTH] or "nothing"


def _name(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "it took too long"
    if isinstance(error, requests.ConnectionError):
        return "no connection, or it broke off; check the network and the address"
    return type(error).__name__


def _is_worth_a_wait(error: BaseException) -> bool:
    return (
        isinstance(error, MapServerError)
        and (error.retry_after_s or 0.0) <= LONGEST_WAIT_S
    )


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, MapServerError) else None
    return wait_after(state.attempt_number, asked)
