"""API keys: who may ask, and how much of it. Only hashes are kept.

A key holds 256 random bits, so that nobody finds one by trying, also who has its hash:
one round of SHA-256 is enough, and takes a microsecond of each request. A slow hash such
as argon2 protects what people make up, and would take tens of milliseconds of each.

Shape: a JSON file, replaced in one step under a lock, readable by its owner alone.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from mobility_pipeline.errors import ConfigurationError, UsageError
from mobility_pipeline.private_file import write_private

Scope = Literal["read", "operator"]
"""`read`: counts. `operator`: lists of devices too, where the setting allows them."""

_PREFIX = "mobility_"


class ApiKey(BaseModel):
    """One key, without the key itself."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Whose it is; unique."""
    scope: Scope
    sha256: str
    """Hex digest of the key."""
    created_at: AwareDatetime


class _KeyFile(BaseModel):
    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()


class ApiKeys:
    """The keys of one file; a server sees keys that another process made or revoked."""

    def __init__(self, path: Path) -> None:
        """Address a file; it need not be there yet."""
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._by_digest: Mapping[str, ApiKey] = {}

    def find(self, key: str) -> ApiKey | None:
        """Return whose key it is; None = nobody's.

        Raises:
            ConfigurationError: the file is not readable.
        """
        self._refresh()
        # Looked up by digest: how long that takes says nothing about the key.
        return self._by_digest.get(_digest(key))

    def list_all(self) -> Sequence[ApiKey]:
        """Return all keys, by name.

        Raises:
            ConfigurationError: the file is not readable.
        """
        return sorted(self._read().keys, key=lambda key: key.name)

    def create(self, name: str, scope: Scope, now: datetime) -> str:
        """Make a key and return it: it can't be shown again.

        Raises:
            UsageError: the name is taken, or not printable.
        """
        if not (name.isprintable() and name.strip() == name and 0 < len(name) <= 100):
            raise UsageError("a key's name is 1 to 100 printable characters")
        key = _PREFIX + secrets.token_hex(32)
        with self._changing():
            keys = self._read().keys
            if any(known.name == name for known in keys):
                raise UsageError(
                    f"there is a key {name!r}: revoke it first, or take another name"
                )
            made = ApiKey(name=name, scope=scope, sha256=_digest(key), created_at=now)
            self._write(_KeyFile(keys=(*keys, made)))
        return key

    def revoke(self, name: str) -> None:
        """Forget a key; who uses it is refused from now on.

        Raises:
            UsageError: there is none of that name.
        """
        with self._changing():
            keys = self._read().keys
            left = tuple(key for key in keys if key.name != name)
            if len(left) == len(keys):
                raise UsageError(f"there is no key {name!r}: `mobility api keys list`")
            self._write(_KeyFile(keys=left))

    def _changing(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self._path}.lock")

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
        except FileNotFoundError:
            stamp = None
        if stamp != self._stamp:
            self._by_digest = {key.sha256: key for key in self._read().keys}
            self._stamp = stamp

    def _read(self) -> _KeyFile:
        try:
            return _KeyFile.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return _KeyFile()
        except ValidationError:
            raise ConfigurationError(
                f"{self._path} is not a file of API keys: restore or delete it"
            ) from None

    def _write(self, content: _KeyFile) -> None:
        write_private(self._path, (content.model_dump_json(indent=2) + "\n").encode())


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
