"""What every test of the definitions starts from."""

import gc
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage

from mobility_pipeline_tests.conftest import CITIES, Workplace


@pytest.fixture(autouse=True)
def forget_earlier_instances() -> Iterator[None]:
    """Start without the instances of earlier tests.

    Dagster remembers the last one that was made in a context variable, asks it whenever
    definitions are built, and fails once it is gone. A context of an earlier test that is
    collected later would bring its instance back.
    """
    gc.collect()
    with set_defs_state_storage(None):
        yield


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
