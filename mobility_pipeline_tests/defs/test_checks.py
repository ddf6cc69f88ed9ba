"""Asset checks on the sandbox: a landing evaluates them on the partition."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import pytest

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.checks import CITY_DAY_CHECKS
from mobility_pipeline_tests.conftest import CITIES, Workplace

ASSET = dg.AssetKey(["lake", "pings_full"])


@pytest.fixture
def instance(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with the cities as partitions."""
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test() as made:
        made.add_dynamic_partitions("city", list(CITIES))
        yield made


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


def test_a_landing_evaluates_every_check_on_the_partition(
    instance: dg.DagsterInstance, newest: date
) -> None:
    """One evaluation of each check per city-day, all passed on the sandbox's pings."""
    partition = f"{CITIES[0]}|{newest}"
    assert _run(instance, "request_city_days_job", partition_key=partition).success
    for name in CITY_DAY_CHECKS:
        (found,) = _evaluations(instance, name)
        print(name, found.description, found.metadata)
        assert (found.partition, found.passed) == (partition, True), found.description
