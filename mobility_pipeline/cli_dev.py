"""`mobility dev`: Dagster with its daemon, and the city console, until one of them ends."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from mobility_pipeline.cli_output import MISSING, STDERR
from mobility_pipeline.servers import WebServer, start_console, start_dagster
from mobility_pipeline.settings import Settings, inherit_environment, load_settings

_UI_PORT, _CONSOLE_PORT = 3000, 8050
_LOOK_EVERY_S = 0.5


@click.command(
    help="Run the Dagster UI and daemon, and the city console, on your settings."
)
def dev() -> int:
    """Run until Ctrl-C, or until one of them ends by itself: then all end."""
    from mobility_pipeline.defs.launch import open_instance  # loads Dagster

    settings = load_settings()
    open_instance(settings.dagster_home).dispose()
    # A shell that starts us in the background has children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    environment = inherit_environment(
        DAGSTER_HOME=str(settings.dagster_home.absolute())
    )
    with start_dagster(environment, None, _UI_PORT) as dagster:
        STDERR.print(f"Dagster UI: {dagster.url}", soft_wrap=True)
        environment["DAGSTER_UI_URL"] = dagster.url
        with _start_console(settings, environment) as console:
            servers = [dagster, *([console] if console else [])]
            ended = _wait_for_end(servers)
    STDERR.print(f"the {ended.name} ended, see above: everything is stopped")
    return MISSING


@contextmanager
def _start_console(
    settings: Settings, environment: dict[str, str]
) -> Iterator[WebServer | None]:
    """Start the console, unless there is no password for it."""
    if settings.admin_password is None and settings.admin_password_hash is None:
        STDERR.print("no city console: set ADMIN_PASSWORD_HASH or ADMIN_PASSWORD")
        yield None
        return
    with start_console(environment, None, _CONSOLE_PORT) as console:
        yield console


def _wait_for_end(servers: list[WebServer]) -> WebServer:
    """Return the first that ended."""
    while True:
        for server in servers:
            if server.process.poll() is not None:
                return server
        time.sleep(_LOOK_EVERY_S)
