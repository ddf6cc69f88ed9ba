"""`mobility api`: serve the HTTP API, and manage the keys it is asked with."""

from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from mobility_pipeline.cli_output import (
    DONE,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.resources.clients import open_api_keys
from mobility_pipeline.serving.api.keys import ApiKeys, Scope
from mobility_pipeline.settings import load_settings
from mobility_pipeline.vendor.ledger import open_ledger

if TYPE_CHECKING:
    from fastapi import FastAPI


@click.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Processes; each counts the rate limit for itself.",
)
@click.pass_context
def api(context: click.Context, host: str, port: int, workers: int) -> int:
    """Answer presence, flows and portraits over HTTP, by API key."""
    if context.invoked_subcommand is not None:
        return DONE
    settings = load_settings()
    # Takes seconds to load.
    import uvicorn

    from mobility_pipeline.resources.api import open_api

    with closing(open_ledger(settings.ledger_url)) as ledger:
        app = open_api(settings, ledger)
        STDERR.print(f"API: http://{host}:{port}/docs (Ctrl-C stops it)")
        uvicorn.run(
            app if workers == 1 else f"{__name__}:open_worker_app",
            factory=workers > 1,
            workers=workers,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    return DONE


def open_worker_app() -> "FastAPI":
    """Open the API in one of several worker processes."""
    from mobility_pipeline.resources.api import open_api

    settings = load_settings()
    return open_api(settings, open_ledger(settings.ledger_url))


@api.group()
def keys() -> None:
    """Make, list and revoke API keys."""


@keys.command("create", help="Make a key; it is shown once.")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "operator"]),
    required=True,
    help="read: counts; operator: lists of devices too, where the setting allows them.",
)
def create_key(name: str, scope: Scope) -> int:
    """Print the key alone on stdout, so that it can be piped."""
    made = _open_keys().create(name, scope, datetime.now(UTC))
    STDERR.print("this is the only time the key is shown:", markup=False)
    click.echo(made)
    return DONE


@keys.command("list", help="Name, scope and age of every key.")
@json_option
def list_keys(as_json: bool) -> int:
    """Show what is known of keys; not the keys, and not their hashes."""
    known = [
        {"name": key.name, "scope": key.scope, "created_at": key.created_at.isoformat()}
        for key in _open_keys().list_all()
    ]
    table = make_table(
        ("name", "scope", "created"),
        [[*key.values()] for key in known],
        title=f"{len(known)} API keys",
    )
    answer(as_json, {"keys": known}, table)
    return DONE


@keys.command("revoke", help="Refuse a key from now on.")
@click.argument("name")
def revoke_key(name: str) -> int:
    """Forget a key."""
    _open_keys().revoke(name)
    STDERR.print(f"key {name} is revoked", markup=False)
    return DONE


def _open_keys() -> ApiKeys:
    return open_api_keys(load_settings())
