"""Everything one feed's bucket holds, from one listing: folders, manifests, strays."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, cast

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError
from mobility_pipeline.lake.manifest import Manifest, ManifestFile
from mobility_pipeline.lake.paths import (
    ERASED_NAME,
    MANIFEST_NAME,
    city_day_prefix,
    place,
)
from mobility_pipeline.vendor.records import CityDayState

if TYPE_CHECKING:
    from mobility_pipeline.landing.storage import Bucket

ANOTHER_VERSION = "manifest_of_another_version"
READERS = 32
"""Manifests read side by side: S3 answers one after some 30 ms, wherever it lies."""


@dataclass(frozen=True)
class Stored:
    """What the manifest of a city-day says, as far as coverage is concerned."""

    feed: str
    state: CityDayState
    job_id: str
    files: tuple[ManifestFile, ...]


@dataclass(frozen=True)
class Unreadable:
    """A manifest that says nothing of its city-day."""

    kind: str
    """`manifest_not_readable`, `manifest_of_another_version`, `…_another_city_day`."""
    problem: str


@dataclass(frozen=True)
class Folder:
    """What stands in the folder of one city-day."""

    sizes: Mapping[str, int]
    """Name -> bytes of each object but the manifest and the tombstone."""
    manifest: Stored | Unreadable | None
    """None = there is none."""
    is_erased: bool = False
    """Whether its tombstone says that it was erased for good."""


@dataclass(frozen=True)
class Inventory:
    """What a bucket holds below `data/`."""

    bucket: str
    folders: Mapping[CityDay, Folder]
    unplaced: tuple[str, ...]
    """Keys of objects that are in no city-day's folder; sorted."""

    @property
    def is_empty(self) -> bool:
        """Whether the listing named no object at all."""
        return not (self.folders or self.unplaced)


def take_inventory(bucket: "Bucket", readers: int = READERS) -> Inventory:
    """List the bucket once, and read every manifest, many side by side.

    Raises:
        StorageError: S3 failed after its own retries; nothing is known then.
        StorageForbiddenError: no such bucket, or not allowed to list or read it.
        ConfigurationError: an object has a name that can't be addressed.
    """
    sizes: dict[CityDay, dict[str, int]] = defaultdict(dict)
    unplaced: list[str] = []
    doing = f"listing the lake's bucket {bucket.name}"
    for key, size in bucket.list_files("data", doing):
        placed = place(key)
        if placed is None:
            unplaced.append(key)
        else:
            sizes[placed[0]][placed[1]] = size
    published = [day for day, names in sizes.items() if MANIFEST_NAME in names]
    manifests = _read_manifests(bucket, published, readers)
    folders = {
        day: _make_folder(names, manifests.get(day)) for day, names in sizes.items()
    }
    return Inventory(bucket.name, folders, tuple(sorted(unplaced)))


def look_again(
    bucket: "Bucket", days: Collection[CityDay], readers: int = READERS
) -> dict[CityDay, Folder]:
    """Return how some folders stand now: one may have been published while we listed."""

    def look(day: CityDay) -> tuple[CityDay, Folder] | None:
        doing = f"listing {day.city} {day.date} in s3://{bucket.name}"
        sizes = bucket.list_folder(city_day_prefix(day), doing)
        manifest = _read_manifest(bucket, day) if MANIFEST_NAME in sizes else None
        return (day, _make_folder(sizes, manifest)) if sizes else None

    with ThreadPoolExecutor(readers, "look") as threads:
        return dict(found for found in threads.map(look, days) if found is not None)


def read_digests(
    bucket: "Bucket", inventory: Inventory, readers: int = READERS
) -> dict[tuple[CityDay, str], str]:
    """Read every part that a manifest names; no part is held in memory.

    Returns:
        (city-day, name) -> sha256; parts that are gone meanwhile are absent.

    Raises:
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: not allowed to read it.
    """
    named = [
        (day, file.name)
        for day, folder in inventory.folders.items()
        if isinstance(folder.manifest, Stored)
        for file in folder.manifest.files
        if folder.sizes.get(file.name) == file.bytes
    ]

    def digest(part: tuple[CityDay, str]) -> str | None:
        day, name = part
        hashing = _HashingFile()
        doing = f"reading {name} of {day.city} {day.date} in s3://{bucket.name}"
        file = cast("IO[bytes]", hashing)
        is_there = bucket.download(city_day_prefix(day) + name, file, doing)
        return hashing.sha256.hexdigest() if is_there else None

    digests: dict[tuple[CityDay, str], str] = {}
    with ThreadPoolExecutor(readers, "digest") as threads:
        for part, sha256 in zip(named, threads.map(digest, named), strict=True):
            if sha256 is not None:
                digests[part] = sha256
    return digests


class _HashingFile:
    """What is written to it is only hashed."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def seek(self, offset: int) -> int:
        self.sha256 = hashlib.sha256()
        return offset

    def truncate(self) -> int:
        return 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        return len(data)


def _make_folder(
    sizes: Mapping[str, int], manifest: Stored | Unreadable | None
) -> Folder:
    special = (MANIFEST_NAME, ERASED_NAME)
    parts = {name: size for name, size in sizes.items() if name not in special}
    return Folder(parts, manifest, is_erased=ERASED_NAME in sizes)


def _read_manifests(
    bucket: "Bucket", days: Collection[CityDay], readers: int
) -> dict[CityDay, Stored | Unreadable]:
    found: dict[CityDay, Stored | Unreadable] = {}

    def read(day: CityDay) -> Stored | Unreadable | None:
        return _read_manifest(bucket, day)

    with ThreadPoolExecutor(readers, "manifest") as threads:
        for batch in _batches(days, 20 * readers):
            for day, manifest in zip(batch, threads.map(read, batch), strict=True):
                if manifest is not None:  # deleted since it was listed
                    found[day] = manifest
    return found


def _batches(days: Iterable[CityDay], size: int) -> Iterator[list[CityDay]]:
    # Not all at once: the first failure ends it, and 73,000 futures are memory, too.
    ordered = [*days]
    for offset in range(0, len(ordered), size):
        yield ordered[offset : offset + size]


def _read_manifest(bucket: "Bucket", day: CityDay) -> Stored | Unreadable | None:
    doing = f"reading the manifest of {day.city} {day.date} in s3://{bucket.name}"
    data = bucket.get(city_day_prefix(day) + MANIFEST_NAME, doing)
    return None if data is None else parse_manifest(bytes(data), day)


def parse_manifest(data: bytes, day: CityDay) -> Stored | Unreadable:
    """Return what a manifest says, or why it says nothing of its city-day."""
    try:
        manifest = Manifest.from_json(data, day)
    except ManifestError as error:
        return Unreadable(_kind_of(data, day), str(error))
    state = CityDayState(manifest.state)
    return Stored(manifest.feed, state, manifest.source.job_id, manifest.files)


def _kind_of(data: bytes, day: CityDay) -> str:
    try:
        fields: Any = json.loads(data)
    except ValueError:
        return "manifest_not_readable"
    if not isinstance(fields, dict):
        return "manifest_not_readable"
    said = cast("dict[str, object]", fields)
    if isinstance(said.get("version"), int) and said["version"] != 1:
        return ANOTHER_VERSION
    if (said.get("city"), said.get("date")) != (day.city, day.date.isoformat()):
        return "manifest_of_another_city_day"
    return "manifest_not_readable"
