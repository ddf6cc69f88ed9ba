"""Run the request job in this process, on the instance that the web UI shows."""

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from mobility_pipeline import errors
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.failures import INTERRUPTED, describe_failure
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import PROJECT, announce_dagster_home
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, VendorJob

HOST_TAG, PROCESS_TAG = "mobility/host", "mobility/process"
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_CLOSED = (
    "the process that ran this is gone; its vendor jobs stay in the ledger and the next "
    "request finds them"
)


class RunFailedError(errors.PermanentError):
    """A run ended before it had planned; answers as the error that ended it."""

    def __init__(self, error_type: str, message: str) -> None:
        self._error_type = error_type
        kind = getattr(errors, error_type, errors.MobilityError)
        self.is_users_mistake = kind.is_users_mistake
        super().__init__(message)

    @property
    def error_type(self) -> str:
        """The class of what was raised, in `errors.py` where it was deliberate."""
        return self._error_type


@dataclass(frozen=True)
class RequestOutcome:
    """How a run of the request job ended."""

    run_id: str
    jobs: tuple[VendorJob, ...]
    """Vendor jobs the run waited for, as they stand now."""
    landed: int
    """City-days asked for that were not in the lake before, and are now."""
    skipped: int
    """City-days asked for that were there."""
    missing: dict[CityDay, tuple[CityDayState, str]]
    """The rest, sorted, each with its reason and detail."""
    failures: tuple[str, ...]
    """What steps said when they failed, apart from naming what is missing."""


def open_instance(home: Path) -> dg.DagsterInstance:
    """Open the Dagster instance of a folder, with the project's dagster.yaml in it."""
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    config = home / "dagster.yaml"
    announce_dagster_home(home)
    # Dagster creates its tables unguarded: two first calls at one moment would clash.
    with FileLock(home / "opening.lock"):
        if not config.exists():
            config.unlink(missing_ok=True)  # a link to where the project stood before
            config.symlink_to(os.path.relpath(PROJECT / "dagster.yaml", home.resolve()))
        return dg.DagsterInstance.from_config(str(home))


def close_dead_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of processes of this host that no longer live as failed.

    Nobody else watches a run that the command line started: killed, it would look as if
    it ran for ever, and keep its place in the pools.
    """
    running = dg.RunsFilter(
        statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING],
        tags={HOST_TAG: socket.gethostname()},
    )
    for run in instance.get_runs(filters=running):
        # Tags can be copied to a run of the web UI, which has an origin; it is not ours.
        if run.remote_job_origin is None and not _is_alive(int(run.tags[PROCESS_TAG])):
            instance.report_run_failed(run, _CLOSED)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def run_request(
    job: dg.JobDefinition,
    instance: dg.DagsterInstance,
    ledger: Ledger,
    feed: Feed,
    cities: Sequence[str],
    start: date,
    end: date,
    *,
    refresh: bool = False,
    recover: bool = False,
    max_jobs: int | None = None,
) -> RequestOutcome:
    """Run the request job to its end.

    Args:
        job: `request_city_days_job`.
        instance: where the run is recorded.
        ledger: read when the run has ended.
        feed: what to ask for.
        cities: keys; none = every active city.
        start: first UTC day.
        end: last UTC day, included.
        refresh: ask again for days that are there.
        recover: ask only for missing days whose time has come.
        max_jobs: vendor jobs to buy at most; null = as many as it takes.

    Raises:
        RunFailedError: the run failed before it had planned.
        KeyboardInterrupt: Ctrl-C; Dagster has recorded the run as failed.
    """
    config = {
        "cities": [*cities],
        "start": start.isoformat(),
        "end": end.isoformat(),
        "refresh": refresh,
        "recover": recover,
        "max_jobs": max_jobs,
    }
    result = job.execute_in_process(
        instance=instance,
        run_config=run_config(feed, config) | _QUIET,
        asset_selection=[asset_key(feed.name)],
        raise_on_error=False,
        tags={"feed": feed.name, **_process_tags()},
    )
    graph = f"lake__{feed.name}"
    failed = _find_failures(result)
    if f"{graph}.plan_vendor_jobs" in failed:
        raise RunFailedError(*failed[f"{graph}.plan_vendor_jobs"])
    asked = result.output_for_node(f"{graph}.plan_vendor_jobs", "asked")
    missing = asked.find_missing(ledger.records_of(feed.name, asked.city_days))
    failures = [
        message
        for step, (_, message) in failed.items()
        # What `settle` says is in `missing` already, unless it knows better.
        if step != f"{graph}.settle" or not missing
    ]
    return RequestOutcome(
        run_id=result.run_id,
        jobs=tuple(ledger.job(ref) for ref in asked.job_refs),
        landed=len(asked.city_days - asked.done - missing.keys()),
        skipped=len(asked.done),
        missing=missing,
        failures=tuple(failures),
    )


def run_job(
    job: dg.JobDefinition, instance: dg.DagsterInstance, config: Mapping[str, Any]
) -> tuple[str, list[str]]:
    """Run a job to its end; returns the run's id, and what steps said when they failed.

    Args:
        job: any of ours but the request job.
        instance: where the run is recorded.
        config: of its ops.

    Raises:
        RunFailedError: a step failed by anything but lacking city-days.
        KeyboardInterrupt: Ctrl-C; Dagster has recorded the run as failed.
    """
    result = job.execute_in_process(
        instance=instance,
        run_config={**config, **_QUIET},
        raise_on_error=False,
        tags=_process_tags(),
    )
    failed = _find_failures(result)
    for error_type, message in failed.values():
        if error_type != errors.CityDaysMissingError.__name__:
            raise RunFailedError(error_type, message)
    return result.run_id, [message for _, message in failed.values()]


def _process_tags() -> dict[str, str]:
    return {HOST_TAG: socket.gethostname(), PROCESS_TAG: str(os.getpid())}


def _find_failures(result: dg.ExecuteInProcessResult) -> dict[str, tuple[str, str]]:
    """Return the error's class and message of each step that failed."""
    failed = {
        str(event.step_key): describe_failure(event)
        for event in result.all_events
        if event.is_step_failure
    }
    if any(kind == INTERRUPTED for kind, _ in failed.values()):
        raise KeyboardInterrupt
    return failed


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
