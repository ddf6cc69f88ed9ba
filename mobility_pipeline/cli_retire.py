"""`mobility cities retire`: stop asking for a city, and erase its data if that is meant."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import click
from rich.progress import track

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    STOPPED,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.cli_scope import choose_feeds
from mobility_pipeline.errors import BackupFailedError, UsageError
from mobility_pipeline.lake.erase import (
    DerivedStock,
    Stock,
    erase,
    erase_derived,
    find_erasable,
    list_city,
)
from mobility_pipeline.resources.clients import (
    open_analytics_bucket,
    open_lake_bucket,
    open_registry,
)
from mobility_pipeline.resources.derived import erase_rejected_lines, find_derived_of
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.held_areas import find_held_areas
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.wording import number_of

if TYPE_CHECKING:
    from mobility_pipeline.cities.registry import Registry
    from mobility_pipeline.schemas.feeds import Feed

_COLUMNS = ("feed", "days", "files", "bytes", "derived_files", "on their way")


@dataclass(frozen=True)
class Purge:
    """What is to be erased of one feed."""

    feed: "Feed"
    stocks: tuple[Stock, ...]
    """What the lake holds."""
    derived: tuple[DerivedStock, ...]
    """What was derived of the city, and its ingested events, whatever their days."""
    waiting: frozenset[CityDay]
    """What it does not hold, but the ledger calls held or requested."""

    @property
    def city_days(self) -> frozenset[CityDay]:
        """Everything that will be called erased."""
        return self.waiting | {stock.city_day for stock in self.stocks}

    @property
    def is_anything(self) -> bool:
        """Whether there is something to erase."""
        return bool(self.city_days or self.derived)

    def row(self) -> tuple[str, int, int, int, int, int]:
        """Return it as `_COLUMNS`."""
        files = sum(stock.files for stock in self.stocks)
        size = sum(stock.bytes for stock in self.stocks)
        derived = sum(derived.stock.files for derived in self.derived)
        return (
            self.feed.name,
            *(len(self.stocks), files, size, derived),
            len(self.waiting),
        )


@click.command(help="Stop asking for a city; its data stays, unless --purge erases it.")
@click.argument("key")
@click.option("--purge", is_flag=True, help="Erase its stored days for good.")
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@json_option
def retire(key: str, purge: bool, yes: bool, as_json: bool) -> int:
    """Retire a city."""
    settings = load_settings()
    registry = open_registry(settings)
    if purge:
        return _purge(settings, registry, key, is_sure=yes, as_json=as_json)
    registry.retire(key)
    answer(as_json, {"retired": key}, make_table(("retired",), [[key]]))
    return DONE


def _purge(
    settings: Settings, registry: "Registry", key: str, *, is_sure: bool, as_json: bool
) -> int:
    registry.load().find(key)
    ledger = open_ledger(settings.ledger_url)
    purges = _find(settings, ledger, key)
    rows = [purge.row() for purge in purges]
    is_anything = any(purge.is_anything for purge in purges)
    if is_anything and not is_sure:
        STDERR.print(make_table(_COLUMNS, rows, title=f"to be erased: {key}"))
        if not sys.stdin.isatty():
            raise UsageError("erasing can't be undone: say --yes if it is meant")
        if not click.confirm("Retire the city and erase all this for good?", err=True):
            STDERR.print("nothing was changed", style="yellow")
            return STOPPED
    _retire(registry, key, purges)
    for purge in purges:
        _erase(settings, ledger, purge, f"purged by {settings.user}")
        _erase_derived(settings, ledger, purge.feed, key)
    rejected = erase_rejected_lines(settings, key)
    if rejected:
        STDERR.print(f"{number_of(rejected, 'file')} of rejected lines went too")
    left = _find_left(ledger, key, purges)
    document = {
        "retired": key,
        "purged": [dict(zip(_COLUMNS[:5], row[:5], strict=True)) for row in rows],
        "left": [{"feed": feed, "days": days} for feed, days in left.items()],
    }
    answer(as_json, document, make_table(_COLUMNS, rows, title=f"erased: {key}"))
    for feed, days in left.items():
        STDERR.print(
            f"{days} days of {feed} are left: it is not enabled "
            "(DAILY_SYNC_ENDPOINT_CONFIGS); enable it and purge again",
            style="yellow",
        )
    return MISSING if left else DONE


def _find(settings: Settings, ledger: Ledger, key: str) -> list[Purge]:
    feeds = choose_feeds(settings, None)
    settings.check_buckets([feed.bucket_words for feed in feeds])
    purges: list[Purge] = []
    for feed in feeds:
        stocks = list_city(open_lake_bucket(settings, feed), key)
        there = {stock.city_day for stock in stocks}
        waiting = find_erasable(ledger, feed.name, key) - there
        derived = find_derived_of(settings, feed, key, date.min, date.max)
        purges.append(Purge(feed, stocks, derived, waiting))
    return purges


def _retire(registry: "Registry", key: str, purges: Sequence[Purge]) -> None:
    """Retire the city, and record who ordered what, before anything is deleted."""
    try:
        registry.retire(key)
        parts = [
            f"{days} days of {feed} ({files} files, {size} bytes), {derived} derived files, "
            f"{waiting} on their way"
            for feed, days, files, size, derived, waiting in (
                purge.row() for purge in purges
            )
            if days or derived or waiting
        ]
        if parts:
            registry.record_purge(key, "to be erased: " + "; ".join(parts))
    except BackupFailedError as error:
        raise BackupFailedError(f"nothing was erased: {error}") from error


def _erase(settings: Settings, ledger: Ledger, purge: Purge, reason: str) -> None:
    from mobility_pipeline.resources.lakes import make_lake  # loads all that lands

    erasing = erase(
        purge.feed.name,
        make_lake(settings, purge.feed),
        ledger,
        purge.city_days,
        reason=reason,
        now=lambda: datetime.now(UTC),
    )
    name = f"erasing {purge.feed.name}"
    for _ in track(erasing, name, total=len(purge.city_days), console=STDERR):
        pass


def _erase_derived(settings: Settings, ledger: Ledger, feed: "Feed", key: str) -> None:
    # Found anew: a run may have derived some while pings were being erased.
    found = find_derived_of(settings, feed, key, date.min, date.max)
    if found:
        erase_derived(open_analytics_bucket(settings), ledger, found)


def _find_left(ledger: Ledger, key: str, purges: Sequence[Purge]) -> dict[str, int]:
    """Return the days held of feeds that are not enabled."""
    enabled = {purge.feed.name for purge in purges}
    left: dict[str, int] = {}
    for area in find_held_areas(ledger, key):
        if area.feed not in enabled:
            left[area.feed] = left.get(area.feed, 0) + area.days
    return left
