"""`mobility coverage erase`: what somebody asked to be deleted, and to stay so."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import click

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import check_range, days_between, parse_day
from mobility_pipeline.cli_output import (
    DONE,
    STDERR,
    STOPPED,
    answer,
    json_option,
    make_table,
    span,
)
from mobility_pipeline.cli_scope import choose_feeds
from mobility_pipeline.errors import UsageError
from mobility_pipeline.lake.erase import (
    DerivedStock,
    Stock,
    erase_derived,
    list_city,
)
from mobility_pipeline.lake.erase import erase as erase_days
from mobility_pipeline.resources.clients import (
    open_analytics_bucket,
    open_lake_bucket,
    open_registry,
)
from mobility_pipeline.resources.derived import find_derived_of, rejected_lines_folder
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import open_ledger

_COLUMNS = (
    *("feed", "city", "from", "to"),
    *("days", "stored_days", "files", "bytes", "derived_files"),
)


@dataclass(frozen=True)
class Erasure:
    """What is to be erased of one city in one feed."""

    feed: Feed
    city: str
    start: date
    end: date
    """Inclusive."""
    stocks: tuple[Stock, ...]
    """What the lake holds of it."""
    derived: tuple[DerivedStock, ...]
    """What was derived of it, and its ingested events."""

    @property
    def city_days(self) -> list[CityDay]:
        """Every day of the range: what is not there is never asked for, either."""
        return [CityDay(self.city, day) for day in days_between(self.start, self.end)]

    def document(self) -> dict[str, object]:
        """Return it as `_COLUMNS`."""
        return {
            "feed": self.feed.name,
            "city": self.city,
            **span(self.start, self.end),
            "days": len(self.city_days),
            "stored_days": len(self.stocks),
            "files": sum(stock.files for stock in self.stocks),
            "bytes": sum(stock.bytes for stock in self.stocks),
            "derived_files": sum(derived.stock.files for derived in self.derived),
        }


@click.command(
    help="Delete city-days from the lake for good, with their ingested events and what was "
    "derived of them; they are never asked for again."
)
@click.option("--feed", "feed_name", help="One feed; none = every enabled one.")
@click.option("--city", "keys", multiple=True, required=True, help="A key, repeatable.")
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD")
@click.option("--dry-run", is_flag=True, help="Only show what would go.")
@click.option("--yes", is_flag=True, help="Do not ask before erasing.")
@json_option
def erase(
    feed_name: str | None,
    keys: Sequence[str],
    start: str,
    end: str,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Erase city-days, after saying which."""
    settings = load_settings()
    first, last = parse_day(start, "from"), parse_day(end, "to")
    check_range(first, last, first=date.min, newest=datetime.now(UTC).date())
    erasures = _find(settings, feed_name, keys, first, last)
    documents = [erasure.document() for erasure in erasures]
    rows = [[*document.values()] for document in documents]
    if not (dry_run or yes) and not _is_meant(rows):
        return STOPPED
    if not dry_run:
        _erase(settings, erasures)
        _name_rejected_lines(settings, erasures)
    title = "would be erased:" if dry_run else "erased, never to be asked for again:"
    document = {"erased": [] if dry_run else documents, "planned": documents}
    answer(as_json, document, make_table(_COLUMNS, rows, title=title))
    return DONE


def _find(
    settings: Settings,
    feed_name: str | None,
    keys: Sequence[str],
    start: date,
    end: date,
) -> list[Erasure]:
    feeds = choose_feeds(settings, feed_name)
    enabled = choose_feeds(settings, None)
    settings.check_buckets([feed.bucket_words for feed in enabled])
    known = open_registry(settings).load()
    cities = sorted({known.find(key).key for key in keys})
    erasures: list[Erasure] = []
    for feed in feeds:
        bucket = open_lake_bucket(settings, feed)
        for city in cities:
            stocks = tuple(
                stock
                for stock in list_city(bucket, city)
                if start <= stock.city_day.date <= end
            )
            derived = find_derived_of(settings, feed, city, start, end)
            erasures.append(Erasure(feed, city, start, end, stocks, derived))
    return erasures


def _is_meant(rows: Sequence[Sequence[object]]) -> bool:
    STDERR.print(make_table(_COLUMNS, rows, title="to be erased:"))
    if not sys.stdin.isatty():
        raise UsageError("erasing can't be undone: say --yes if it is meant")
    is_meant = click.confirm("Erase all this for good?", err=True)
    if not is_meant:
        STDERR.print("nothing was changed", style="yellow")
    return is_meant


def _erase(settings: Settings, erasures: Sequence[Erasure]) -> None:
    # Dagster and what lands take seconds to load.
    from mobility_pipeline.defs.erasure import report_erased
    from mobility_pipeline.defs.launch import open_instance
    from mobility_pipeline.resources.lakes import make_lake

    ledger = open_ledger(settings.ledger_url)
    with open_instance(settings.dagster_home) as instance:
        for erasure in erasures:
            reason = f"erased on {datetime.now(UTC):%Y-%m-%d} by `coverage erase`"
            for stock in erase_days(
                erasure.feed.name,
                make_lake(settings, erasure.feed),
                ledger,
                erasure.city_days,
                reason=reason,
                now=lambda: datetime.now(UTC),
            ):
                if stock.files:
                    name = erasure.feed.name
                    report_erased(instance, name, stock.city_day, reason)
            # Found anew: a run may have derived some while pings were being erased.
            found = find_derived_of(
                settings, erasure.feed, erasure.city, erasure.start, erasure.end
            )
            if found:
                bucket = open_analytics_bucket(settings)
                erase_derived(bucket, ledger, found)
                days = [derived.stock.city_day.date for derived in found]
                STDERR.print(
                    f"what was ingested or derived of {erasure.city} went too; what rests on "
                    f"days that stay comes again by `mobility derive --from {min(days)} --to "
                    f"{max(days)} --city {erasure.city}`",
                    markup=False,
                    soft_wrap=True,
                )
            for derived in found:
                report_erased(instance, derived.table, derived.stock.city_day, reason)


def _name_rejected_lines(settings: Settings, erasures: Sequence[Erasure]) -> None:
    """Say where lines of events are that have no day, so that they were not erased."""
    for city in sorted({erasure.city for erasure in erasures}):
        folder = rejected_lines_folder(settings) / city
        if any(folder.glob("*.tsv")):
            STDERR.print(
                f"rejected lines of {city} may be of these days, too: see {folder}",
                markup=False,
                soft_wrap=True,
            )
