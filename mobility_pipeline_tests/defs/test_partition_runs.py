"""Runs with partitions, as the web UI starts them, in this process on the sandbox."""

from datetime import date
from typing import Any

import dagster as dg

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.conftest import CITIES

ASSET = dg.AssetKey(["lake", "pings_full"])


def _materialize(instance: dg.DagsterInstance, partition: str) -> Any:
    job = build_defs().resolve_job_def("request_city_days_job")
    return job.execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )


def test_single_partition_materializes_itself_only(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """One city-day is asked for, landed, and reported with its metadata."""
    partition = f"{CITIES[0]}|{newest}"
    assert _materialize(instance, partition).success
    assert instance.get_materialized_partitions(ASSET) == {partition}
    event = instance.get_latest_materialization_event(ASSET)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert set(metadata) >= {
        "rows",
        "devices",
        "bytes",
        "files",
        "uri",
        "vendor_job_id",
    }
    assert metadata["uri"].value == (
        f"s3://mobility-lake/data/{CITIES[0]}/date={newest}/"
    )


def test_materializing_twice_reports_again_and_buys_nothing(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """A second run of the partition is green, from the lake."""
    partition = f"{CITIES[0]}|{newest}"
    runs = [_materialize(instance, partition) for _ in range(2)]
    assert [run.success for run in runs] == [True, True]
    for run in runs:
        events = run.asset_materializations_for_node("lake__pings_full.settle")
        events += run.asset_materializations_for_node("lake__pings_full.land_delivery")
        assert [event.partition for event in events if event.partition] or run
    assert len(sandbox.jobs()) == 1


def test_partition_that_was_not_delivered_stays_missing_and_fails_the_run(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """The run is red with one line that names city, date and reason."""
    sandbox.set_vendor_faults(undelivered_dates=[newest.isoformat()])
    result = _materialize(instance, f"{CITIES[0]}|{newest}")
    assert not result.success
    assert instance.get_materialized_partitions(ASSET) == set()
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert f"{CITIES[0]} {newest} not_delivered" in description
    assert "\n" not in description
