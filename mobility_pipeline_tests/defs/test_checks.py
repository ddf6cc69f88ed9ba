"""Asset checks on the sandbox: a landing evaluates them on the partition."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus,
)

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.checks import CITY_DAY_CHECKS, FEED_CHECKS
from mobility_pipeline.defs.launch import run_config
from mobility_pipeline.resources.adapters import ClockResource
from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline_tests.conftest import CITIES

ASSET = dg.AssetKey(["lake", "pings_full"])


def _run(instance: dg.DagsterInstance, job: str, **options: Any) -> Any:
    return (
        build_defs()
        .resolve_job_def(job)
        .execute_in_process(instance=instance, raise_on_error=False, **options)
    )


def _evaluations(
    instance: dg.DagsterInstance, check: str
) -> list[dg.AssetCheckEvaluation]:
    """Return what was found, newest first."""
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(ASSET, check), limit=1000
    )
    return [record.evaluation for record in history if record.evaluation]


def _shown(instance: dg.DagsterInstance, check: str) -> set[str]:
    """Return the partitions on which the UI shows what a check found."""
    infos = instance.event_log_storage.get_asset_check_partition_info(
        [dg.AssetCheckKey(ASSET, check)]
    )
    return {
        str(info.partition_key)
        for info in infos
        if info.is_current
        and info.latest_execution_status != AssetCheckExecutionRecordStatus.PLANNED
    }


def _is_well(found: dg.AssetCheckEvaluation) -> bool:
    """Whether it passed; on some dates several of a few pings have no readable position."""
    is_warning = found.severity == dg.AssetCheckSeverity.WARN
    return found.passed or (found.check_name == "inside_area" and is_warning)


def test_a_landing_evaluates_every_check_on_the_partition(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """One evaluation of each check per city-day; none finds the sandbox's pings wrong."""
    partition = f"{CITIES[0]}|{newest}"
    assert _run(instance, "request_city_days_job", partition_key=partition).success
    for name in CITY_DAY_CHECKS:
        (found,) = _evaluations(instance, name)
        assert (found.partition, _is_well(found)) == (partition, True), (
            found.description
        )
        assert _shown(instance, name) == {partition}


