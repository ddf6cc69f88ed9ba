"""What the console needs of Dagster: requests that it starts, their runs, the schedules."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobility_pipeline.defs.scope import Scope, read_scope
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import make_limits, open_registry
from mobility_pipeline.schemas.feeds import find_feed, resolve_feeds
from mobility_pipeline.serving.console.desk import (
    Plan,
    RequestState,
    ScheduleState,
    StartedRequest,
    Wish,
)
from mobility_pipeline.settings import Settings, inherit_environment
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.planner import surplus
from mobility_pipeline.vendor.preview import preview_jobs
from mobility_pipeline.vendor.quota import read_month

if TYPE_CHECKING:
    import dagster as dg

    from mobility_pipeline.defs.instance_facts import InstanceFacts

MAX_RUNNING = 8
_STOP_S = 20


@dataclass
class _Child:
    request: StartedRequest
    process: subprocess.Popen[bytes]
    answer: Path
    run_url: str | None = None


class DagsterDesk:
    """Runs `mobility request` for each request, each in a process of its own.

    A process rather than a thread: landing takes all the memory it is given, and a request
    that dies takes no page with it. The run shows in the web UI as any other.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        find_schedules: "Callable[[], Sequence[dg.ScheduleDefinition]]",
    ) -> None:
        """Begin without any request.

        Args:
            settings: the same that the processes find in their environment.
            ledger: only read.
            find_schedules: the code location's; called when they are first looked at.
        """
        self._settings, self._ledger = settings, ledger
        self._find_schedules = find_schedules
        self._children: list[_Child] = []
        self._lock = threading.Lock()

    def plan(self, wish: Wish) -> Plan:
        """Say what a wish would take; sends nothing."""
        scope = self._read_scope(wish)
        feed = find_feed(
            wish.feed,
            resolve_feeds(
                self._settings.daily_sync_endpoints,
                self._settings.daily_sync_endpoint_configs,
            ),
        )
        preview = preview_jobs(
            self._ledger,
            feed,
            scope.known.active,
            scope.requestable,
            make_limits(self._settings),
            refresh=wish.refresh,
        )
        return Plan(
            preview=preview,
            surplus=surplus(preview.jobs, preview.wanted),
            expected=scope.expected,
            use=read_month(
                self._ledger, self._settings.veraset_monthly_jobs, datetime.now(UTC)
            ),
        )

    def start(self, wish: Wish, user: str) -> StartedRequest:
        """Start to ask for city-days; see `plan` for what it raises."""
        scope = self._read_scope(wish)
        self._settings.require_api_key()
        with self._lock:
            running = sum(child.process.poll() is None for child in self._children)
            if running >= MAX_RUNNING:
                raise UsageError(f"{running} requests are running: wait for one to end")
            number = len(self._children) + 1
            now = datetime.now(UTC)
            request = StartedRequest(number, wish, scope.expected, user, now)
            folder = self._settings.mobility_home / "console"
            folder.mkdir(parents=True, exist_ok=True)
            name = f"request-{now:%Y%m%dT%H%M%S}-{number}"
            answer = folder / f"{name}.json"
            with (
                answer.open("wb") as output,
                (folder / f"{name}.log").open("wb") as log,
            ):
                process = subprocess.Popen(  # noqa: S603  # our own command line
                    _command(wish),
                    env=inherit_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=log,
                    start_new_session=True,
                )
            self._children.append(_Child(request, process, answer))
            return request

    def started(self) -> Sequence[StartedRequest]:
        """Return what was started since the console is up, newest first."""
        return [child.request for child in reversed(self._children)]

    def look(self, request: StartedRequest) -> RequestState:
        """Say how a request stands."""
        child = self._children[request.number - 1]
        code = child.process.poll()
        if child.run_url is None:
            run_id = self._facts.find_run(child.process.pid)
            base = self._settings.dagster_ui_url
            child.run_url = f"{base}/runs/{run_id}" if run_id else None
        message = "" if code is None else _describe_end(code, child.answer)
        return RequestState(child.run_url, code is None, message)

    def schedules(self) -> Sequence[ScheduleState]:
        """Return every schedule; the daily load first."""
        return self._facts.schedules(datetime.now(UTC))

    def close(self) -> None:
        """Stop what still runs; its vendor jobs stay in the ledger for the next request."""
        running = [child for child in self._children if child.process.poll() is None]
        for child in running:
            child.process.terminate()
        for child in running:
            try:
                child.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()

    def _read_scope(self, wish: Wish) -> Scope:
        known = open_registry(self._settings).load()
        return read_scope(
            self._settings,
            known,
            wish.cities,
            wish.start,
            wish.end,
            datetime.now(UTC),
            is_typed=True,
        )

    @cached_property
    def _facts(self) -> "InstanceFacts":
        # Dagster takes seconds to load, and signing in needs none of it.
        from mobility_pipeline.defs.instance_facts import InstanceFacts

        return InstanceFacts(self._settings.dagster_home, self._find_schedules)


def _command(wish: Wish) -> list[str]:
    command = [sys.executable, "-m", "mobility_pipeline.cli", "request", "--json"]
    command += [f"--feed={wish.feed}", f"--from={wish.start}", f"--to={wish.end}"]
    command += ["--refresh"] if wish.refresh else []
    return [*command, *(f"--city={key}" for key in wish.cities)]


def _describe_end(code: int, answer: Path) -> str:
    """Say how `mobility request --json` ended."""
    try:
        document: dict[str, Any] = json.loads(answer.read_text())
    except ValueError:
        return f"it ended without a word (exit code {code}): see its run in Dagster"
    if "error" in document:
        return str(document["error"]["message"])
    missing = len(document["missing"])
    return (
        f"{document['landed']:,} city-days landed, {document['skipped']:,} were there, "
        f"{missing:,} are missing"
    )
