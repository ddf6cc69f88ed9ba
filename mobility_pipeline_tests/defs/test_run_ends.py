"""How runs of an instance ended, read from Dagster's own records."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.tags import WILL_RETRY_TAG

from mobility_pipeline.alerts.runs import RunEnd, find_run_problems
from mobility_pipeline.defs.run_ends import read_run_ends


@dg.op(config_schema={"fails": bool})
def work(context: dg.OpExecutionContext) -> None:
    """Fail as a library does, or not."""
    if context.op_config["fails"]:
        raise LookupError("row of device-77")


@dg.job
def some_job() -> None:
    """Run the op."""
    work()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance without runs."""
    with dg.instance_for_test() as made:
        yield made


def _run(instance: dg.DagsterInstance, *, fails: bool, **tags: str) -> None:
    some_job.execute_in_process(
        instance=instance,
        run_config={"ops": {"work": {"config": {"fails": fails}}}},
        raise_on_error=False,
        tags=tags,
    )


def _read(instance: dg.DagsterInstance) -> list[RunEnd]:
    return read_run_ends(instance, datetime.now(UTC))


def test_an_unforeseen_error_is_told_without_its_words(
    instance: dg.DagsterInstance,
) -> None:
    """By its class and its job, until a run of that job succeeds."""
    _run(instance, fails=True)
    (problem,), _ = find_run_problems(_read(instance))
    assert problem.key == ("", "run", "runs of some_job", "LookupError")
    assert "device-77" not in str(problem)
    _run(instance, fails=False)
    assert find_run_problems(_read(instance))[0] == []


def test_a_run_is_of_the_feed_in_its_tag(instance: dg.DagsterInstance) -> None:
    """As schedules and the command line write it."""
    _run(instance, fails=True, feed="pings_trips")
    assert [end.line for end in _read(instance)] == [("pings_trips", "runs")]


def test_a_run_that_is_retried_or_long_gone_tells_nothing(
    instance: dg.DagsterInstance,
) -> None:
    """The retry tells; and what failed more than 30 days ago opens no alert."""
    _run(instance, fails=True, **{WILL_RETRY_TAG: "true"})
    assert _read(instance) == []
    _run(instance, fails=True)
    assert read_run_ends(instance, datetime.now(UTC) + timedelta(days=31)) == []


def test_a_run_that_ended_without_a_step_has_failed(
    instance: dg.DagsterInstance,
) -> None:
    """As when its process was killed."""
    _run(instance, fails=False)
    (run,) = instance.get_runs()
    instance.report_run_failed(run, "the process is gone")
    (end,) = _read(instance)
    assert end.errors == (("RunFailed", ""),)
