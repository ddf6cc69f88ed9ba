"""`mobility coverage`: the lake against the ledger, and the calendar of both."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.cli_scope import choose_feeds, read_typed_scope
from mobility_pipeline.errors import UsageError
from mobility_pipeline.lake.audit import Rebuilt, check_lake, rebuild_index
from mobility_pipeline.lake.calendar import make_calendar
from mobility_pipeline.lake.calendar_picture import draw_html, draw_svg
from mobility_pipeline.resources.clients import open_lake_bucket
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline.vendor.reindex import count_states

_DRAW = {".html": draw_html, ".svg": draw_svg}
_feed_option = click.option(
    "--feed", "feed_name", help="One feed; none = every enabled one."
)


@click.group(help="What the lake holds, against what the ledger says.")
def coverage() -> None:
    """Group the verbs."""


@coverage.command(help="Rebuild the ledger's city-days from the manifests in the lake.")
@_feed_option
@click.option(
    "--accept-empty", is_flag=True, help="The bucket is empty, and is meant to be."
)
@json_option
def rebuild(feed_name: str | None, accept_empty: bool, as_json: bool) -> int:
    """Rebuild the index, feed by feed, each in one transaction."""
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    documents: list[dict[str, object]] = []
    unreadable: list[dict[str, str]] = []
    for feed in _choose_feeds(settings, feed_name):
        before = count_states(ledger.all_city_days(feed.name).values())
        rebuilt = rebuild_index(
            feed.name,
            open_lake_bucket(settings, feed),
            ledger,
            started_at=datetime.now(UTC),
            accept_empty=accept_empty,
        )
        after = count_states(ledger.all_city_days(feed.name).values())
        documents.append(_describe(feed, rebuilt) | {"before": before, "after": after})
        unreadable += [
            {
                "feed": feed.name,
                "city": day.city,
                "date": day.date.isoformat(),
                "problem": problem,
            }
            for day, problem in rebuilt.unreadable.items()
        ]
    rows = [
        [
            _write_counts(cell) if isinstance(cell, dict) else cell
            for cell in row.values()
        ]
        for row in documents
    ]
    columns = ("feed", "manifests", "found", "lost", "unreadable", "before", "after")
    table = make_table(columns, rows)
    answer(as_json, {"feeds": documents, "unreadable": unreadable}, table)
    if unreadable and not as_json:
        names = ("feed", "city", "date", "problem")
        found = [[*problem.values()] for problem in unreadable]
        answer(as_json, None, make_table(names, found))
    return MISSING if unreadable else DONE


@coverage.command(help="Where manifests, objects and ledger contradict each other.")
@_feed_option
@click.option(
    "--deep", is_flag=True, help="Also read every part, and check its sha256."
)
@json_option
def check(feed_name: str | None, deep: bool, as_json: bool) -> int:
    """List the drift; exit 1 when there is any, or it could not be looked for."""
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    feeds = _choose_feeds(settings, feed_name)
    drift = [
        found
        for feed in feeds
        for found in check_lake(
            feed.name, open_lake_bucket(settings, feed), ledger, deep=deep
        )
    ]
    documents = [
        {
            "feed": found.feed,
            "city": found.city_day.city if found.city_day else None,
            "date": found.city_day.date.isoformat() if found.city_day else None,
            "kind": found.kind,
            "message": found.message,
        }
        for found in drift
    ]
    table = make_table(
        ("feed", "city", "date", "kind", "message"),
        [["" if cell is None else cell for cell in row.values()] for row in documents],
        title=f"{len(drift)} contradictions in {len(feeds)} feeds",
    )
    answer(as_json, {"drift": documents}, table)
    return MISSING if drift else DONE


@coverage.command(
    help="Draw the calendar of cities and days into FILE (.html or .svg)."
)
@_feed_option
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
def picture(
    feed_name: str | None, start: str, end: str, file: Path, as_json: bool
) -> int:
    """Draw one feed's calendar."""
    draw = _DRAW.get(file.suffix.lower())
    if draw is None:
        raise UsageError(f"{file}: the name must end in .html or .svg")
    settings = load_settings()
    feeds = _choose_feeds(settings, feed_name)
    if len(feeds) > 1:
        names = ", ".join(feed.name for feed in feeds)
        raise UsageError(f"a picture shows one feed: choose --feed from {names}")
    scope = read_typed_scope(settings, (), start, end)
    ledger = open_ledger(settings.ledger_url)
    calendar = make_calendar(
        feeds[0].name,
        ledger.coverage(feeds[0].name, scope.start, scope.end),
        scope.first_by_city,
        scope.start,
        scope.end,
    )
    file.write_text(draw(calendar), encoding="utf-8")
    document = {"file": str(file), "feed": feeds[0].name, "states": calendar.counts}
    title = f"{file}: {_write_counts(calendar.counts)}"
    answer(as_json, document, make_table((), [], title=title))
    return DONE


def _choose_feeds(settings: Settings, name: str | None) -> Sequence[Feed]:
    """Return feeds none of which shares its bucket: else one's days are the other's."""
    enabled = choose_feeds(settings, None)
    settings.check_buckets([feed.bucket_words for feed in enabled])
    return choose_feeds(settings, name)


def _describe(feed: Feed, rebuilt: Rebuilt) -> dict[str, object]:
    changes = rebuilt.changes
    return {
        "feed": feed.name,
        "manifests": rebuilt.manifests,
        "found": len(changes.found) + len(changes.found_below),
        "lost": len(changes.lost) + len(changes.lost_below) + len(changes.spoilt),
        "unreadable": len(rebuilt.unreadable),
    }


def _write_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing"
