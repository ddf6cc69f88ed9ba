"""Pruning old runs, on SQLite and PostgreSQL: nothing that anybody counts changes."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.event_log.base import PartitionKeyFilter
from dagster._core.storage.partition_status_cache import (
    get_and_update_asset_status_cache_value,
)
from dagster._core.test_utils import create_run_for_test

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.checks import CITY_DAY_CHECKS
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.defs.partitions import build_partitions
from mobility_pipeline.defs.pruning import SHORTENED_TAG, Pruned, prune_history
from mobility_pipeline.defs.recovery_budget import BUDGET_TAGS, JOBS_TAG, count_spent
from mobility_pipeline.resources.adapters import ClockResource
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import load_settings
from mobility_pipeline_tests.conftest import CITIES, Workplace

ASSET = dg.AssetKey(["lake", "pings_full"])
CHECKS = [dg.AssetCheckKey(ASSET, name) for name in CITY_DAY_CHECKS]
LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""Every run of these tests is old by then."""


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(
    request: pytest.FixtureRequest,
    make_workplace: Callable[[dict[str, str]], Workplace],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance on each storage, as the two `dagster.yaml` name it."""
    _enter(monkeypatch, make_workplace({}))
    home = tmp_path / "instance"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    storage: dict[str, Any] = {
        "event_log_storage": {
            "module": "mobility_pipeline.resources.event_log",
            "class": "OpenSqliteEventLogStorage",
        }
    }
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgres_url")
        storage = {"storage": {"postgres": {"postgres_url": url}}}
    with dg.instance_for_test(overrides=storage, temp_dir=str(home)) as made:
        made.add_dynamic_partitions("city", list(CITIES))
        yield made


def _enter(monkeypatch: pytest.MonkeyPatch, place: Workplace) -> None:
    for name, value in place.environment.items():
        monkeypatch.setenv(name, value)


on_sqlite = pytest.mark.parametrize("instance", ["sqlite"], indirect=True)
"""For rules that are the same lines on both storages."""


def _land(instance: dg.DagsterInstance, start: date, end: date, **more: object) -> str:
    """Run the request job to its end; returns the run's id."""
    span = {"start": start.isoformat(), "end": end.isoformat()}
    job = build_defs().resolve_job_def("request_city_days_job")
    config = run_config(FEEDS["pings_full"], span | more)
    result = job.execute_in_process(instance=instance, run_config=config)
    return result.run_id


def _read_state(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Return what Dagster counts and shows of the asset, apart from its runs' pages."""
    storage = instance.event_log_storage
    partitions = sorted(instance.get_materialized_partitions(ASSET))
    (record,) = instance.get_asset_records([ASSET])
    cached = get_and_update_asset_status_cache_value(
        instance, ASSET, build_partitions(load_settings())
    )
    assert cached is not None
    return {
        "partitions": partitions,
        "cached": cached.serialized_materialized_partition_subset,
        "failed": cached.serialized_failed_partition_subset,
        "last": record.asset_entry.last_materialization,
        "materializations": {
            partition: _describe(instance, partition) for partition in partitions
        },
        "evaluations": {
            (str(partition), key.name): (found.run_id, found.status, found.event)
            for partition in partitions
            for key, found in storage.get_latest_asset_check_execution_by_key(
                CHECKS, PartitionKeyFilter(key=partition)
            ).items()
        },
        "checks": sorted(
            (info.check_key.name, str(info.partition_key), str(info))
            for info in storage.get_asset_check_partition_info(CHECKS)
        ),
    }


def _describe(instance: dg.DagsterInstance, partition: str) -> tuple[Any, ...]:
    wanted = dg.AssetRecordsFilter(asset_key=ASSET, asset_partitions=[partition])
    (found,) = instance.fetch_materializations(wanted, limit=1).records
    return found.storage_id, found.run_id, found.asset_materialization


def test_landed_city_days_stand_as_before(
    sandbox: Sandbox,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    newest: date,
) -> None:
    """Of 4 city-days 2 were landed again: both runs stay, and no state changes."""
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    first = _land(instance, newest - timedelta(days=1), newest)
    second = _land(instance, newest, newest, refresh=True)
    state = _read_state(instance)
    assert len(state["materializations"]) == 4
    assert len(state["evaluations"]) == 4 * len(CHECKS)
    events = len(instance.all_logs(first)) + len(instance.all_logs(second))
    pruned = prune_history(instance, LATER, LATER)
    assert (pruned.runs_deleted, pruned.runs_shortened) == (0, 2)
    assert pruned.bytes_deleted > 100 * pruned.events_deleted
    assert _read_state(instance) == state
    left = [*instance.all_logs(first), *instance.all_logs(second)]
    assert len(left) == events - pruned.events_deleted
    assert {event.dagster_event_type for event in left if event.is_dagster_event} == {
        dg.DagsterEventType.RUN_START,
        dg.DagsterEventType.RUN_SUCCESS,
        dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        dg.DagsterEventType.ASSET_MATERIALIZATION,
    }
    assert prune_history(instance, LATER, LATER) == Pruned(0, 0, 0, 0)


@dg.op
def land_one(context: dg.OpExecutionContext) -> None:
    """Report one city-day and one of its checks, as a landing does."""
    partition = f"{CITIES[0]}|2025-01-01"
    context.log_event(dg.AssetMaterialization(ASSET, partition=partition))
    context.log_event(
        dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]  # UserEvent lacks it
            ASSET, CHECKS[0].name, passed=True, partition=partition
        )
    )


