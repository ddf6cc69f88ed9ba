"""Answers as HTTP: the format, the ETag, and those of the last seconds kept as they are."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mobility_pipeline.errors import QuestionRefusedError
from mobility_pipeline.serving.api.days import FRESH_S
from mobility_pipeline.serving.api.formats import choose_format
from mobility_pipeline.serving.api.memory import NotInMemoryError, reading_nothing

_KEPT_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Written:
    """The body of an answer, and headers that belong to it."""

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class _Kept:
    written: Written
    etag: str
    media: str
    at_s: float


class Responder:
    """Answers requests; an answer is made once in `FRESH_S`, whoever asks."""

    def __init__(
        self,
        now_s: Callable[[], float],
        find_parameters: Callable[[str], Sequence[str]],
    ) -> None:
        """Begin with nothing kept.

        Args:
            now_s: seconds of a clock that only goes forward.
            find_parameters: path -> names of what may be asked there.
        """
        self._now_s = now_s
        self._find_parameters = find_parameters
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
        self._bytes = 0

    async def give(
        self,
        request: Request,
        offered: tuple[str, ...],
        make: Callable[[str], Written],
        *,
        is_secret: bool = False,
        is_quick: bool = False,
    ) -> Response:
        """Answer a request.

        Args:
            request: what was asked, and what is accepted.
            offered: media types, the default first.
            make: writes the answer as one of them; may block.
            is_secret: nobody keeps the answer.
            is_quick: it takes no time to make where nothing has to be read first.

        Raises:
            FormatRefusedError: none of them is accepted.
            QuestionRefusedError: a parameter is unknown, so that it would change nothing,
                or comes twice.
        """
        media = choose_format(request.headers.get("accept"), offered)
        key = (request.url.path, request.url.query, media)
        kept = self._kept.get(key)
        if kept is None or self._now_s() - kept.at_s >= FRESH_S:
            self._check_parameters(request)
            written = _make_at_once(make, media) if is_quick else None
            if written is None:
                written = await run_in_threadpool(make, media)
            kept = _Kept(written, _tag(written, media), media, self._now_s())
            if not is_secret:
                self._keep(key, kept)
        return _respond(request, kept, is_secret)

    def _check_parameters(self, request: Request) -> None:
        known = self._find_parameters(request.url.path)
        sent = [name for name, _ in request.query_params.multi_items()]
        if any(name not in known for name in sent):
            takes = ", ".join(known) or "none"
            raise QuestionRefusedError(f"a parameter is unknown: this takes {takes}")
        if len({*sent}) < len(sent):
            raise QuestionRefusedError("a parameter comes more than once")

    def _keep(self, key: tuple[str, str, str], kept: _Kept) -> None:
        old = self._kept.pop(key, None)
        self._kept[key] = kept
        self._bytes += _weight(kept) - (_weight(old) if old else 0)
        while self._bytes > _KEPT_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= _weight(dropped)


class HeadAsGet:
    """Answers HEAD as GET; the server leaves the body out.

    References:
        RFC 9110, section 9.3.2.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Stand before an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on a request."""
        if scope.get("method") == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _make_at_once(make: Callable[[str], Written], media: str) -> Written | None:
    try:
        with reading_nothing():
            return make(media)
    except NotInMemoryError:
        return None


def _weight(kept: _Kept) -> int:
    return len(kept.written.body) + 2048


def _tag(written: Written, media: str) -> str:
    digest = hashlib.sha256(media.encode())
    digest.update(repr(sorted(written.headers.items())).encode())
    digest.update(written.body)
    return f'"{digest.hexdigest()[:32]}"'


def _respond(request: Request, kept: _Kept, is_secret: bool) -> Response:
    headers = {
        "ETag": kept.etag,
        "Cache-Control": "no-store" if is_secret else "private, no-cache",
        "Vary": "Accept, X-API-Key",
        **kept.written.headers,
    }
    if _has(request.headers.get("if-none-match", ""), kept.etag):
        return Response(status_code=304, headers=headers)
    return Response(kept.written.body, headers=headers, media_type=kept.media)


def _has(if_none_match: str, etag: str) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
