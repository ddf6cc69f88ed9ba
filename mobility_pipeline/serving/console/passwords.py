"""Who may sign in: the password's hash, and a lock-out for those who guess."""

import hmac
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from mobility_pipeline.errors import ConfigurationError

MAX_TRIES = 5
"""Wrong ones in a row, of one name from one address."""
LOCK_S = 15 * 60
MIN_PASSWORD = 8
MAX_PASSWORD = 1_000
_MAX_REMEMBERED = 10_000

Answer = Literal["right", "wrong", "locked"]


def hash_password(password: str) -> str:
    """Return a password's argon2 hash, as ADMIN_PASSWORD_HASH takes it.

    Raises:
        ConfigurationError: it is too short or far too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigurationError(
            f"a password has {MIN_PASSWORD} to {MAX_PASSWORD:,} characters"
        )
    return PasswordHasher().hash(password)


def check_hash(text: str) -> None:
    """Refuse what is no argon2 hash.

    Raises:
        ConfigurationError: says how to make one.
    """
    try:
        PasswordHasher().check_needs_rehash(text)
    except (InvalidHashError, ValueError):
        raise ConfigurationError(
            "ADMIN_PASSWORD_HASH is not an argon2 hash: make one with `mobility console "
            "hash-password`, and put it in single quotes"
        ) from None


@dataclass
class _Tries:
    count: int
    last_s: float


@dataclass
class Doorkeeper:
    """Lets the one user in; counts wrong tries."""

    user: str
    password_hash: str
    now_s: Callable[[], float]
    """A clock in seconds that never goes back."""
    _tries: dict[tuple[str, str], _Tries] = field(
        default_factory=dict[tuple[str, str], _Tries]
    )
    # One at a time: guesses sent at once all count, and hashing takes 64 MB.
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, user: str, password: str, address: str) -> Answer:
        """Say whether somebody may come in.

        Args:
            user: as typed.
            password: as typed.
            address: where the request is from.

        Returns:
            `locked` after MAX_TRIES wrong ones, for LOCK_S from the last of them on,
            whatever the password is.
        """
        key = (user[:MAX_PASSWORD], address)
        with self._lock:
            self._forget_old()
            tries = self._tries.get(key)
            if tries is not None and tries.count >= MAX_TRIES:
                return "locked"
            if self._is_right(user, password):
                self._tries.pop(key, None)
                return "right"
            count = tries.count + 1 if tries else 1
            self._tries[key] = _Tries(count, self.now_s())
            return "locked" if count >= MAX_TRIES else "wrong"

    def _is_right(self, user: str, password: str) -> bool:
        # The hash is computed for a wrong name too: it takes as long.
        try:
            PasswordHasher().verify(self.password_hash, password[:MAX_PASSWORD])
        except VerificationError:
            return False
        return hmac.compare_digest(user.encode(), self.user.encode())

    def _forget_old(self) -> None:
        now = self.now_s()
        for key in [k for k, t in self._tries.items() if now - t.last_s >= LOCK_S]:
            del self._tries[key]
        while len(self._tries) >= _MAX_REMEMBERED:
            del self._tries[next(iter(self._tries))]
