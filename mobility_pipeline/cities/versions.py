"""Versions of the registry: who changed what, when; as values and as JSON text.

Shape: `{"version": 1, "id", "at", "by", "operation", "note", "changes": [{"key", "before",
"after"}…]}`; before and after are GeoJSON Features (see `geojson.py`), null where the city
was not there, or is no longer.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import (
    city_from_feature,
    city_to_feature,
    dump_geojson,
)
from mobility_pipeline.errors import (
    CityRefusedError,
    UnknownVersionError,
    VersionUnreadableError,
)

Operation = Literal["add", "import", "edit", "retire", "reactivate", "restore", "purge"]
ID_FORMAT = "%Y-%m-%dT%H-%M-%S.%fZ"
"""Sorts by time, and is a file's name everywhere."""

_ID = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{6}Z", re.ASCII)


@dataclass(frozen=True)
class CityChange:
    """What one version did to one city."""

    key: str
    before: City | None
    """None = it was not there."""
    after: City | None
    """None = it is no longer there."""


@dataclass(frozen=True)
class Version:
    """One change of the registry."""

    at: datetime
    """UTC; no two versions of a registry have the same."""
    by: str
    """Who did it."""
    operation: Operation
    changes: tuple[CityChange, ...]
    note: str = ""
    """For people; may be empty."""

    @property
    def id(self) -> str:
        """Its time, as text that sorts."""
        return f"{self.at.astimezone(UTC):{ID_FORMAT}}"

    def change_of(self, key: str) -> CityChange | None:
        """Return what it did to a city; None = nothing."""
        return next((change for change in self.changes if change.key == key), None)


@dataclass(frozen=True)
class VersionLog:
    """The versions that are known of a registry."""

    versions: tuple[Version, ...]
    """Oldest first."""
    unreadable: Mapping[str, str]
    """Id -> why what was kept of it is not readable."""
    backup_problem: str = ""
    """Why the backup could not be read, so that versions may be missing."""

    def find(self, text: str) -> Version:
        """Return the version of an id, or of the beginning of just one.

        Raises:
            UnknownVersionError: there is none, or several begin like it.
            VersionUnreadableError: it is there, but not readable.
        """
        ids = {version.id for version in self.versions} | self.unreadable.keys()
        found = [text] if text in ids else sorted(i for i in ids if i.startswith(text))
        if not text or not found:
            missing = f"; the backup was not read: {self.backup_problem}"
            raise UnknownVersionError(
                f"no version {text!r}: `mobility cities history` names them"
                + (missing if self.backup_problem else "")
            )
        if len(found) > 1:
            raise UnknownVersionError(
                f"{len(found)} versions begin with {text!r}, the first {found[0]}"
            )
        if found[0] in self.unreadable:
            raise VersionUnreadableError(self.unreadable[found[0]])
        return next(version for version in self.versions if version.id == found[0])

    def changes_between(self, first: Version, second: Version) -> list[CityChange]:
        """Return what differs from right after one version to right after another."""
        before, after = (state_after(self.versions, v) for v in (first, second))
        return [CityChange(key, before[key], after[key]) for key in sorted(before)]


def state_after(
    versions: Iterable[Version], version: Version
) -> dict[str, City | None]:
    """Say how each city that any version changed stood right after one of them.

    Args:
        versions: oldest first, without a gap.
        version: one of them.

    Returns:
        Key -> the city; None = it was not there.
    """
    state: dict[str, City | None] = {}
    for other in versions:
        for change in other.changes:
            if other.at <= version.at:
                state[change.key] = change.after
            else:
                state.setdefault(change.key, change.before)
    return state


def is_version_id(text: str) -> bool:
    """Say whether a name is that of a version."""
    return _ID.fullmatch(text) is not None


def dump_version(version: Version) -> bytes:
    """Write a version; the same one gives the same bytes."""
    document = {
        "version": 1,
        "id": version.id,
        "at": version.at.astimezone(UTC).isoformat(),
        "by": version.by,
        "operation": version.operation,
        "note": version.note,
        "changes": [
            {
                "key": change.key,
                "before": _feature(change.before),
                "after": _feature(change.after),
            }
            for change in version.changes
        ],
    }
    return dump_geojson(document).encode()


def parse_version(data: bytes, version_id: str) -> Version:
    """Read a version.

    Raises:
        VersionUnreadableError: cut short, of another version, or no valid city in it.
    """
    try:
        document = json.loads(data)
        version = _read(document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise VersionUnreadableError(
            f"version {version_id} is not readable: {type(error).__name__}: {error}"
        ) from error
    except CityRefusedError as error:
        raise VersionUnreadableError(
            f"version {version_id} is not readable: {error}"
        ) from error
    if version.id != version_id:
        raise VersionUnreadableError(
            f"version {version_id} is not readable: it says it is {version.id}"
        )
    return version


def _read(document: Mapping[str, Any]) -> Version:
    if document["version"] != 1 or document["operation"] not in get_args(Operation):
        raise ValueError("another version of the project wrote it")
    by, note = document["by"], document["note"]
    if not (isinstance(by, str) and isinstance(note, str)):
        raise TypeError("by and note must be text")
    return Version(
        at=datetime.fromisoformat(document["at"]).astimezone(UTC),
        by=by,
        operation=document["operation"],
        changes=_read_changes(document["changes"]),
        note=note,
    )


def _read_changes(changes: Sequence[Mapping[str, Any]]) -> tuple[CityChange, ...]:
    def read(change: Mapping[str, Any], side: str) -> City | None:
        feature = change[side]
        return None if feature is None else city_from_feature(feature, change["key"])

    return tuple(
        CityChange(change["key"], read(change, "before"), read(change, "after"))
        for change in changes
    )


def _feature(city: City | None) -> dict[str, Any] | None:
    return None if city is None else city_to_feature(city)
