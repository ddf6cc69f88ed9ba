"""`mobility alerts`: what is wrong, and whether people would learn of it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import click

from mobility_pipeline.alerts.channels import LOG
from mobility_pipeline.alerts.message import describe_alert, write_spans, write_test
from mobility_pipeline.alerts.store import DELIVERED, Recorded, open_alert_store
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.resources.alerting import find_channels
from mobility_pipeline.settings import load_settings
from mobility_pipeline.wording import number_of


@click.group(help="What is wrong now, and who is told of it.")
def alerts() -> None:
    """Group the verbs."""


@alerts.command("list", help="Open alerts, newest first, as last evaluated.")
@click.option("--all", "with_closed", is_flag=True, help="Also those that are over.")
@json_option
def list_alerts(with_closed: bool, as_json: bool) -> int:
    """List alerts."""
    store = open_alert_store(load_settings().ledger_url)
    found = store.recorded(with_closed=with_closed)
    columns = ("feed", "subject", "reason", "since", "days", "state", "told", "not yet")
    is_open = sum(record.alert.closed_at is None for record in found)
    evaluated_at = store.evaluated_at()
    # Nobody has looked: "0 open" would read as "all is well".
    title = "not evaluated yet: `make dev` runs the alert sensor every 5 minutes"
    if evaluated_at is not None:
        title = f"{number_of(is_open, 'open alert')}, as of {evaluated_at:%F %R} UTC"
    table = make_table(columns, [_row_of(record) for record in found], title=title)
    documents = [
        describe_alert(record.alert) | {"channels": dict(record.channels)}
        for record in found
    ]
    document = {
        "evaluated_at": evaluated_at.isoformat() if evaluated_at else None,
        "alerts": documents,
    }
    answer(as_json, document, table)
    _explain(found)
    return DONE


@alerts.command(
    help="Send a test by every configured channel; exit 1 if one failed, or people have "
    "none."
)
@json_option
def test(as_json: bool) -> int:
    """Try each channel once."""
    channels = find_channels(
        load_settings(), lambda text: STDERR.print(text, markup=False)
    )
    notification = write_test(uuid4().hex, datetime.now(UTC))
    tried: list[dict[str, Any]] = []
    for name, open_channel in channels.items():
        try:
            channel = open_channel()
            channel.send(notification)
            tried.append({"channel": name, "ok": True, "message": channel.target})
        except MobilityError as error:
            tried.append({"channel": name, "ok": False, "message": str(error)})
    rows = [
        (trial["channel"], "ok" if trial["ok"] else "FAILS", trial["message"])
        for trial in tried
    ]
    only_log = "" if channels.keys() != {LOG} else "; nobody is told: see .env.example"
    title = (
        f"{sum(trial['ok'] for trial in tried)} of {len(tried)} channels work{only_log}"
    )
    table = make_table(("channel", "", "what"), rows, title=title)
    answer(as_json, {"channels": tried}, table)
    is_told = channels.keys() != {LOG}
    return DONE if is_told and all(trial["ok"] for trial in tried) else MISSING


def _explain(found: Sequence[Recorded]) -> None:
    """Say on stderr, once each, why channels were not told yet."""
    waiting = {
        f"{name}: {state}"
        for record in found
        for name, state in record.channels.items()
        if state != DELIVERED
    }
    for line in sorted(waiting):
        STDERR.print(line, style="yellow", markup=False, soft_wrap=True)


def _row_of(record: Recorded) -> list[str]:
    alert = record.alert
    problem = alert.problem
    spans = set(problem.days.values())
    days = number_of(problem.city_days, "city-day")
    if len(spans) == 1:
        days = f"{write_spans(next(iter(spans)))} ({days})"
    told = {name for name, state in record.channels.items() if state == DELIVERED}
    closed = f"closed {alert.closed_at:%F %R}" if alert.closed_at else "open"
    return [
        problem.feed or "every",
        problem.subject,
        problem.reason,
        f"{alert.since:%F %R}",
        days if problem.days else "",
        closed,
        ", ".join(sorted(told)),
        ", ".join(sorted(record.channels.keys() - told)),
    ]
