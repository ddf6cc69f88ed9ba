"""Tests of the event log that keeps its databases open, against Dagster's own class."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from mobility_pipeline.resources.event_log import OpenSqliteEventLogStorage

ASSET = dg.AssetKey("days")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """DAGSTER_HOME, whose dagster.yaml names our class."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(
        "event_log_storage:\n"
        "  module: mobility_pipeline.resources.event_log\n"
        "  class: OpenSqliteEventLogStorage\n"
    )
    return tmp_path


@pytest.fixture
def open_instance(
    home: Path, request: pytest.FixtureRequest
) -> Callable[[], dg.DagsterInstance]:
    """Open the instance of the folder, once more each time."""

    def open_it() -> dg.DagsterInstance:
        instance = dg.DagsterInstance.from_config(str(home))
        request.addfinalizer(instance.dispose)
        return instance

    return open_it


def _materialize(instance: dg.DagsterInstance, partition: str) -> None:
    event = dg.AssetMaterialization(ASSET, partition=partition)
    instance.report_runless_asset_event(event)


def test_dagsters_own_class_reads_what_ours_wrote(
    home: Path, open_instance: Callable[[], dg.DagsterInstance]
) -> None:
    """And ours what its own then adds: the files are the same."""
    _materialize(open_instance(), "a")
    (home / "dagster.yaml").write_text("{}")
    own = open_instance()
    assert type(own.event_log_storage) is not OpenSqliteEventLogStorage
    assert own.get_materialized_partitions(ASSET) == {"a"}
    _materialize(own, "b")
    ours = OpenSqliteEventLogStorage(str(home / "history" / "runs"))
    assert ours.get_materialized_partitions(ASSET) == {"a", "b"}
    ours.dispose()


def test_instances_that_write_at_once_lose_nothing(
    open_instance: Callable[[], dg.DagsterInstance],
) -> None:
    """Four writers, each with its own connections, 20 partitions each."""
    writers = [open_instance() for _ in range(4)]

    def write(number: int) -> None:
        for i in range(20):
            _materialize(writers[number], f"{number}-{i}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    assert len(open_instance().get_materialized_partitions(ASSET)) == 80


def test_few_databases_stay_open(tmp_path: Path) -> None:
    """After looking at 30 runs, those of 7 are open, and the index at most."""
    storage = OpenSqliteEventLogStorage(str(tmp_path))
    for _ in range(30):
        storage.get_logs_for_run(str(uuid4()))
    assert len(_open_databases(tmp_path)) <= 8
    storage.dispose()
    assert _open_databases(tmp_path) == set()


def _open_databases(folder: Path) -> set[str]:
    links = Path("/proc/self/fd").iterdir()
    targets = {str(link.readlink()) for link in links if link.is_symlink()}
    return {
        name
        for name in targets
        if name.startswith(str(folder)) and name.endswith(".db")
    }


def test_wiped_log_is_empty_and_goes_on(
    open_instance: Callable[[], dg.DagsterInstance],
) -> None:
    """Deleting the files under open connections leaves none that writes into nowhere."""
    instance = open_instance()
    _materialize(instance, "a")
    instance.event_log_storage.wipe()
    assert instance.get_materialized_partitions(ASSET) == set()
    _materialize(instance, "b")
    assert instance.get_materialized_partitions(ASSET) == {"b"}