def test_a_city_day_landed_again_shows_the_new_evaluation(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """Each evaluation names the materialization it is about: the newest one counts."""
    partition = f"{CITIES[0]}|{newest}"
    for _ in range(2):
        assert _run(instance, "request_city_days_job", partition_key=partition).success
    stored = instance.fetch_materializations(ASSET, limit=10).records
    found = _evaluations(instance, "unique_pings")
    targets = [each.target_materialization_data for each in found]
    assert [target and target.storage_id for target in targets] == [
        record.storage_id for record in stored
    ]
    assert _shown(instance, "unique_pings") == {partition}


def test_a_step_that_is_tried_again_reports_each_city_day_once(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """Of two days one lands, the other when S3 is well again, in the same run."""
    sandbox.set_s3_faults(fail_puts_matching=f"date={newest}")

    class Repairing(ClockResource):
        def sleep(self, seconds: float) -> None:
            if seconds == 1:  # before a landing is tried again
                sandbox.set_s3_faults(fail_puts_matching=None)

    days = [f"{CITIES[0]}|{newest - timedelta(days=offset)}" for offset in (1, 0)]
    job = build_defs(resources={"clock": Repairing()}).resolve_job_def(
        "request_city_days_job"
    )
    tags = {
        "dagster/asset_partition_range_start": days[0],
        "dagster/asset_partition_range_end": days[1],
    }
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert result.success
    assert [e for e in result.all_events if e.is_step_up_for_retry]
    stored = instance.fetch_materializations(ASSET, limit=10).records
    assert sorted(str(record.partition_key) for record in stored) == days
    assert len(_evaluations(instance, "unique_pings")) == 2
    assert _shown(instance, "unique_pings") == set(days)


def test_a_stray_file_fails_the_check_of_its_partition(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """Run again on the partition, the check names the file, and judges nothing else."""
    partition = f"{CITIES[1]}|{newest}"
    assert _run(instance, "request_city_days_job", partition_key=partition).success
    _put(sandbox, f"data/{CITIES[1]}/date={newest}/part-00009-stray.snappy.parquet")
    assert _run_checks(instance, "manifest_matches_objects", partition).success
    found, before = _evaluations(instance, "manifest_matches_objects")
    assert (before.passed, found.passed) == (True, False)
    assert found.partition == partition
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert "part-00009-stray.snappy.parquet is in no manifest" in str(found.description)
    assert len(_evaluations(instance, "unique_pings")) == 1


def test_checks_of_city_days_need_a_partition(instance: dg.DagsterInstance) -> None:
    """Started on nothing, they fail with one line that says what to do."""
    result = _run_checks(instance, "unique_pings", None)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.description == "no city-day is chosen: run it on a partition"


def test_a_materialization_with_its_checks_evaluates_each_once(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """As the UI's button starts it: planned checks get what the landing found."""
    partition = f"{CITIES[0]}|{newest}"
    job = build_defs().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )
    assert result.success
    for name in CITY_DAY_CHECKS:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(ASSET, name), limit=10
        )
        assert record.evaluation is not None
        assert (record.partition, _is_well(record.evaluation)) == (partition, True)
    for name in FEED_CHECKS:
        (record,) = instance.event_log_storage.get_asset_check_execution_history(
            dg.AssetCheckKey(ASSET, name), limit=10
        )
        assert record.status != AssetCheckExecutionRecordStatus.PLANNED
        assert record.evaluation is not None
        assert record.evaluation.partition is None


@pytest.fixture
def one_of_two_cities(
    instance: dg.DagsterInstance, newest: date, monkeypatch: pytest.MonkeyPatch
) -> date:
    """One city has one day of three, the other none; gives the first of the three."""
    start = newest - timedelta(days=2)
    monkeypatch.setenv("MOBILITY_START_DATE", start.isoformat())
    monkeypatch.setenv(
        "VERASET_LAG_DAYS", str((datetime.now(UTC).date() - newest).days)
    )
    landed = f"{CITIES[0]}|{newest}"
    assert _run(instance, "request_city_days_job", partition_key=landed).success
    return start


def test_daily_job_names_missing_days(
    instance: dg.DagsterInstance, newest: date, one_of_two_cities: date
) -> None:
    """One city has one day of three, the other none: it says so, as the landing did."""
    start = one_of_two_cities
    assert _run(instance, "check_lake_job").success
    dates, after_landing = _evaluations(instance, "no_missing_dates")
    assert dates.description == after_landing.description
    assert not dates.passed
    assert dates.partition is None
    assert dates.severity == dg.AssetCheckSeverity.WARN
    assert dates.metadata["missing_city_days"].value == 5
    assert f"{CITIES[1]} {start} to {newest} (not_requested)" in str(dates.description)
    assert len(_evaluations(instance, "volume_within_baseline")) == 2


@pytest.mark.usefixtures("one_of_two_cities")
def test_late_cities_are_summed_up_by_what_shows_first(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """After one evaluation of each city, those behind last, comes the one of all."""
    assert _run(instance, "check_lake_job").success
    found = _evaluations(instance, "city_freshness")
    assert [(each.partition, each.passed) for each in found[:3]] == [
        (None, False),
        (f"{CITIES[1]}|{newest}", False),
        (f"{CITIES[0]}|{newest}", True),
    ]
    assert "1 of 2 cities are behind" in str(found[0].description)
    assert CITIES[1] in str(found[0].description)


@pytest.mark.usefixtures("one_of_two_cities")
def test_freshness_run_by_its_button_sums_up_all_cities(
    instance: dg.DagsterInstance,
) -> None:
    """What was planned is the newest: nothing comes after it that would hide it."""
    before = len(_evaluations(instance, "city_freshness"))
    assert _run_checks(instance, "city_freshness", None).success
    found = _evaluations(instance, "city_freshness")
    assert len(found) == before + 1
    assert "1 of 2 cities are behind" in str(found[0].description)


def test_an_unreadable_manifest_is_a_finding_of_the_city_day(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """A manifest that is not JSON is what the check finds; no traceback, no pass."""
    partition = f"{CITIES[0]}|{newest}"
    assert _run(instance, "request_city_days_job", partition_key=partition).success
    _put(sandbox, f"data/{CITIES[0]}/date={newest}/_manifest.json")
    assert _run_checks(instance, "manifest_matches_objects", partition).success
    found = _evaluations(instance, "manifest_matches_objects")[0]
    assert not found.passed
    assert "is not readable" in str(found.description)


def test_daily_job_finds_a_part_that_went(
    sandbox: Sandbox, instance: dg.DagsterInstance, newest: date
) -> None:
    """It fails on its partition, the whole one does not; landed anew, it passes."""
    gone, whole = (f"{city}|{newest}" for city in CITIES)
    for partition in (gone, whole):
        assert _run(instance, "request_city_days_job", partition_key=partition).success
    s3 = connect_internally(sandbox.s3_url)
    folder = f"data/{CITIES[0]}/date={newest}/part-"
    (part,) = s3.list_objects_v2(Bucket=LAKE_BUCKET, Prefix=folder).get("Contents", [])
    key = part.get("Key", "")
    s3.delete_object(Bucket=LAKE_BUCKET, Key=key)
    assert _run(instance, "check_lake_job").success
    found, *landed = _evaluations(instance, "manifest_matches_objects")
    assert [each.passed for each in landed] == [True, True]
    assert (found.partition, found.passed) == (gone, False)
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert key.rpartition("/")[2] in str(found.description)
    assert found.metadata["kinds"].value == ["object_missing"]
    assert _shown(instance, "manifest_matches_objects") == {gone, whole}
    span = {"start": newest.isoformat(), "end": newest.isoformat(), "refresh": True}
    config = run_config(FEEDS["pings_full"], span | {"cities": [CITIES[0]]})
    assert _run(instance, "request_city_days_job", run_config=config).success
    assert _run(instance, "check_lake_job").success
    newer = _evaluations(instance, "manifest_matches_objects")[0]
    assert (newer.partition, newer.passed) == (gone, True)


@pytest.mark.usefixtures("one_of_two_cities")
def test_daily_job_that_cannot_list_the_lake_fails(
    sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    """A listing that failed finds nothing missing: the run says what it could not do."""
    sandbox.set_s3_faults(deny_bucket=LAKE_BUCKET)
    before = len(_evaluations(instance, "manifest_matches_objects"))
    result = _run(instance, "check_lake_job")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "S3 refused" in failure.step_failure_data.user_failure_data.description
    assert len(_evaluations(instance, "manifest_matches_objects")) == before


@pytest.mark.usefixtures("one_of_two_cities")
def test_daily_job_does_not_take_an_emptied_lake_for_missing_days(
    sandbox: Sandbox, instance: dg.DagsterInstance
) -> None:
    """A wrong bucket lists nothing: it is named, and no city-day fails for it."""
    sandbox.empty_lake()
    before = len(_evaluations(instance, "manifest_matches_objects"))
    result = _run(instance, "check_lake_job")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    description = failure.step_failure_data.user_failure_data.description
    assert f"bucket {LAKE_BUCKET} named no object" in description
    assert len(_evaluations(instance, "manifest_matches_objects")) == before


def _put(sandbox: Sandbox, key: str) -> None:
    client = connect_internally(sandbox.s3_url)
    client.put_object(Bucket="mobility-lake", Key=key, Body=b"not what it seems")


def _run_checks(
    instance: dg.DagsterInstance, check: str, partition: str | None
) -> dg.ExecuteInProcessResult:
    """Run one check alone, as its button in the UI does."""
    key = dg.AssetCheckKey(ASSET, check)
    job = build_defs().resolve_implicit_global_asset_job_def()
    chosen = job.get_subset(asset_selection=set(), asset_check_selection={key})
    return chosen.execute_in_process(
        instance=instance, partition_key=partition, raise_on_error=False
    )
