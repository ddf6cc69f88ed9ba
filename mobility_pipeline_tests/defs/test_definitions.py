"""The code location: loads on a bare laptop, holds exactly the published names."""

import json
import subprocess
import sys
from collections.abc import Iterator

import dagster as dg
import pytest

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.settings import PROJECT, Settings

ANALYTICS = {
    f"analytics/{name}"
    for name in (
        "positionfixes",
        "device_hours",
        "presence",
        "flows",
        "od",
        "staypoints",
        "dwell",
        "device_days",
        "home_regions",
    )
}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MOBILITY_ENV_FILE", "/dev/null")
    # Dagster asks the last instance of the process for state, even one that is gone.
    with dg.instance_for_test():
        yield


def _asset_keys(defs: dg.Definitions) -> set[str]:
    keys = defs.resolve_asset_graph().get_all_asset_keys()
    return {key.to_user_string() for key in keys}


def test_published_names() -> None:
    """Assets of feeds with their checks and of derived tables, jobs, schedules, sensors."""
    defs = build_defs()
    assert _asset_keys(defs) == {"lake/pings_full", *ANALYTICS}
    repository = defs.get_repository_def()
    checks = defs.resolve_asset_graph().asset_check_keys
    assert {(key.asset_key.to_user_string(), key.name) for key in checks} == {
        ("lake/pings_full", name)
        for name in (
            "manifest_matches_objects",
            "matches_schema",
            "inside_area",
            "unique_pings",
            "utc_date_matches",
            "volume_within_baseline",
            "no_missing_dates",
            "city_freshness",
        )
    }
    assert {
        "request_city_days_job",
        "observe_coverage_job",
        "check_lake_job",
        "prune_history_job",
        "derive_city_days_job",
    } <= {*repository.job_names}
    assert {schedule.name for schedule in repository.schedule_defs} == {
        "load_daily_city_days_schedule",
        "check_lake_daily_schedule",
        "recover_missing_days_schedule",
        "recheck_recent_days_schedule",
        "observe_coverage_daily_schedule",
        "prune_history_daily_schedule",
    }
    assert {sensor.name for sensor in repository.sensor_defs} == {
        "sync_city_partitions_sensor",
        "report_failed_city_days_sensor",
        "alert_sensor",
        "derive_changed_city_days_sensor",
    }


def test_import_needs_no_environment() -> None:
    """A process without any variable loads the definitions."""
    done = subprocess.run(
        [sys.executable, "-c", "import mobility_pipeline.definitions"],
        env={},
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_each_enabled_schema_is_an_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two schemas with a bucket each give two assets in one job."""
    configs = {"movement/job/pings": {"enabled_schemas": ["FULL", "TRIPS"]}}
    monkeypatch.setenv("DAILY_SYNC_ENDPOINT_CONFIGS", json.dumps(configs))
    monkeypatch.setenv("S3_BUCKET", "lake")
    with pytest.raises(ConfigurationError, match="never share a bucket"):
        build_defs()
    monkeypatch.setenv("S3_BUCKET_MOVEMENT_PINGS_TRIPS", "trips")
    defs = build_defs()
    assert _asset_keys(defs) == {"lake/pings_full", "lake/pings_trips", *ANALYTICS}
    assert defs.resolve_job_def("request_city_days_job")


def test_schedule_starts_at_sync_time_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """SYNC_TIME becomes the cron expression."""
    monkeypatch.setenv("SYNC_TIME", "04:30")
    schedule = build_defs().resolve_schedule_def("load_daily_city_days_schedule")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.cron_schedule == "30 4 * * *"
    assert schedule.execution_timezone == "UTC"


def test_tables_are_derived_from_the_feed_that_is_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ANALYTICS_SOURCE; a feed that is not enabled is refused by the variable's name."""
    configs = {"movement/job/pings": {"enabled_schemas": ["FULL", "TRIPS"]}}
    monkeypatch.setenv("DAILY_SYNC_ENDPOINT_CONFIGS", json.dumps(configs))
    monkeypatch.setenv("ANALYTICS_SOURCE", "pings_trips")
    graph = build_defs().resolve_asset_graph()
    fixes = graph.get(dg.AssetKey(["analytics", "positionfixes"]))
    assert fixes.parent_keys == {dg.AssetKey(["lake", "pings_trips"])}
    monkeypatch.setenv("ANALYTICS_SOURCE", "pings_basic")
    with pytest.raises(ConfigurationError, match="ANALYTICS_SOURCE"):
        build_defs()
