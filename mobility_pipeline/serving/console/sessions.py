"""Who is signed in: a signed cookie, and when each session was last used."""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

IDLE_S = 12 * 60 * 60
"""Unused for so long, a session ends."""
COOKIE = "mobility_console"


@dataclass(frozen=True)
class Session:
    """Somebody who signed in."""

    id: str
    user: str


class Sessions:
    """The sessions of one console; they outlive it where the secret stays the same."""

    def __init__(
        self, secret: str, password_hash: str, *, now_s: Callable[[], float]
    ) -> None:
        """Begin without any session in use.

        Args:
            secret: signs the cookies.
            password_hash: with another password, everybody has to sign in again.
            now_s: seconds since 1970.
        """
        key = hashlib.sha256(f"{secret}\n{password_hash}".encode()).hexdigest()
        self._signer = URLSafeSerializer(key, salt="mobility console")
        self._now_s = now_s
        self._used_s: dict[str, float] = {}
        self._closed: dict[str, float] = {}

    def open(self, user: str) -> str:
        """Begin a session; returns its cookie."""
        return self.renew(Session(secrets.token_urlsafe(16), user))

    def renew(self, session: Session) -> str:
        """Return a cookie that says the session is in use now."""
        now = self._now_s()
        self._used_s[session.id] = now
        document = {"id": session.id, "user": session.user, "at": now}
        text = self._signer.dumps(document)
        return text.decode() if isinstance(text, bytes) else text

    def find(self, cookie: str | None, *, is_use: bool = True) -> Session | None:
        """Return the session of a cookie; None where there is none any more.

        Args:
            cookie: as the browser sent it.
            is_use: somebody does something; else the session gets older by it.
        """
        document = self._read(cookie)
        if document is None:
            return None
        session = Session(document["id"], document["user"])
        now = self._now_s()
        last = max(self._used_s.get(session.id, 0.0), float(document["at"]))
        if session.id in self._closed or now - last >= IDLE_S:
            self._used_s.pop(session.id, None)
            return None
        if is_use:
            self._used_s[session.id] = now
        return session

    def close(self, session: Session) -> None:
        """End a session, also for cookies that were copied."""
        now = self._now_s()
        self._closed = {k: at for k, at in self._closed.items() if now - at < IDLE_S}
        self._used_s = {k: at for k, at in self._used_s.items() if now - at < IDLE_S}
        self._closed[session.id] = now

    def _read(self, cookie: str | None) -> dict[str, Any] | None:
        if not cookie:
            return None
        try:
            return self._signer.loads(cookie)
        except BadData:
            return None
