"""The gate before every route: who did not sign in gets no further, whatever the path.

Open are only `OPEN` below. It stands before the whole application, so that a route that a
library brings (uploads, its web socket, its files) is closed too. What changes anything
must come from a page of ours: browsers say so in `Origin`.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from mobility_pipeline.serving.console.sessions import COOKIE, IDLE_S, Sessions

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

LOGIN, STATE = "/login", "/signed-in"
OPEN = (LOGIN, "/guide", "/guide/", "/guide/template.zip")
MAX_LOGIN_BYTES = 10_000
MAX_BODY_BYTES = 51 * 1024 * 1024
"""An upload of 50 MB, with the form around it."""

_SAFE = ("GET", "HEAD")
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"frame-ancestors 'none'; base-uri 'self'",
    # OpenStreetMap's tile servers refuse who does not say where they come from.
    b"referrer-policy": b"strict-origin-when-cross-origin",
}
_EVENT, _USE = "42", '42["event"'
"""How messages of a page begin on its socket; and those by which somebody acts."""


class Gate:
    """An ASGI application that lets those who signed in pass to another one."""

    def __init__(self, app: Application, sessions: Sessions, *, https: bool) -> None:
        """Stand before an application.

        Args:
            app: what is behind.
            sessions: who is signed in.
            https: browsers reach the console by https, whatever its own server sees.
        """
        self.app = app
        self._sessions = sessions
        self._https = https

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer, or pass on, one request or web socket."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        request = HTTPConnection(scope)
        refusal = self._refuse(request)
        if refusal is not None:
            await refusal(scope, receive, self._finish(request, send))
        elif scope["type"] == "websocket":
            await self.app(scope, self._watch(request, receive), send)
        else:
            limited = _limit(request, receive)
            await self.app(scope, limited, self._finish(request, send))

    def is_https(self, request: HTTPConnection) -> bool:
        """Return whether the browser speaks https, to us or to a proxy before us."""
        forwarded = request.headers.get("x-forwarded-proto", "")
        return (
            self._https
            or request.url.scheme in ("https", "wss")
            or forwarded.lower().startswith("https")
        )

    def cookie(self, request: HTTPConnection, value: str) -> str:
        """Write the session's cookie as a header; an empty value ends it."""
        response = Response()
        response.set_cookie(
            COOKIE,
            value,
            max_age=IDLE_S if value else 0,
            httponly=True,
            samesite="lax",
            secure=self.is_https(request),
        )
        return response.headers["set-cookie"]

    def _refuse(self, request: HTTPConnection) -> Application | None:
        scope = request.scope
        path, is_socket = scope["path"], scope["type"] == "websocket"
        method = "" if is_socket else scope["method"]
        if method not in _SAFE and not _is_own(request):
            return _answer(is_socket, 403, "this was not sent by a page of the console")
        if _body_bytes(request) > _most_bytes(path):
            return _answer(is_socket, 413, "too large: at most 50 MB are taken")
        if path in OPEN:
            return None
        cookie = request.cookies.get(COOKIE)
        session = self._sessions.find(cookie, is_use=path != STATE)
        if session is not None:
            scope.setdefault("state", {}).update(session=session, user=session.user)
            return None
        is_page = not path.startswith("/_") and path != STATE
        if method in _SAFE and is_page:
            why = "&expired=1" if cookie else ""
            query = (
                f"?{scope['query_string'].decode()}" if scope["query_string"] else ""
            )
            return RedirectResponse(
                f"{LOGIN}?next={quote(path + query, safe='/')}{why}", status_code=302
            )
        return _answer(is_socket, 401, "sign in first")

    def _watch(self, request: HTTPConnection, receive: Receive) -> Receive:
        """Close a page's socket as soon as its session is over: nothing is done any more."""
        cookie = request.cookies.get(COOKIE)

        async def watched() -> Message:
            message = await receive()
            text = message.get("text") or ""
            if message["type"] == "websocket.receive" and text.startswith(_EVENT):
                is_use = text.startswith(_USE)
                if self._sessions.find(cookie, is_use=is_use) is None:
                    return {"type": "websocket.disconnect", "code": 4401}
            return message

        return watched

    def _finish(self, request: HTTPConnection, send: Send) -> Send:
        """Add the headers that every answer has; renew the cookie with each page."""

        async def finish(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", [])]
                given = {name.lower() for name, _ in headers}
                headers += [(n, v) for n, v in _HEADERS.items() if n not in given]
                session = request.scope.get("state", {}).get("session")
                is_page = not request.scope["path"].startswith("/_")
                is_use = is_page and request.scope["path"] != STATE
                if session and is_use and b"set-cookie" not in given:
                    cookie = self.cookie(request, self._sessions.renew(session))
                    headers.append((b"set-cookie", cookie.encode()))
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        return finish


def _answer(is_socket: bool, status: int, text: str) -> Application:
    if not is_socket:
        return PlainTextResponse(text, status_code=status)

    async def close(_: Any, __: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4000 + status})

    return close


def _is_own(request: HTTPConnection) -> bool:
    """Return whether a page of this very console sent it, as its browser says."""
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") == "same-origin"
    return urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()


def _body_bytes(request: HTTPConnection) -> int:
    text = request.headers.get("content-length", "0")
    return int(text) if text.isdecimal() else 0


def _most_bytes(path: str) -> int:
    return MAX_LOGIN_BYTES if path == LOGIN else MAX_BODY_BYTES


def _limit(request: HTTPConnection, receive: Receive) -> Receive:
    """Stop reading a body that does not say its length and has no end."""
    left = _most_bytes(request.scope["path"])

    async def limited() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        return message if left >= 0 else {"type": "http.disconnect"}

    return limited
