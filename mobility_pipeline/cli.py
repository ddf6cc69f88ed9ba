"""The `mobility` command: thin verbs that call rooms and jobs.

Exit codes: 0 done · 1 something asked for is not there · 2 wrong usage or configuration.
With `--json` exactly one JSON document goes to stdout; everything else goes to stderr.
"""

import gc
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import NoReturn

import click

from mobility_pipeline.cli_alerts import alerts
from mobility_pipeline.cli_api import api
from mobility_pipeline.cli_cities import cities
from mobility_pipeline.cli_city import edit, reactivate, show
from mobility_pipeline.cli_console import console
from mobility_pipeline.cli_coverage import coverage
from mobility_pipeline.cli_derive import derive
from mobility_pipeline.cli_dev import dev
from mobility_pipeline.cli_erase import erase
from mobility_pipeline.cli_events import events
from mobility_pipeline.cli_history import backup, diff, history, restore
from mobility_pipeline.cli_jobs import jobs
from mobility_pipeline.cli_lookup import lookup
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STOPPED,
    WRONG,
    answer,
    complain,
    json_option,
    make_table,
    quieten_interrupts,
    span,
)
from mobility_pipeline.cli_recover import recover
from mobility_pipeline.cli_retire import retire
from mobility_pipeline.cli_runs import (
    answer_outcomes,
    answer_preview,
    run,
    warn_of_expectation,
)
from mobility_pipeline.cli_scope import choose_feeds, read_typed_scope
from mobility_pipeline.defs.scope import Scope
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.lake.coverage import find_gaps
from mobility_pipeline.lake.gap_report import write_gap_csv
from mobility_pipeline.resources.clients import make_limits
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.preview import preview_jobs

from_option = click.option("--from", "start", required=True, metavar="YYYY-MM-DD")
to_option = click.option("--to", "end", required=True, metavar="YYYY-MM-DD")

_REQUEST_OPTIONS = (
    click.option("--feed", "feed_name", required=True, help="E.g. pings_full."),
    from_option,
    to_option,
    click.option(
        "--city", "keys", multiple=True, help="A key, repeatable; none = all."
    ),
    click.option("--refresh", is_flag=True, help="Also days that are there."),
)

_SHOWN_GAPS = 1000
"""Of a console table, which nobody reads further, and which takes a second per thousand."""


@dataclass(frozen=True)
class Request:
    """What `plan` and `request` are about, checked before anything is sent."""

    settings: Settings
    feed: Feed
    scope: Scope
    ledger: Ledger
    keys: Sequence[str]
    refresh: bool


def request_options(command: Callable[..., int]) -> Callable[..., int]:
    """Give a verb the options that name city-days, read into one `Request`."""

    @wraps(command)
    def read(
        feed_name: str,
        start: str,
        end: str,
        keys: Sequence[str],
        refresh: bool,
        as_json: bool,
    ) -> int:
        settings = load_settings()
        (feed,) = choose_feeds(settings, feed_name)
        scope = read_typed_scope(settings, keys, start, end)
        ledger = open_ledger(settings.ledger_url)
        asked = Request(settings, feed, scope, ledger, keys, refresh)
        return command(asked, as_json)

    for option in reversed(_REQUEST_OPTIONS):
        read = option(read)
    return read


