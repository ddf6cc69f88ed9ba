"""`mobility console`: the web page for cities and their data."""

import secrets
import sys
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from mobility_pipeline.cli_output import DONE, STDERR
from mobility_pipeline.cli_scope import choose_feeds
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.clients import (
    make_map_servers,
    make_vendor_client,
    newest_day,
    open_registry,
)
from mobility_pipeline.serving.console.passwords import check_hash, hash_password
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.ledger import open_ledger

if TYPE_CHECKING:
    import dagster as dg


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8050, show_default=True)
@click.option(
    "--https",
    is_flag=True,
    help="A proxy before it ends https: cookies are for https only, and what the proxy "
    "says of clients (X-Forwarded-For) is believed.",
)
@click.pass_context
def console(context: click.Context, host: str, port: int, https: bool) -> int:
    """Add and correct cities on a map, ask for their data, see what is there."""
    if context.invoked_subcommand is not None:
        return DONE
    settings = load_settings()
    password_hash = _read_hash(settings)
    # Dagster and NiceGUI take seconds to load.
    from mobility_pipeline.defs.console import DagsterDesk
    from mobility_pipeline.serving.console.desk import Desk
    from mobility_pipeline.serving.console.server import build_console, serve

    open_registry(settings).load()  # fails with words, before anybody signs in
    ledger = open_ledger(settings.ledger_url)
    with (
        closing(ledger),
        closing(DagsterDesk(settings, ledger, _find_schedules)) as orchestrator,
    ):
        desk = Desk(
            open_registry=lambda user: open_registry(settings, user),
            ledger=ledger,
            servers=make_map_servers(settings),
            make_vendor_client=partial(make_vendor_client, settings),
            feeds=choose_feeds(settings, None),
            first_day=settings.mobility_start_date,
            newest_day=lambda: newest_day(settings, datetime.now(UTC)),
            monthly_jobs=settings.veraset_monthly_jobs,
            now=lambda: datetime.now(UTC),
            orchestrator=orchestrator,
            facts=_describe(settings),
            dagster_url=settings.dagster_ui_url,
        )
        secret = settings.console_secret
        gate = build_console(
            desk,
            user=settings.admin_user,
            password_hash=password_hash,
            secret=secret.get_secret_value() if secret else secrets.token_hex(32),
            https=https,
        )
        STDERR.print(f"city console: http://{host}:{port} (Ctrl-C stops it)")
        serve(gate, host=host, port=port, https=https)
    return DONE


@console.command("hash-password", help="Print the ADMIN_PASSWORD_HASH of a password.")
def hash_typed_password() -> int:
    """Read a password from the terminal (twice), or one line from a pipe."""
    if sys.stdin.isatty():
        password = click.prompt(
            "Password", hide_input=True, confirmation_prompt=True, err=True
        )
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    click.echo(hash_password(password))
    return DONE


def _read_hash(settings: Settings) -> str:
    if settings.admin_password_hash is not None:
        text = settings.admin_password_hash.get_secret_value()
        check_hash(text)
        return text
    if settings.admin_password is not None:
        return hash_password(settings.admin_password.get_secret_value())
    raise ConfigurationError(
        "the console does not start without a password: set ADMIN_PASSWORD_HASH (see "
        "`mobility console hash-password`) or ADMIN_PASSWORD"
    )


def _find_schedules() -> "list[dg.ScheduleDefinition]":
    import dagster as dg

    from mobility_pipeline.definitions import defs  # reads settings when imported

    known = defs.schedules or ()
    return [found for found in known if isinstance(found, dg.ScheduleDefinition)]


def _describe(settings: Settings) -> list[tuple[str, str]]:
    """Return what the daily load goes by; no secret, no address."""
    feeds = choose_feeds(settings, None)
    quota = settings.veraset_monthly_jobs
    return [
        ("Feeds", ", ".join(feed.name for feed in feeds)),
        ("Starts", f"{settings.sync_time} UTC, every day"),
        ("Newest day asked for", f"{settings.veraset_lag_days} days ago"),
        ("First day of the project", settings.mobility_start_date.isoformat()),
        (
            "One vendor job takes",
            f"at most {settings.veraset_max_areas} areas × {settings.veraset_max_days} days",
        ),
        ("Vendor jobs a month", "not limited" if quota is None else f"at most {quota}"),
        ("Packing", settings.veraset_cost_model),
        (
            "Recovery may buy",
            f"{settings.mobility_recovery_jobs_per_week} vendor jobs in 7 days",
        ),
        ("Recent days asked for again", f"{settings.mobility_recheck_days}"),
    ]
