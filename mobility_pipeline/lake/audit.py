"""Compare a feed's lake with the ledger: rebuild the ledger's index, or list the drift."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import EmptyLakeError
from mobility_pipeline.lake.contents import find_spoilt
from mobility_pipeline.lake.drift import Drift, find_drift
from mobility_pipeline.lake.inventory import (
    ANOTHER_VERSION,
    Folder,
    Inventory,
    Stored,
    Unreadable,
    look_again,
    read_digests,
    take_inventory,
)
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.reindex import Changes, Held, LakeIndex

if TYPE_CHECKING:
    from mobility_pipeline.landing.storage import Bucket


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild found and changed."""

    changes: Changes
    manifests: int
    """Of the feed, readable, with all their parts."""
    unreadable: dict[CityDay, str]
    """City-day -> why its manifest does not count, or which part is not what it says."""


def rebuild_index(
    feed: str,
    bucket: "Bucket",
    ledger: Ledger,
    *,
    started_at: datetime,
    accept_empty: bool = False,
) -> Rebuilt:
    """Bring the ledger's city-days of a feed in line with the manifests in its bucket.

    Args:
        feed: the feed's name.
        bucket: the feed's.
        ledger: changed in one transaction, after everything was read.
        started_at: the present instant; what the ledger learns later stays.
        accept_empty: a bucket without any object is what it should be.

    Raises:
        EmptyLakeError: the bucket lists nothing, and the ledger says otherwise.
        StorageError: S3 failed after its own retries; nothing is changed.
        StorageForbiddenError: not allowed to list or read it; nothing is changed.
        LedgerError: the database is locked or gone; nothing is changed.
    """
    inventory = take_inventory(bucket)
    if not accept_empty:
        refuse_empty(feed, inventory, ledger)
    inventory = _look_again_at_spoilt(bucket, inventory)
    index = make_index(feed, inventory, started_at)
    changes = ledger.reindex(feed, index, started_at)
    problems = dict(index.unreadable)
    problems |= {
        day: folder.manifest.problem
        for day, folder in inventory.folders.items()
        if day in index.unjudged and isinstance(folder.manifest, Unreadable)
    }
    return Rebuilt(changes, len(index.held), dict(sorted(problems.items())))


def check_lake(
    feed: str, bucket: "Bucket", ledger: Ledger, *, deep: bool = False
) -> tuple[Drift, ...]:
    """List every contradiction between a feed's manifests, objects and ledger.

    A city-day that looks wrong is looked at a second time, since it may have been
    published meanwhile.

    Args:
        feed: the feed's name.
        bucket: the feed's.
        ledger: only read.
        deep: also read every part, and compare its sha256.

    Raises:
        EmptyLakeError: the bucket lists nothing, and the ledger says otherwise.
        StorageError: S3 failed after its own retries: nothing is known.
        StorageForbiddenError: not allowed to list or read it.
    """
    inventory = take_inventory(bucket)
    refuse_empty(feed, inventory, ledger)
    drift = _find(feed, bucket, inventory, ledger, deep=deep)
    doubtful = {found.city_day for found in drift if found.city_day is not None}
    if not doubtful:
        return drift
    folders = look_again(bucket, sorted(doubtful))
    seen_twice = replace(inventory, folders=folders)
    records = ledger.all_city_days(feed)
    digests = read_digests(bucket, seen_twice) if deep else None
    doubted = {day: record for day, record in records.items() if day in doubtful}
    return find_drift(feed, seen_twice, doubted, digests)


def refuse_empty(feed: str, inventory: Inventory, ledger: Ledger) -> None:
    """Do not take a bucket that lists nothing for one that has lost everything.

    Raises:
        EmptyLakeError: it lists nothing, and the ledger calls city-days delivered.
    """
    if not inventory.is_empty:
        return
    known = sum(record.is_in_lake for record in ledger.all_city_days(feed).values())
    if known:
        raise EmptyLakeError(
            f"{feed}: the listing of bucket {inventory.bucket} named no object below "
            f"data/, but the ledger has {known} city-days there; nothing was changed. "
            "Check S3_BUCKET and the bucket of the feed; if it was emptied on purpose, "
            "run `mobility coverage rebuild --accept-empty`"
        )


def make_index(feed: str, inventory: Inventory, listed_at: datetime) -> LakeIndex:
    """Say what an inventory means for the ledger.

    A manifest of another version leaves its city-day as the ledger has it: newer code may
    have written it, and asking for its day again would pay twice.
    """
    held: dict[CityDay, Held] = {}
    unreadable: dict[CityDay, str] = {}
    unjudged: set[CityDay] = set()
    erased: set[CityDay] = set()
    for day, folder in inventory.folders.items():
        if folder.is_erased:
            erased.add(day)
            continue
        match folder.manifest:
            case Stored() as manifest:
                problem = _find_problem(feed, manifest, folder)
                if problem:
                    unreadable[day] = problem
                else:
                    held[day] = Held(manifest.state, manifest.job_id)
            case Unreadable() as manifest if manifest.kind == ANOTHER_VERSION:
                unjudged.add(day)
            case Unreadable() as manifest:
                unreadable[day] = manifest.problem
            case None:
                pass
    return LakeIndex(
        listed_at, held, unreadable, frozenset(unjudged), frozenset(erased)
    )


def _find_problem(feed: str, manifest: Stored, folder: Folder) -> str:
    if manifest.feed != feed:
        return f"its manifest is that of feed {manifest.feed}"
    return find_spoilt(manifest.files, folder.sizes)


def _look_again_at_spoilt(bucket: "Bucket", inventory: Inventory) -> Inventory:
    """Look a second time at folders whose parts are not what their manifest says.

    One may have been published after it was listed and before its manifest was read.
    """
    doubtful = {
        day
        for day, folder in inventory.folders.items()
        if isinstance(folder.manifest, Stored)
        and find_spoilt(folder.manifest.files, folder.sizes)
    }
    if not doubtful:
        return inventory
    now = look_again(bucket, sorted(doubtful))
    kept = {
        day: folder for day, folder in inventory.folders.items() if day not in doubtful
    }
    return replace(inventory, folders={**kept, **now})


def _find(
    feed: str, bucket: "Bucket", inventory: Inventory, ledger: Ledger, *, deep: bool
) -> tuple[Drift, ...]:
    digests = read_digests(bucket, inventory) if deep else None
    return find_drift(feed, inventory, ledger.all_city_days(feed), digests)
