"""The gate's law: without a session nothing behind it is reached but what is open."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.serving.console.gate import MAX_BODY_BYTES, OPEN, Gate
from mobility_pipeline.serving.console.sessions import COOKIE, Sessions

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_OWN = (b"origin", b"http://console.example")


class _Behind:
    """An application that only remembers that it was reached, and what it was told."""

    def __init__(self) -> None:
        self.reached = False
        self.told: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached = True
        if scope["type"] == "websocket":
            for _ in range(2):
                self.told.append(await receive())
            return
        self.told.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def _ask(
    path: str,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    kind: str = "http",
    sessions: Sessions | None = None,
    receives: tuple[Any, ...] = ({"type": "http.request", "body": b""},),
    https: bool = False,
) -> tuple[_Behind, list[Any]]:
    behind, sent, waiting = _Behind(), [], list(receives)
    sessions = sessions or Sessions("secret", "hash", now_s=lambda: 0.0)
    gate = Gate(behind, sessions, https=https)
    scope = {
        "type": kind,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"console.example"), *headers],
        "scheme": "ws" if kind == "websocket" else "http",
        "server": ("console.example", 80),
        **({"method": method} if kind == "http" else {}),
    }

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return behind, sent


@given(
    path=st.sampled_from(["/", "/city", "/_nicegui/client/1/upload/2", "/login/x"])
    | st.text(st.characters(codec="utf-8"), max_size=20).map(lambda text: f"/{text}"),
    method=st.sampled_from(_METHODS),
    kind=st.sampled_from(["http", "websocket"]),
    cookie=st.sampled_from([b"", b"forged", b"a.b"]),
)
def test_nothing_is_reached_without_a_session_but_what_is_open(
    path: str, method: str, kind: str, cookie: bytes
) -> None:
    """Any path, any method, a page's socket too; with no cookie or a forged one."""
    cookie_header = (b"cookie", COOKIE.encode() + b"=" + cookie)
    behind, sent = _ask(path, _OWN, cookie_header, method=method, kind=kind)
    assert behind.reached == (path in OPEN)
    if not behind.reached and kind == "http":
        assert sent[0]["status"] == (302 if _is_page(path, method) else 401)
    elif not behind.reached:
        assert sent[0]["type"] == "websocket.close"


def _is_page(path: str, method: str) -> bool:
    return (
        method in ("GET", "HEAD") and not path.startswith("/_") and path != "/signed-in"
    )


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((b"origin", b"http://evil.example"),),
        ((b"origin", b"null"),),
        ((b"origin", b"http://console.example.evil.example"),),
        ((b"sec-fetch-site", b"cross-site"),),
        ((b"sec-fetch-site", b"same-site"),),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_another_site_sends_is_refused_whoever_is_signed_in(
    headers: tuple[tuple[bytes, bytes], ...], kind: str
) -> None:
    """A post or a socket that no page of ours opened: the cookie does not help."""
    sessions = Sessions("secret", "hash", now_s=lambda: 0.0)
    cookie = (b"cookie", f"{COOKIE}={sessions.open('admin')}".encode())
    behind, sent = _ask(
        "/logout", cookie, *headers, method="POST", kind=kind, sessions=sessions
    )
    assert not behind.reached
    assert sent[0].get("status", sent[0].get("code")) in (403, 4403)


def test_socket_of_a_session_that_ended_is_closed_before_anything_is_done() -> None:
    """The first click after it gets no further; before it, it does."""
    now = [0.0]
    sessions = Sessions("secret", "hash", now_s=lambda: now[0])
    cookie = (b"cookie", f"{COOKIE}={sessions.open('admin')}".encode())
    click = {"type": "websocket.receive", "text": '42["event",{}]'}

    class _Late(list[Any]):
        def pop(self, index: Any = 0) -> Any:
            now[0] += 8 * 3600
            return super().pop(index)

    for clicks, kinds in (
        ([click, click], ["websocket.receive"] * 2),
        ([{"type": "websocket.receive", "text": "3"}, click], None),
    ):
        now[0] = 0.0
        cookie = (b"cookie", f"{COOKIE}={sessions.open('admin')}".encode())
        late = _Late(clicks)
        behind, _ = _ask_late(sessions, cookie, late)
        told = [message["type"] for message in behind.told]
        assert told == (kinds or ["websocket.receive", "websocket.disconnect"])


def _ask_late(
    sessions: Sessions, cookie: tuple[bytes, bytes], waiting: list[Any]
) -> tuple[_Behind, None]:
    behind = _Behind()
    gate = Gate(behind, sessions, https=False)
    scope = {
        "type": "websocket",
        "path": "/_nicegui_ws/socket.io/",
        "query_string": b"",
        "headers": [(b"host", b"console.example"), _OWN, cookie],
        "scheme": "ws",
        "server": ("console.example", 80),
    }

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(_: Any) -> None:
        return None

    asyncio.run(gate(scope, receive, send))
    return behind, None


def test_body_over_50_mb_is_refused_with_words_before_it_is_read() -> None:
    """By what it says of its length; without that, it is cut off."""
    sessions = Sessions("secret", "hash", now_s=lambda: 0.0)
    cookie = (b"cookie", f"{COOKIE}={sessions.open('admin')}".encode())
    length = (b"content-length", str(MAX_BODY_BYTES + 1).encode())
    path = "/_nicegui/client/1/upload/2"
    behind, sent = _ask(path, _OWN, cookie, length, method="POST", sessions=sessions)
    assert not behind.reached
    assert sent[0]["status"] == 413
    assert b"50 MB" in sent[1]["body"]
    endless = {"type": "http.request", "body": b"x" * (MAX_BODY_BYTES + 1)}
    behind, _ = _ask(
        path, _OWN, cookie, method="POST", sessions=sessions, receives=(endless,)
    )
    assert behind.told == [{"type": "http.disconnect"}]


@pytest.mark.parametrize(
    ("https", "headers", "is_secure"),
    [
        (False, (), False),
        (True, (), True),
        (False, ((b"x-forwarded-proto", b"https"),), True),
    ],
)
def test_cookie_is_for_the_server_only_and_for_https_where_that_is_spoken(
    https: bool, headers: tuple[tuple[bytes, bytes], ...], is_secure: bool
) -> None:
    """HttpOnly and SameSite=Lax always; Secure behind https."""
    sessions = Sessions("secret", "hash", now_s=lambda: 0.0)
    cookie = (b"cookie", f"{COOKIE}={sessions.open('admin')}".encode())
    _, sent = _ask("/", cookie, *headers, sessions=sessions, https=https)
    text = dict(sent[0]["headers"])[b"set-cookie"].decode()
    assert "HttpOnly" in text
    assert "SameSite=lax" in text
    assert "Max-Age=43200" in text
    assert ("Secure" in text) == is_secure
