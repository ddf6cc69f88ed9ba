"""Where manifests, objects and ledger contradict each other. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.contents import compare_contents
from mobility_pipeline.lake.inventory import Folder, Inventory, Stored, Unreadable
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState

UNPLACED_OBJECT = "unplaced_object"
MANIFEST_OF_ANOTHER_FEED = "manifest_of_another_feed"
NOT_IN_LEDGER = "not_in_ledger"
NOT_IN_LAKE = "not_in_lake"
STATE_DIFFERS = "state_differs"
ERASED_IN_LAKE = "erased_in_lake"

_REBUILD = "run `mobility coverage rebuild`"
_ERASE = "run `mobility coverage erase` again"


@dataclass(frozen=True)
class Drift:
    """One contradiction; what to do about it is in its message."""

    feed: str
    city_day: CityDay | None
    """None = an object in no city-day's folder."""
    kind: str
    message: str


def find_drift(
    feed: str,
    inventory: Inventory,
    records: Mapping[CityDay, CityDayRecord],
    digests: Mapping[tuple[CityDay, str], str] | None = None,
) -> tuple[Drift, ...]:
    """Return every contradiction, by city and date; those without a city-day are last.

    Args:
        feed: the feed of the bucket.
        inventory: what the bucket holds.
        records: every city-day the ledger has of the feed.
        digests: (city-day, part) -> sha256 of the bytes; None = nothing was read.
    """
    found = [
        Drift(feed, day, kind, message)
        for day in sorted(inventory.folders.keys() | records.keys())
        for kind, message in _compare(
            feed, day, inventory.folders.get(day), records.get(day), digests or {}
        )
    ]
    found += [
        Drift(feed, None, UNPLACED_OBJECT, f"{key} is in no city-day's folder: move it")
        for key in inventory.unplaced
    ]
    return tuple(found)


def _compare(
    feed: str,
    day: CityDay,
    folder: Folder | None,
    record: CityDayRecord | None,
    digests: Mapping[tuple[CityDay, str], str],
) -> Iterator[tuple[str, str]]:
    manifest = folder.manifest if folder else None
    if folder is not None and folder.is_erased:
        yield from _compare_erased(folder, record)
        return
    if isinstance(manifest, Unreadable):
        yield manifest.kind, manifest.problem
        return
    if manifest is not None and manifest.feed != feed:
        yield (
            MANIFEST_OF_ANOTHER_FEED,
            f"the manifest is that of feed {manifest.feed}: give each feed its own bucket",
        )
        return
    if folder is not None:
        yield from _compare_objects(day, folder, manifest, digests)
    yield from _compare_ledger(manifest, record)


def _compare_erased(
    folder: Folder, record: CityDayRecord | None
) -> Iterator[tuple[str, str]]:
    if folder.manifest is not None or folder.sizes:
        yield ERASED_IN_LAKE, f"it was erased, but not all of it is gone: {_ERASE}"
    if record is None:
        yield NOT_IN_LEDGER, f"erased, and the ledger does not know it: {_REBUILD}"
    elif record.state is not CityDayState.ERASED:
        yield (
            STATE_DIFFERS,
            f"the ledger calls it {record.state}, but it was erased: {_REBUILD}",
        )


def _compare_objects(
    day: CityDay,
    folder: Folder,
    manifest: Stored | None,
    digests: Mapping[tuple[CityDay, str], str],
) -> Iterator[tuple[str, str]]:
    files = manifest.files if manifest else ()
    read = {
        file.name: digests[day, file.name]
        for file in files
        if (day, file.name) in digests
    }
    for difference in compare_contents(files, folder.sizes, read):
        yield difference.kind, difference.message


def _compare_ledger(
    manifest: Stored | None, record: CityDayRecord | None
) -> Iterator[tuple[str, str]]:
    if manifest is None:
        if record is not None and record.is_in_lake:
            said = record.state if record.state.is_present else record.previous_state
            yield (
                NOT_IN_LAKE,
                f"the ledger calls it {said}, but there is no manifest: {_REBUILD}",
            )
    elif record is None:
        yield NOT_IN_LEDGER, f"the ledger does not know it: {_REBUILD}"
    elif record.state is CityDayState.ERASED:
        yield ERASED_IN_LAKE, f"it was erased, but stands in the lake: {_ERASE}"
    elif record.state is CityDayState.REQUESTED:
        return  # being landed, or soon: a difference ends by itself
    elif not record.state.is_present:
        yield (
            NOT_IN_LEDGER,
            f"the ledger calls it {record.state}, but it is there: {_REBUILD}",
        )
    elif record.state is not manifest.state:
        yield (
            STATE_DIFFERS,
            f"the ledger calls it {record.state}, the manifest {manifest.state}: {_REBUILD}",
        )
