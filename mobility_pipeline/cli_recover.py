"""`mobility recover`: ask again for the missing city-days whose time has come."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from mobility_pipeline.cli_output import (
    STDERR,
    json_option,
)
from mobility_pipeline.cli_runs import (
    answer_outcomes,
    answer_preview,
    run,
    warn_of_expectation,
)
from mobility_pipeline.cli_scope import choose_feeds, read_typed_scope
from mobility_pipeline.defs.scope import Scope
from mobility_pipeline.resources.clients import make_limits
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.preview import Preview, preview_jobs
from mobility_pipeline.vendor.recovery import cover


@click.command(
    help="Ask again for missing city-days, in as few vendor jobs as possible."
)
@click.option("--feed", "feed_name", help="One feed; none = every enabled one.")
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD")
@click.option(
    "--max-jobs",
    type=click.IntRange(min=1),
    help="Buy only the N vendor jobs that cover most missing city-days.",
)
@click.option("--dry-run", is_flag=True, help="Show the vendor jobs; spends nothing.")
@json_option
def recover(
    feed_name: str | None,
    start: str,
    end: str,
    max_jobs: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Recover missing city-days and wait for them."""
    settings = load_settings()
    feeds = choose_feeds(settings, feed_name)
    scope = read_typed_scope(settings, (), start, end)
    ledger = open_ledger(settings.ledger_url)
    shares = _share(settings, ledger, feeds, scope, max_jobs)
    if dry_run:
        previews = [
            (feed, _preview(settings, ledger, feed, scope, shares[feed.name]))
            for feed in feeds
        ]
        _name_left_alone(previews)
        return answer_preview(as_json, settings, ledger, previews)
    settings.require_api_key()
    for feed in feeds:
        settings.bucket_of(feed.bucket_words)
    warn_of_expectation(scope)
    outcomes = [
        run(settings, feed, scope, ledger, recover=True, max_jobs=shares[feed.name])
        for feed in feeds
    ]
    return answer_outcomes(as_json, settings, ledger, outcomes)


def _share(
    settings: Settings,
    ledger: Ledger,
    feeds: Sequence[Feed],
    scope: Scope,
    max_jobs: int | None,
) -> Mapping[str, int | None]:
    """Return the jobs each feed may buy: those that cover most, whichever feed's."""
    if max_jobs is None or len(feeds) == 1:
        return dict.fromkeys((feed.name for feed in feeds), max_jobs)
    covered = [
        (len(cover(job, preview.wanted)), feed.name)
        for feed in feeds
        for preview in (_preview(settings, ledger, feed, scope, None),)
        for job in preview.jobs
    ]
    largest = sorted(covered, key=lambda found: -found[0])[:max_jobs]
    counts = Counter(name for _, name in largest)
    return {feed.name: counts[feed.name] for feed in feeds}


def _preview(
    settings: Settings, ledger: Ledger, feed: Feed, scope: Scope, max_jobs: int | None
) -> Preview:
    return preview_jobs(
        ledger,
        feed,
        scope.known.active,
        scope.requestable,
        make_limits(settings),
        recover_at=datetime.now(UTC),
        max_jobs=max_jobs,
    )


def _name_left_alone(previews: Sequence[tuple[Feed, Preview]]) -> None:
    """Say on stderr what is missing and not in the plan, by reason."""
    for feed, preview in previews:
        reasons = Counter(preview.left_alone.values())
        for (state, detail), count in reasons.items():
            line = f"{feed.name}: {count} city-days {state}: {detail}"
            STDERR.print(line, style="yellow", markup=False, soft_wrap=True)
