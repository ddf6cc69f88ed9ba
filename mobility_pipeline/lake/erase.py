"""Erase city-days for good: out of the lake, and never asked for again.

1. Hold the landing lock of the feed's date: nobody publishes it meanwhile.
2. Record the city-day as `erased`: no vendor job that is open lands it any more.
3. PUT `_erased.json`, a tombstone: a ledger made anew from the lake knows it, too.
4. DELETE the manifest: a following reader sees no city-day from now on.
5. DELETE everything else in its folder, but for the tombstone.

    killed           following reader  globbing reader  erasing again
    before 4         the whole day     the whole day    does everything
    between 4 and 5  no day            the whole day    deletes the parts
    in 5             no day            some parts       deletes what is left

A reader that follows the manifest never sees half a day. Erasing again goes by the listing,
and finishes whatever an earlier process left. What was derived of the pings goes after them.
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.paths import (
    ANALYTICS_FOLDER,
    ERASED_NAME,
    MANIFEST_NAME,
    PINGS_FOLDER,
    city_prefix,
    place,
    table_folder,
)
from mobility_pipeline.lake.store import CityDayStore
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState

if TYPE_CHECKING:
    from mobility_pipeline.lake.publish import Lake
    from mobility_pipeline.landing.storage import Bucket
    from mobility_pipeline.schemas.derived import DerivedTable

_SIDE_BY_SIDE = 8


@dataclass(frozen=True)
class Stock:
    """What stands in the folder of one city-day."""

    city_day: CityDay
    files: int
    """Every object, the manifest too; a tombstone is none."""
    bytes: int


@dataclass(frozen=True)
class DerivedStock:
    """What stands of a derived table in the folder of one city and day."""

    table: str
    stock: Stock


def list_city(
    bucket: "Bucket", city: str, folder: str = PINGS_FOLDER
) -> tuple[Stock, ...]:
    """List a city's days in a table's folder, by date; other objects are not counted.

    Raises:
        StorageError: S3 failed after its own retries; nothing is known then.
        StorageForbiddenError: no such bucket, or not allowed to list it.
    """
    stocks: dict[CityDay, Stock] = {}
    doing = f"listing the days of {city} in s3://{bucket.name}"
    for key, size in bucket.list_files(city_prefix(city, folder), doing):
        placed = place(key, folder)
        if placed is None or placed[1] == ERASED_NAME:
            continue
        day = placed[0]
        if day.city == city:
            seen = stocks.get(day, Stock(day, 0, 0))
            stocks[day] = Stock(day, seen.files + 1, seen.bytes + size)
    return tuple(stocks[day] for day in sorted(stocks))


def find_erasable(ledger: Ledger, feed: str, city: str) -> frozenset[CityDay]:
    """Return a city's days that the ledger calls held, or that a vendor job may deliver."""
    records = ledger.city_days(feed, date.min, date.max, [city])
    return frozenset(
        day
        for day, record in records.items()
        if record.is_in_lake or record.state is CityDayState.REQUESTED
    )


def erase(
    feed: str,
    lake: "Lake",
    ledger: Ledger,
    city_days: Collection[CityDay],
    *,
    reason: str,
    now: Callable[[], datetime],
) -> Iterator[Stock]:
    """Erase city-days of a feed, in the lake and the ledger; again finishes the rest.

    Args:
        feed: the feed's name.
        lake: the feed's.
        ledger: learns each city-day before it is deleted.
        city_days: what to erase, whether it is there or not.
        reason: kept in the ledger: who, and why.
        now: gives the present instant.

    Yields:
        What was deleted of each city-day, as it is done; 0 files = nothing was there.

    Raises:
        StorageError: S3 failed after its own retries; erase again.
        StorageForbiddenError: not allowed to list, write or delete.
        LedgerError: the database is locked or gone.
    """
    eraser = partial(_erase_day, feed, lake, ledger, reason, now)
    with ThreadPoolExecutor(_SIDE_BY_SIDE, "erase") as threads:
        yield from threads.map(eraser, sorted(city_days))


def _erase_day(
    feed: str,
    lake: "Lake",
    ledger: Ledger,
    reason: str,
    now: Callable[[], datetime],
    city_day: CityDay,
) -> Stock:
    store = lake.store(city_day)
    with ledger.landing_lock(feed, city_day.date):
        ledger.erase(feed, [city_day], reason, now())
        sizes = store.list_sizes()
        if ERASED_NAME not in sizes:
            store.put(ERASED_NAME, make_tombstone(feed, city_day), "application/json")
        return _delete_all(store, city_day, sizes)


def make_tombstone(feed: str, city_day: CityDay) -> bytes:
    """Return the tombstone's JSON: what was erased, and nothing of what was in it."""
    fields = {
        "version": 1,
        "feed": feed,
        "city": city_day.city,
        "date": city_day.date.isoformat(),
    }
    return json.dumps(fields, indent=2, ensure_ascii=False).encode()


def find_derived(
    bucket: "Bucket",
    tables: Iterable["DerivedTable"],
    city: str,
    start: date,
    end: date,
) -> list[DerivedStock]:
    """List what was derived of a city's pings of some UTC days, by table and date.

    Args:
        bucket: the derived tables'.
        tables: those to look at.
        city: its key.
        start: first UTC day.
        end: last UTC day, included.

    Raises:
        StorageError: S3 failed after its own retries; nothing is known then.
        StorageForbiddenError: no such bucket, or not allowed to list it.
    """
    return [
        DerivedStock(table.name, stock)
        for table in tables
        for stock in list_city(bucket, city, table_folder(table.name))
        if _rests_on(table, stock.city_day.date, start, end)
    ]


def erase_derived(
    bucket: "Bucket", ledger: Ledger, found: Iterable[DerivedStock]
) -> None:
    """Erase what `find_derived` found; who derives the same day waits.

    Derive again afterwards: some of it rests on days that stay.

    Raises:
        StorageError: S3 failed after its own retries; erase again.
        StorageForbiddenError: not allowed to list or delete.
        LedgerError: the database is locked or gone.
    """
    for derived in found:
        city_day = derived.stock.city_day
        store = CityDayStore(bucket, city_day, table_folder(derived.table))
        with ledger.landing_lock(ANALYTICS_FOLDER, city_day.date):
            _delete_all(store, city_day, store.list_sizes())


def _rests_on(table: "DerivedTable", day: date, start: date, end: date) -> bool:
    before, after = (timedelta(days=days) for days in table.reach)
    # Added to `day`: a purge goes from the first date there is to the last.
    return start <= day + before and day - after <= end


def _delete_all(
    store: CityDayStore, city_day: CityDay, sizes: Mapping[str, int]
) -> Stock:
    """Delete a folder but for its tombstone, the manifest first; returns what there was."""
    names = sizes.keys() - {ERASED_NAME}
    for name in sorted(names, key=lambda name: (name != MANIFEST_NAME, name)):
        store.delete(name)
    return Stock(city_day, len(names), sum(sizes[name] for name in names))
