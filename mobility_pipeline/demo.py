"""The main job on one machine: sandbox, Dagster, 8 cities × 7 days, and what came of it."""

import json
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock
from filelock import Timeout as FileLockTimeout
from rich.console import Console
from rich.table import Table

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import days_between
from mobility_pipeline.defs.launch import open_instance
from mobility_pipeline.errors import PermanentError, UsageError
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.clients import newest_day, open_api_keys, open_registry
from mobility_pipeline.resources.lakes import make_lake
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.servers import start_api, start_console, start_dagster
from mobility_pipeline.settings import (
    PROJECT,
    Settings,
    child_environment,
    read_settings,
)

_FEED = "pings_full"
_DAYS = 7
_UI_PORT = 3000
_CONSOLE_PORT = 8050
_API_PORT = 8000
_WIDTH = 120
_MAP_CITY = "canada/british_columbia/vancouver"
_MAP_HOUR = 18
"""Local: people are on their way home."""
_ANALYTICS = {
    # 60 people live in each of its cities: with the defaults nearly all would be hidden.
    "ANALYTICS_H3_RESOLUTION": "7",
    "ANALYTICS_MIN_DEVICES": "2",
}


def run_demo(*, keep_running: bool) -> int:
    """Run the demo from a clean start, apart from any real ledger, instance and lake.

    Args:
        keep_running: leave the web UI until Ctrl-C.

    Returns:
        Exit code of the first verb that did not get all it asked for; 0 where every
        city-day landed, and the map's day was derived.
    """
    home = PROJECT / ".mobility" / "demo"
    lock = FileLock(home.with_suffix(".lock"))
    home.parent.mkdir(exist_ok=True)
    try:
        with lock.acquire(blocking=False):
            return _run_in(home, keep_running=keep_running)
    except FileLockTimeout:
        raise UsageError("a demo is running already: stop it first") from None


def _run_in(home: Path, *, keep_running: bool) -> int:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    console = Console(width=_WIDTH)
    # A shell that starts us in the background has children ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Sandbox.start(home / "sandbox") as sandbox:
        newest = newest_day(read_settings({}), datetime.now(UTC))
        # Whoever edits a city in the console edits the demo's.
        shutil.copytree(PROJECT / "cities", home / "cities")
        values = {
            **sandbox.environment,
            # Nothing else is expected, so nothing else is missing.
            "MOBILITY_START_DATE": (newest - timedelta(days=_DAYS - 1)).isoformat(),
            "MOBILITY_HOME": str(home),
            "MOBILITY_CITIES": str(home / "cities"),
            **_ANALYTICS,
            "DAGSTER_HOME": str(home / "dagster"),
            "VERASET_POLL_SECONDS": "0.2",
        }
        environment = child_environment(**values)
        settings = read_settings(values)
        open_instance(settings.dagster_home).dispose()
        with start_dagster(environment, home / "dagster.log", _UI_PORT) as dagster:
            console.print("[bold]cities → one vendor job → city-days in the lake")
            code = _load_and_show(console, settings, environment, sandbox)
            code = code or _derive_and_show(console, settings, environment, newest)
            dagster.wait_until_up()
            if keep_running:
                address = f"{dagster.url}/assets/lake/{_FEED}?view=partitions"
                console.print(f"Dagster UI: {address}", soft_wrap=True)
                _keep_servers(console, settings, environment, dagster.url)
            else:
                console.print("The Dagster UI came up and is stopped now (UI=0).")
    return code


def _keep_servers(
    console: Console,
    settings: Settings,
    environment: Mapping[str, str],
    dagster_url: str,
) -> None:
    """Run the city console and the API until Ctrl-C, with a password and a key."""
    home, password = settings.mobility_home, secrets.token_urlsafe(9)
    more = {"ADMIN_PASSWORD": password, "DAGSTER_UI_URL": dagster_url}
    key = open_api_keys(settings).create("demo", "read", datetime.now(UTC))
    with (
        start_console(
            {**environment, **more}, home / "console.log", _CONSOLE_PORT
        ) as city_console,
        start_api(environment, home / "api.log", _API_PORT) as api,
    ):
        city_console.wait_until_up()
        api.wait_until_up()
        console.print(
            f"City console: {city_console.url} (name admin, password {password})",
            soft_wrap=True,
        )
        ask = f"{api.url}/v1/allRegionsHeatMap?city={_MAP_CITY}"
        console.print(
            f"API: {api.url}/docs, e.g. curl -H 'X-API-Key: {key}' '{ask}'",
            soft_wrap=True,
        )
        console.print("Ctrl-C stops everything.")
        signal.pause()


def _load_and_show(
    console: Console,
    settings: Settings,
    environment: Mapping[str, str],
    sandbox: Sandbox,
) -> int:
    start = settings.mobility_start_date
    newest = start + timedelta(days=_DAYS - 1)
    span = ["--from", start.isoformat(), "--to", newest.isoformat(), "--json"]
    code, _ = _mobility(["request", "--feed", _FEED, *span], environment)
    _, coverage = _mobility(["gaps", "--feed", _FEED, *span], environment)
    cities = [*open_registry(settings).load().active]
    days = [*days_between(start, newest)]
    console.print(_city_days(make_lake(settings, FEEDS[_FEED]), cities, days))
    spent = len(sandbox.jobs())
    console.print(f"vendor jobs spent: {spent} (the vendor's own count)")
    console.print(f"gaps: {len(coverage['gaps'])}", coverage["gaps"] or "")
    return code


def _mobility(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[int, Any]:
    """Run the command line as its users do; progress goes to our stderr."""
    command = [sys.executable, "-m", "mobility_pipeline.cli", *arguments]
    done = subprocess.run(  # noqa: S603  # our own command line
        command, env=environment, stdout=subprocess.PIPE, check=False, text=True
    )
    document = json.loads(done.stdout or "{}")
    if "error" in document or not document:
        message = document.get("error", {}).get("message", "it ended without a word")
        raise PermanentError(f"mobility {arguments[0]}: {message}")
    return done.returncode, document


def _derive_and_show(
    console: Console, settings: Settings, environment: Mapping[str, str], newest: date
) -> int:
    """Derive the newest whole local day of one city, and draw who was where."""
    # Takes seconds to load, and the load is to start at once.
    from mobility_pipeline.resources.maps import draw_presence

    day = newest - timedelta(days=1)
    span = ["--from", day.isoformat(), "--to", day.isoformat()]
    code, _ = _mobility(["derive", *span, "--city", _MAP_CITY, "--json"], environment)
    if code:
        return code
    picture = settings.mobility_home / "presence.png"
    city = open_registry(settings).load().find(_MAP_CITY)
    picture.write_bytes(draw_presence(settings, city, day, _MAP_HOUR))
    console.print(f"who was where in {_MAP_CITY}: {picture}", soft_wrap=True)
    return code


def _city_days(lake: Lake, cities: Sequence[str], days: Sequence[date]) -> Table:
    table = Table(title="rows and (devices) by city and UTC day", title_justify="left")
    table.add_column("city", no_wrap=True)
    for day in days:
        table.add_column(f"{day:%m-%d}", justify="right")
    for city in cities:
        manifests = [lake.read_manifest(CityDay(city, day)) for day in days]
        cells = [
            f"{manifest.rows:,}\n({manifest.devices})" if manifest else "–"
            for manifest in manifests
        ]
        table.add_row(city, *cells)
    return table
