"""Replace a city-day in the lake: four steps, of which a crash leaves the old day or the new.

1. LIST the folder; GET the old manifest where it is listed.
2. PUT each new part, under a name that no other bytes have.
3. PUT the manifest, if its bytes differ: the switch.
4. DELETE every part that the new manifest does not name.

The store applies a request wholly or not at all, and shows at once what it applied (S3
does both). A *following* reader gets the manifest, then the parts it names, checks their
sha256, and starts over when one is gone (`Lake.read`). A *globbing* reader takes every
`*.parquet` of the folder, as users' readers do.

    killed              following reader  globbing reader            the next publish
    before 2            old day           old day                    does everything
    in 2, after k PUTs  old day           old day and k new parts    PUTs all new parts
    between 2 and 3     old day           old day and new day        PUTs all new parts
    between 3 and 4     new day           old day and new day        deletes the old parts
    in 4, after k       new day           new day and old parts      deletes what is left
    after 4             new day           new day                    writes nothing

"Old day" is nothing at all where none was published: a following reader calls parts
without a manifest no city-day. A kill while a request is under way is the row before it or
the row after it. A reader that took the old manifest before 3 and its parts after 4 finds
them gone, and starts over: it never gets a mixture, since names are never used again for
other bytes. S3 cannot replace several objects at once, so the globbing reader sees the days
overlap from 2 to 4, and after a kill until the next publish. Step 4 is last so that it never
sees too little of the old day; its time is short, since parts are encoded before step 1.
There is a next publish: a city-day is settled in the ledger only after step 4, so a run
that dies leaves it open, and who skips what stands asks `find_complete`: a manifest alone
says nothing of step 4. It repairs the day whichever job it publishes, because it goes by
the listing and not by what the dead one meant to do. An upload of several pieces that was
cut off shows in no listing and to no reader: a lifecycle rule of the bucket ends it.

A part is left alone only where the old manifest names it with the same sha256 and the
listing shows its size. A part without the manifest's word may be what a crash left: with a
store that shows torn PUTs (a folder served as S3 does), or once in 2^32, as names hold
8 digits of the sha256, its size could be right and its bytes wrong. It is PUT again, and
with it the manifest's word always means that a PUT of these bytes was answered. What goes
bad later at the same size is not seen here, as a LIST shows no sha256: a following reader
refuses it.

Two publishers of one city-day at once do no harm while they publish the same vendor job:
same names, same bytes. With different jobs A's step 4 could delete parts that B has PUT and
is about to name. `Ledger.landing_lock` keeps them apart. Should it be lost (PostgreSQL
restarts while a holder lives), or a request of a killed process arrive after its successor's,
a manifest may name parts that are gone, or parts stay that none names: a following reader
refuses the day or gets the manifest's rows, never those of two jobs; a globbing reader sees
what is there. The next publish goes by the listing again, and repairs both.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ConfigurationError, ManifestError
from mobility_pipeline.lake.manifest import Manifest, ManifestFile
from mobility_pipeline.lake.paths import MANIFEST_NAME
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.landing.storage import Content


class _NamesParts(Protocol):
    @property
    def files(self) -> tuple[ManifestFile, ...]: ...

    def to_json(self) -> bytes: ...


AnyManifest = TypeVar("AnyManifest", bound=_NamesParts)


def replace_city_day(
    store: CityDayStore, manifest: Manifest, payloads: Mapping[str, Content]
) -> Manifest | None:
    """Make a manifest and its parts the content of a city-day; see the module.

    A new city-day takes a LIST and a PUT per object; one that stands already, a LIST and
    a GET.

    Args:
        store: the city-day's folder.
        manifest: what will stand there.
        payloads: content of each part it names.

    Returns:
        The manifest that stood there; None where there was none that could be read.

    Raises:
        ConfigurationError: another feed's city-day stands there.
        StorageError: S3 failed; the old day or the new one stands, do it again.
        StorageForbiddenError: no such bucket, or not allowed to write it.
    """
    return replace_parts(store, manifest, payloads, partial(_read_old, new=manifest))


def replace_parts(
    store: CityDayStore,
    manifest: AnyManifest,
    payloads: Mapping[str, Content],
    read_old: Callable[[bytes], AnyManifest | None],
) -> AnyManifest | None:
    """Do it for any table: see `replace_city_day`.

    Args:
        store: the folder.
        manifest: what will stand there.
        payloads: content of each part it names.
        read_old: reads the manifest that stands there; None = it vouches for nothing.
    """
    listed = store.list_sizes()
    old_data = _get_manifest(store, listed)
    old = None if old_data is None else read_old(old_data)
    vouched = () if old is None else old.files
    for file in manifest.files:
        if file not in vouched or listed.get(file.name) != file.bytes:
            store.put(file.name, payloads[file.name], "application/vnd.apache.parquet")
    new_data = manifest.to_json()
    if new_data != old_data:
        store.put(MANIFEST_NAME, new_data, "application/json")
    named = {file.name for file in manifest.files}
    for name in sorted(_find_parts(listed).keys() - named):
        store.delete(name)
    return old


def find_complete(store: CityDayStore, city_day: CityDay) -> Manifest | None:
    """Return the manifest of a city-day whose publish came to its end.

    Returns:
        None where publishing it again would write something: none was published, the
        manifest is not readable, a part is missing, or one is left over.

    Raises:
        StorageError: S3 failed.
        StorageForbiddenError: no such bucket, or not allowed to read it.
    """
    return find_whole(store, partial(_parse_manifest, city_day=city_day))


def find_whole(
    store: CityDayStore, read: Callable[[bytes], AnyManifest | None]
) -> AnyManifest | None:
    """Do it for any table: see `find_complete`."""
    listed = store.list_sizes()
    data = _get_manifest(store, listed)
    manifest = None if data is None else read(data)
    if manifest is None:
        return None
    named = {file.name: file.bytes for file in manifest.files}
    return manifest if _find_parts(listed) == named else None


def _get_manifest(store: CityDayStore, listed: Mapping[str, int]) -> bytes | None:
    return store.get(MANIFEST_NAME) if MANIFEST_NAME in listed else None


def _parse_manifest(data: bytes, city_day: CityDay) -> Manifest | None:
    """Return what stands there; one that is not readable vouches for nothing."""
    try:
        return Manifest.from_json(data, city_day)
    except ManifestError:
        return None


def _read_old(data: bytes, new: Manifest) -> Manifest | None:
    old = _parse_manifest(data, new.city_day)
    if old is not None and old.feed != new.feed:
        raise ConfigurationError(
            f"{new.city} {new.date} holds feed {old.feed}, not {new.feed}: give each "
            "feed its own bucket (S3_BUCKET_<ENDPOINT WORDS>_<SCHEMA>)"
        )
    return old


def _find_parts(listed: Mapping[str, int]) -> dict[str, int]:
    return {name: size for name, size in listed.items() if name.endswith(".parquet")}
