"""Every version of the registry in the backup bucket.

    cities-backup/<id>/<key>.geojson  each changed city, as it is after the version
    cities-backup/<id>/change.json    who, when, before and after; stored last

Every function raises:
    StorageError: S3 failed after retries.
    StorageForbiddenError: S3 refused.
    ConfigurationError: the bucket does not exist.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import obstore

from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson
from mobility_pipeline.cities.stores import translated_errors
from mobility_pipeline.cities.versions import (
    Version,
    dump_version,
    is_version_id,
    parse_version,
)
from mobility_pipeline.errors import VersionUnreadableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHANGE = "change.json"
_SETTING = "CITIES_BACKUP_BUCKET"
_PARALLEL = 16


def list_backup(backup: "ObjectStore", since: str | None = None) -> set[str]:
    """Return the ids of the versions that are there wholly.

    Args:
        backup: the backup's prefix.
        since: none that is older than this id; None = all.
    """
    with translated_errors("listing the backup of the cities", _SETTING):
        pages = obstore.list(backup, offset=since)  # pyright: ignore[reportUnknownMemberType]
        paths = [item["path"] for page in pages for item in page]
    names = {path.removesuffix(f"/{_CHANGE}") for path in paths}
    return {name for name in names if is_version_id(name)}


def read_backup(
    backup: "ObjectStore", known: Iterable[str]
) -> tuple[list[Version], dict[str, str]]:
    """Return the versions that are not known yet, and why some are not readable, by id."""
    ids = sorted(list_backup(backup) - set(known))
    with ThreadPoolExecutor(_PARALLEL) as pool:
        read = [*pool.map(partial(_read_version, backup), ids)]
    versions = [found for found in read if isinstance(found, Version)]
    spoilt = [
        (version_id, found)
        for version_id, found in zip(ids, read, strict=True)
        if isinstance(found, str)
    ]
    return versions, dict(spoilt)


def _read_version(backup: "ObjectStore", version_id: str) -> Version | str:
    with translated_errors(f"reading the backup of version {version_id}", _SETTING):
        data = bytes(obstore.get(backup, f"{version_id}/{_CHANGE}").bytes())
    try:
        return parse_version(data, version_id)
    except VersionUnreadableError as error:
        return str(error)


def store_version(backup: "ObjectStore", version: Version) -> None:
    """Store a version; twice stores the same bytes."""
    with translated_errors(f"backing up version {version.id}", _SETTING):
        for change in version.changes:
            if change.after is not None:
                content = dump_geojson(city_to_feature(change.after)).encode()
                obstore.put(backup, f"{version.id}/{change.key}.geojson", content)
        obstore.put(backup, f"{version.id}/{_CHANGE}", dump_version(version))
