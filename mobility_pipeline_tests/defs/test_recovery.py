"""The schedules that repair and look again, and the runs they start."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.defs.recovery_budget import BUDGET_TAGS, JOBS_TAG
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline_tests.conftest import CITIES, Workplace
from mobility_pipeline_tests.defs.test_daily import FrozenClock

FULL = FEEDS["pings_full"]
ASSET = dg.AssetKey(["lake", "pings_full"])
RECOVER, RECHECK = "recover_missing_days_schedule", "recheck_recent_days_schedule"


def _enter(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a workplace's environment this process's."""
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def quiet(
    make_workplace: Callable[[dict[str, str]], Workplace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two cities that are expected from 1 March 2025 on; the newest day is the 13th."""
    _enter(make_workplace({"MOBILITY_START_DATE": "2025-03-01"}), monkeypatch)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with the cities as partitions."""
    with dg.instance_for_test() as made:
        made.add_dynamic_partitions("city", list(CITIES))
        yield made


def _tick(instance: dg.DagsterInstance, name: str) -> Any:
    """Evaluate a schedule once, on 20 March 2025."""
    resources = {
        "cities": CitiesResource(),
        "vendor": VendorResource(),
        "settings": SettingsResource(),
        "clock": FrozenClock(),
    }
    schedule = build_defs().resolve_schedule_def(name)
    names = {
        resource: resources[resource] for resource in schedule.required_resource_keys
    }
    context = dg.build_schedule_context(instance=instance, resources=names)
    assert isinstance(schedule, dg.ScheduleDefinition)
    return schedule.evaluate_tick(context)


def _config(request: Any) -> dict[str, Any]:
    ops = request.run_config["ops"]["lake__pings_full"]["ops"]
    return ops["plan_vendor_jobs"]["config"]


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(("name", "hour"), [(RECOVER, 6), (RECHECK, 10)])
def test_schedules_are_off_and_come_after_the_daily_load(name: str, hour: int) -> None:
    """Nobody pays for what was not switched on."""
    schedule = build_defs().resolve_schedule_def(name)
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.cron_schedule == f"0 {hour} * * *"


@pytest.mark.usefixtures("quiet")
def test_everything_missing_since_the_first_day_is_one_run(
    instance: dg.DagsterInstance,
) -> None:
    """13 days of 2 cities fit one vendor job; the op chooses the city-days itself."""
    (request,) = _tick(instance, RECOVER).run_requests
    assert _config(request) == {
        "cities": [],
        "start": "2025-03-01",
        "end": "2025-03-13",
        "recover": True,
        "max_jobs": 1,
    }
    assert request.tags[JOBS_TAG] == "1"


@pytest.mark.usefixtures("quiet")
def test_weekly_budget_is_what_runs_of_the_week_left(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """13 jobs are needed: 5 may be bought, 2 when others bought 3, none after 5."""
    monkeypatch.setenv("VERASET_MAX_DAYS", "1")
    seen: list[list[int]] = []
    for spent in ("0", "3", "2"):
        create_run_for_test(instance, tags={**BUDGET_TAGS, JOBS_TAG: spent})
        requests = _tick(instance, RECOVER).run_requests
        seen.append([_config(request)["max_jobs"] for request in requests])
    assert seen == [[5], [2], []]


@pytest.mark.usefixtures("quiet")
def test_skipped_tick_says_why(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a budget of none, the tick names what waits: 13 days × 2 cities."""
    monkeypatch.setenv("MOBILITY_RECOVERY_JOBS_PER_WEEK", "0")
    tick = _tick(instance, RECOVER)
    assert not tick.run_requests
    assert "pings_full: 26 city-days wait" in tick.skip_message


@pytest.mark.usefixtures("quiet")
def test_recheck_asks_for_the_newest_days_again(instance: dg.DagsterInstance) -> None:
    """7 days, the newest included, by the path of a refresh."""
    (request,) = _tick(instance, RECHECK).run_requests
    assert _config(request) == {
        "cities": [],
        "start": "2025-03-07",
        "end": "2025-03-13",
        "refresh": True,
    }


@pytest.fixture
def run(
    workplace: Workplace,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    newest: date,
) -> Callable[..., Any]:
    """Run the request job on the sandbox for the newest day, or more days before it."""
    _enter(workplace, monkeypatch)

    def execute(
        tags: dict[str, str] | None = None, days: int = 1, **config: object
    ) -> Any:
        start = newest - timedelta(days=days - 1)
        span = {"start": start.isoformat(), "end": newest.isoformat()}
        return (
            build_defs()
            .resolve_job_def("request_city_days_job")
            .execute_in_process(
                instance=instance,
                run_config=run_config(FULL, span | config),
                tags=tags,
                raise_on_error=False,
            )
        )

    return execute


def test_run_of_the_schedule_states_what_it_bought(
    instance: dg.DagsterInstance, run: Callable[..., Any]
) -> None:
    """It may buy 3 and buys 1; the next one finds everything there and buys none."""
    tags = {**BUDGET_TAGS, JOBS_TAG: "3"}
    spent = []
    for _ in range(2):
        result = run(tags, recover=True, max_jobs=3)
        assert result.success
        stored = instance.get_run_by_id(result.run_id)
        assert stored is not None
        spent.append(stored.tags[JOBS_TAG])
    assert spent == ["1", "0"]


def test_days_that_wait_do_not_fail_a_recovery(
    sandbox: Sandbox, run: Callable[..., Any], newest: date
) -> None:
    """The run that asked in vain fails; the next, with nothing to ask, does not."""
    sandbox.set_vendor_faults(undelivered_dates=[newest.isoformat()])
    assert not run(recover=True).success
    assert run(recover=True).success
    assert len(sandbox.jobs()) == 1


def test_failed_run_names_what_is_missing_in_ranges(
    sandbox: Sandbox, run: Callable[..., Any], newest: date
) -> None:
    """Three days of a city that lack for one reason are one range."""
    days = [(newest - timedelta(days=back)).isoformat() for back in (2, 1, 0)]
    sandbox.set_vendor_faults(undelivered_dates=days)
    (failure,) = [event for event in run(days=3).all_events if event.is_step_failure]
    text = failure.step_failure_data.user_failure_data.description
    assert text.startswith("pings_full: 6 city-days are missing (6 not_delivered): ")
    for city in CITIES:
        assert f"{city} {days[0]} to {days[2]} not_delivered" in text


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"recover": True, "refresh": True}, "recover asks for missing days"),
        ({"recover": True, "max_jobs": -1}, "max_jobs"),
    ],
)
def test_impossible_config_is_one_line(
    sandbox: Sandbox, run: Callable[..., Any], config: dict[str, Any], says: str
) -> None:
    """A mistake in the launchpad is a failure that says so, before anything is bought."""
    result = run(**config)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert says in failure.step_failure_data.user_failure_data.description
    assert sandbox.jobs() == []


def _metadata(result: Any) -> dict[str, dict[str, Any]]:
    """Return partition -> metadata of what a run materialized."""
    events = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization
    ]
    return {
        str(event.partition): {
            name: value.value for name, value in event.metadata.items()
        }
        for event in events
    }


def test_changed_day_says_its_rows_before_and_after(
    sandbox: Sandbox, run: Callable[..., Any], newest: date
) -> None:
    """Of two days one is restated: it names both numbers, the other neither."""
    first = _metadata(run(days=2))
    assert not any("rows_before" in metadata for metadata in first.values())
    sandbox.set_vendor_faults(restate_dates=[newest.isoformat()])
    second = _metadata(run(days=2, refresh=True))
    assert second.keys() == first.keys()
    for partition, metadata in second.items():
        if partition.endswith(newest.isoformat()):
            assert metadata["rows_before"] == first[partition]["rows"]
            assert metadata["rows_after"] == metadata["rows"]
        else:
            assert "rows_before" not in metadata


def test_landed_day_says_what_the_month_took(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One job of 2 cities × 3 days: 1 job used, 3 left, 3 area-days of each city."""
    monkeypatch.setenv("VERASET_MONTHLY_JOBS", "4")
    found = _metadata(run(days=3))
    assert len(found) == 6
    for metadata in found.values():
        assert metadata["vendor_jobs_used_this_month"] == 1
        assert metadata["vendor_jobs_left_this_month"] == 3
        assert metadata["area_days_of_city_this_month"] == 3
