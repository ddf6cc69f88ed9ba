"""How the latest runs of the instance ended, as the room of alerts reads it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from mobility_pipeline.alerts.runs import RunEnd, RunError
from mobility_pipeline.defs.failures import INTERRUPTED, describe_failure

_LOOK_BACK = timedelta(days=30)
"""An older failure opens no alert; one that is open stays so until a run gets through."""
_RUNS = 500
_READ_FAILURES = 20
"""Failed runs whose log is read, the newest of each job: a backfill may fail by hundreds."""
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


def read_run_ends(instance: dg.DagsterInstance, now: datetime) -> list[RunEnd]:
    """Return how runs ended lately, one per run and feed; cancelled ones tell nothing.

    A run that Dagster will retry by itself, or that somebody interrupted, did not fail.
    """
    records = instance.get_run_records(
        filters=dg.RunsFilter(statuses=_ENDED, updated_after=now - _LOOK_BACK),
        limit=_RUNS,
        order_by="update_timestamp",
    )
    ends: list[RunEnd] = []
    read: dict[str, int] = {}
    for record in records:
        run = record.dagster_run
        errors: tuple[RunError, ...] = ()
        if run.status is dg.DagsterRunStatus.FAILURE:
            read[run.job_name] = read.get(run.job_name, 0) + 1
            if run.tags.get(WILL_RETRY_TAG) == "true":
                continue
            if read[run.job_name] > _READ_FAILURES:
                continue
            errors = _read_errors(instance, run.run_id)
            if not errors:
                continue
        ended_at = datetime.fromtimestamp(
            record.end_time or record.update_timestamp.timestamp(), UTC
        )
        ends += [
            RunEnd(feed, run.job_name, run.run_id, ended_at, errors, _is_refresh(run))
            for feed in _feeds_of(run) or [""]
        ]
    return ends


def _read_errors(instance: dg.DagsterInstance, run_id: str) -> tuple[RunError, ...]:
    """Return what steps failed of; where none did, what ended the run."""
    failures = [
        describe_failure(entry.get_dagster_event())
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    ]
    if any(kind == INTERRUPTED for kind, _ in failures):
        return ()
    return tuple(dict.fromkeys(failures)) or (("RunFailed", ""),)


def _feeds_of(run: dg.DagsterRun) -> list[str]:
    """Return the feeds a run is of, by whatever started it; none of other jobs."""
    if "feed" in run.tags:
        return [run.tags["feed"]]
    selected = {
        key.path[1] for key in run.asset_selection or () if key.path[0] == "lake"
    }
    configured = {
        name.removeprefix("lake__")
        for name in _graphs_of(run)
        if name.startswith("lake__")
    }
    return sorted(selected or configured)


def _graphs_of(run: dg.DagsterRun) -> Mapping[str, Any]:
    config: Mapping[str, Any] = run.run_config
    return config.get("ops", {})


def _is_refresh(run: dg.DagsterRun) -> bool:
    """Say whether a run's config, as `run_config` writes it, asks for a refresh."""
    for graph in _graphs_of(run).values():
        plan = graph.get("ops", {}).get("plan_vendor_jobs", {})
        if plan.get("config", {}).get("refresh"):
            return True
    return False