def test_superseded_run_goes_whole(instance: dg.DagsterInstance) -> None:
    """Whose every event and evaluation has a newer one is deleted; no state changes."""
    job = dg.GraphDefinition("landing", node_defs=[land_one]).to_job()
    first, second = (job.execute_in_process(instance=instance).run_id for _ in range(2))
    state = _read_state(instance)
    assert (len(state["materializations"]), len(state["evaluations"])) == (1, 1)
    events = len(instance.all_logs(first))
    pruned = prune_history(instance, LATER, LATER)
    assert (pruned.runs_deleted, pruned.runs_shortened) == (1, 1)
    assert pruned.events_deleted > events
    assert [instance.has_run(run) for run in (first, second)] == [False, True]
    assert _read_state(instance) == state
    run = instance.get_run_by_id(second)
    assert run is not None
    assert run.tags[SHORTENED_TAG].startswith("2100-01-01")


def _finish(instance: dg.DagsterInstance, **tags: str) -> str:
    """Record a run that ended; returns its id."""
    run = create_run_for_test(
        instance, status=dg.DagsterRunStatus.STARTED, tags=dict(tags)
    )
    instance.report_run_canceled(run)
    return run.run_id


@on_sqlite
def test_run_of_a_backfill_is_never_deleted(instance: dg.DagsterInstance) -> None:
    """While the backfill goes on its runs keep everything, and later all but their log."""
    going = PartitionBackfill("fill", BulkActionStatus.REQUESTED, False, {}, 0.0)
    instance.add_backfill(going)
    run_id = _finish(instance, **{"dagster/backfill": "fill"})
    for number in range(4):
        instance.report_engine_event(f"line {number}", job_name="a", run_id=run_id)
    assert prune_history(instance, LATER, LATER) == Pruned(0, 0, 0, 0)
    instance.update_backfill(going.with_status(BulkActionStatus.COMPLETED_SUCCESS))
    pruned = prune_history(instance, LATER, LATER)
    assert (pruned.runs_deleted, pruned.runs_shortened, pruned.events_deleted) == (
        0,
        1,
        4,
    )


@on_sqlite
def test_run_in_progress_or_young_stays(instance: dg.DagsterInstance) -> None:
    """Only what ended before the instant goes, so the week's budget is what it was."""
    open_run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
    now = datetime.now(UTC)
    young = _finish(instance, **BUDGET_TAGS, **{JOBS_TAG: "3"})
    assert prune_history(instance, now - timedelta(days=35), now).runs_deleted == 0
    assert count_spent(instance, now) == 3
    assert instance.has_run(young)
    assert prune_history(instance, LATER, LATER).runs_deleted == 1
    assert instance.has_run(open_run.run_id)


@on_sqlite
def test_run_that_was_repeated_goes_with_its_repetition(
    instance: dg.DagsterInstance,
) -> None:
    """The page of a re-execution names the run it repeats: none goes before the other."""
    first = _finish(instance)
    middle = datetime.now(UTC)
    repeated = create_run_for_test(
        instance,
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/root_run_id": first, "dagster/parent_run_id": first},
        root_run_id=first,
        parent_run_id=first,
    )
    pruned = prune_history(instance, middle, LATER)
    assert (pruned.runs_deleted, pruned.runs_shortened) == (0, 1)
    instance.report_run_canceled(repeated)
    assert prune_history(instance, LATER, LATER).runs_deleted == 2


class _LaterClock(ClockResource):
    def now(self) -> datetime:
        """Return an instant at which every run is old."""
        return LATER


def _prune(instance: dg.DagsterInstance) -> Any:
    defs = build_defs(resources={"clock": _LaterClock()})
    job = defs.resolve_job_def("prune_history_job")
    return job.execute_in_process(instance=instance)


def test_job_says_what_went_and_the_files_are_gone(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unset, everything stays; with an age, the run goes with its database and output."""
    run_id = _finish(instance)
    output = Path(instance.storage_directory()) / run_id
    output.mkdir(parents=True)
    _prune(instance)
    assert instance.has_run(run_id)
    monkeypatch.setenv("MOBILITY_KEEP_RUNS_DAYS", "90")
    result = _prune(instance)
    (handled,) = [
        event for event in result.all_events if event.event_type_value == "STEP_OUTPUT"
    ]
    said = {
        name: value.value for name, value in handled.step_output_data.metadata.items()
    }
    # The first run of the job is old by this clock, too.
    assert (said["runs_deleted"], said["runs_shortened"]) == (2, 0)
    assert said["events_deleted"] > 0
    assert not output.exists()
    home = Path(instance.root_directory)
    assert [path for path in home.rglob(f"*{run_id}*")] == []


@on_sqlite
def test_schedule_is_off(instance: dg.DagsterInstance) -> None:
    """Nothing is forgotten that nobody asked to forget."""
    schedule = build_defs().resolve_schedule_def("prune_history_daily_schedule")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