def main() -> NoReturn:
    """Run the command line and exit; a user's mistake is one line, not a traceback."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    quieten_interrupts()
    # What imports made stays: looking through it for garbage, again and again, takes about
    # a second of `gaps` over a thousand cities.
    gc.freeze()
    try:
        code = app.main(standalone_mode=False) or DONE
    except click.ClickException as error:
        code = complain("UsageError", error.format_message(), WRONG)
    except MobilityError as error:
        code = WRONG if error.is_users_mistake else MISSING
        code = complain(error.error_type, str(error), code)
    except OSError as error:
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        code = complain(type(error).__name__, what, WRONG)
    except (KeyboardInterrupt, click.Abort):
        code = complain("Interrupted", "stopped; run it again to go on", STOPPED)
    sys.exit(code)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Keep every city's device-location pings complete, correct and fresh.",
)
def app() -> None:
    """Group the verbs."""


@app.command(help="Load 8 cities × 7 days from a simulated vendor; no account needed.")
@click.option("--ui/--no-ui", default=True, help="Keep the Dagster UI running.")
def demo(ui: bool) -> int:
    """Run the demo."""
    from mobility_pipeline.demo import run_demo  # no other verb starts servers

    return run_demo(keep_running=ui)


@app.command(help="What works, what does not, and what to do about it.")
@json_option
def doctor(as_json: bool) -> int:
    """Examine key, role, buckets, ledger and cities."""
    from mobility_pipeline.resources.doctor import examine  # loads all that lands

    findings = examine(load_settings())
    words = {True: "ok", False: "FAILS", None: "not tried"}
    rows = [(f.subject, words[f.is_ok], f.message) for f in findings]
    checks = [
        {"subject": f.subject, "ok": f.is_ok, "message": f.message} for f in findings
    ]
    answer(as_json, {"checks": checks}, make_table(("subject", "", "what"), rows))
    return MISSING if any(finding.is_ok is False for finding in findings) else DONE


@app.command(help="Show the vendor jobs that a request would take; spends nothing.")
@request_options
@json_option
def plan(asked: Request, as_json: bool) -> int:
    """Plan vendor jobs."""
    preview = preview_jobs(
        asked.ledger,
        asked.feed,
        asked.scope.known.active,
        asked.scope.requestable,
        make_limits(asked.settings),
        refresh=asked.refresh,
    )
    previews = [(asked.feed, preview)]
    return answer_preview(as_json, asked.settings, asked.ledger, previews)


@app.command(help="Plan, submit, wait and land; the run shows in the Dagster UI.")
@request_options
@json_option
def request(asked: Request, as_json: bool) -> int:
    """Request city-days and wait for them."""
    asked.settings.require_api_key()
    asked.settings.bucket_of(asked.feed.bucket_words)
    warn_of_expectation(asked.scope)
    outcome = run(
        asked.settings,
        asked.feed,
        asked.scope,
        asked.ledger,
        asked.keys,
        refresh=asked.refresh,
    )
    return answer_outcomes(as_json, asked.settings, asked.ledger, [outcome])


@app.command(help="Missing city-days in ranges, each with its reason.")
@click.option("--feed", "feed_name", help="One feed; none = every enabled one.")
@from_option
@to_option
@click.option("--csv", "csv_path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--fail", "is_strict", is_flag=True, help="Exit 1 when there are any.")
@json_option
def gaps(
    feed_name: str | None,
    start: str,
    end: str,
    csv_path: Path | None,
    is_strict: bool,
    as_json: bool,
) -> int:
    """Report gaps."""
    settings = load_settings()
    chosen = choose_feeds(settings, feed_name)
    scope = read_typed_scope(settings, (), start, end)
    ledger = open_ledger(settings.ledger_url)
    found_gaps = find_gaps(
        {
            feed.name: ledger.coverage(feed.name, scope.start, scope.end)
            for feed in chosen
        },
        scope.first_by_city,
        scope.start,
        scope.end,
    )
    if csv_path:
        write_gap_csv(csv_path, found_gaps.gaps, scope.known.by_key)
    found = [
        {
            "feed": gap.feed,
            "city": gap.city,
            **span(gap.start, gap.end),
            "days": gap.days,
            "reason": gap.reason,
        }
        for gap in found_gaps.gaps
    ]
    table = make_table(
        ("feed", "city", "from", "to", "days", "reason"),
        [[*gap.values()] for gap in found[:_SHOWN_GAPS]],
        title=f"{len(found_gaps.complete)} cities complete, {len(found)} gaps"
        + (f"; the first {_SHOWN_GAPS}, --csv has all" * (len(found) > _SHOWN_GAPS)),
    )
    answer(as_json, {"gaps": found, "complete": [*found_gaps.complete]}, table)
    return MISSING if is_strict and found else DONE


for verb in (show, edit, retire, reactivate, history, diff, restore, backup):
    cities.add_command(verb)
app.add_command(alerts)
app.add_command(api)
app.add_command(cities)
cities.add_command(lookup)
coverage.add_command(erase)
app.add_command(console)
app.add_command(coverage)
app.add_command(derive)
app.add_command(dev)
app.add_command(events)
app.add_command(jobs)
app.add_command(recover)


if __name__ == "__main__":
    main()
