"""Where versions of the registry are kept: the newest here, each one in the backup bucket.

    <folder>/begun/<id>.json     about to be made; a crash leaves it
    <folder>/versions/<id>.json  made; the newest 30, and those not backed up yet
A change is begun here, made in the registry, settled here, then backed up. Whoever comes
after a crash asks the registry whether what was begun took effect (`Registry`). What has to
be backed up is what the bucket does not list: nothing can be marked wrongly, and storing
the same version twice stores the same bytes.
"""

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from obstore.store import LocalStore

from mobility_pipeline.cities.backup import list_backup, read_backup, store_version
from mobility_pipeline.cities.stores import hold_file, translated_errors
from mobility_pipeline.cities.versions import (
    CityChange,
    Operation,
    Version,
    VersionLog,
    dump_version,
    is_version_id,
    parse_version,
)
from mobility_pipeline.errors import (
    BackupFailedError,
    MobilityError,
    VersionUnreadableError,
)

if TYPE_CHECKING:
    from obstore.store import ObjectStore

KEPT_VERSIONS = 30

_HOME = "MOBILITY_HOME"


class History:
    """The versions of one registry, and where new ones are kept."""

    def __init__(
        self,
        folder: Path,
        *,
        by: str,
        now: Callable[[], datetime],
        open_backup: "Callable[[], ObjectStore] | None" = None,
    ) -> None:
        """Note where versions are; nothing is read or made yet.

        Args:
            folder: of this registry's versions only; made where missing.
            by: who makes the changes.
            now: gives the present instant.
            open_backup: opens the backup's prefix, and may raise a MobilityError; None =
                there is none.
        """
        self._folder = folder
        self._by = by
        self._now = now
        self._open_backup = open_backup

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep other processes that share the folder from changing the registry.

        Raises:
            StorageError: another one took too long.
        """
        with translated_errors("opening the history of the cities", _HOME):
            self._folder.mkdir(parents=True, exist_ok=True)
        with hold_file(self._folder / "lock"):
            yield

    def begin(
        self, operation: Operation, changes: Iterable[CityChange], note: str
    ) -> Version:
        """Record what is about to be done; under the lock."""
        at = self._now()
        if newest := max(self._ids("versions"), default=""):
            # Never older than what it comes after, also where a clock was set back.
            at = max(at, _time_of(newest) + timedelta(microseconds=1))
        version = Version(at, self._by, operation, tuple(changes), note)
        self._put("begun", version)
        return version

    def begun(self) -> list[Version]:
        """Return what was begun and not settled; under the lock, a crash left it.

        What is not readable can't be judged: it is kept among the versions, by its name.
        """
        found: list[Version] = []
        for version_id in self._ids("begun"):
            data = self._get("begun", version_id)
            try:
                found.append(parse_version(data, version_id))
            except VersionUnreadableError:
                self._store("versions", version_id, data)
                self._delete("begun", version_id)
        return found

    def settle(self, version: Version, made: Iterable[CityChange]) -> None:
        """Record which changes of a begun version were made; none = it never was."""
        changes = tuple(made)
        if changes:
            self._put("versions", replace(version, changes=changes))
        self._delete("begun", version.id)
        if self._open_backup is None:
            self._prune(self._ids("versions"))

    def has_begun(self) -> bool:
        """Say whether a crash, or another process at this moment, left something begun."""
        return bool(self._ids("begun"))

    def load(self) -> VersionLog:
        """Read every version, here and in the backup; what can't be read is named."""
        here, unreadable = self._read_here()
        known = {version.id: version for version in here}
        problem = ""
        if self._open_backup is not None:
            try:
                backed_up, spoilt = read_backup(self._open_backup(), known.keys())
                known |= {version.id: version for version in backed_up}
                unreadable = {**spoilt, **unreadable}
            except MobilityError as error:
                problem = str(error)
        unreadable = {
            name: why for name, why in unreadable.items() if name not in known
        }
        ordered = tuple(known[name] for name in sorted(known))
        return VersionLog(ordered, dict(sorted(unreadable.items())), problem)

    def back_up(self) -> tuple[str, ...]:
        """Store in the bucket each version that it does not list.

        Returns:
            Their ids.

        Raises:
            BackupFailedError: not all could be stored; the next call tries again.
        """
        if self._open_backup is None:
            return ()
        ids = self._ids("versions")
        try:
            stored, unreadable = self._back_up(ids)
        except MobilityError as error:
            raise BackupFailedError(
                "every change is made and kept on this machine, but the backup failed: "
                f"{error}; the next change or `mobility cities backup` tries again"
            ) from error
        self._prune(name for name in ids if name not in unreadable)
        if unreadable:
            raise BackupFailedError(
                f"not backed up, remove them from {self._folder}: "
                + "; ".join(unreadable.values())
            )
        return stored

    def _back_up(self, ids: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
        if self._open_backup is None or not ids:
            return (), {}
        backup = self._open_backup()
        listed = list_backup(backup, since=ids[0])
        stored: list[str] = []
        unreadable: dict[str, str] = {}
        for version_id in ids:
            if version_id in listed:
                continue
            try:
                version = parse_version(self._get("versions", version_id), version_id)
            except FileNotFoundError:  # another process has backed it up meanwhile
                continue
            except VersionUnreadableError as error:
                unreadable[version_id] = str(error)
                continue
            store_version(backup, version)
            stored.append(version_id)
        return tuple(stored), unreadable

    def _read_here(self) -> tuple[list[Version], dict[str, str]]:
        found: list[Version] = []
        unreadable: dict[str, str] = {}
        for version_id in self._ids("versions"):
            try:
                found.append(
                    parse_version(self._get("versions", version_id), version_id)
                )
            except VersionUnreadableError as error:
                unreadable[version_id] = str(error)
            except FileNotFoundError:  # another process keeps only the newest
                continue
        return found, unreadable

    def _ids(self, shelf: str) -> list[str]:
        with translated_errors("reading the history of the cities", _HOME):
            names = [file.stem for file in (self._folder / shelf).glob("*.json")]
        return sorted(name for name in names if is_version_id(name))

    def _put(self, shelf: str, version: Version) -> None:
        self._store(shelf, version.id, dump_version(version))

    def _store(self, shelf: str, version_id: str, data: bytes) -> None:
        # obstore writes a file beside it and renames it: all of it or nothing.
        with translated_errors(f"writing version {version_id}", _HOME):
            store = LocalStore(prefix=self._folder, mkdir=True)
            obstore.put(store, f"{shelf}/{version_id}.json", data)

    def _get(self, shelf: str, version_id: str) -> bytes:
        try:
            return (self._folder / shelf / f"{version_id}.json").read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise VersionUnreadableError(
                f"version {version_id} is not readable: {error.strerror}"
            ) from error

    def _delete(self, shelf: str, version_id: str) -> None:
        with translated_errors(f"removing version {version_id}", _HOME):
            (self._folder / shelf / f"{version_id}.json").unlink(missing_ok=True)

    def _prune(self, ids: Iterable[str]) -> None:
        for version_id in sorted(ids)[:-KEPT_VERSIONS]:
            self._delete("versions", version_id)


def _time_of(version_id: str) -> datetime:
    date, _, time = version_id.partition("T")
    return datetime.fromisoformat(f"{date}T{time.replace('-', ':')}")
