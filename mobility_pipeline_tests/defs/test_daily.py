"""The daily schedule and the sensor of cities, evaluated on a frozen day."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.errors import ScheduleExecutionError

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.cities import sync_city_partitions_sensor
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import load_settings
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline.vendor.records import CityDayState, JobState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.conftest import CITIES, Workplace

TODAY = datetime(2025, 3, 20, 2, 0, tzinfo=UTC)
NEWEST = date(2025, 3, 13)
"""Today minus the lag of 7 days."""


class FrozenClock(ClockResource):
    """A day that does not pass."""

    def now(self) -> datetime:
        """Return the frozen instant."""
        return TODAY


@pytest.fixture
def place(
    make_workplace: Callable[[dict[str, str]], Workplace],
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    """A workplace whose environment is this process's."""
    workplace = make_workplace({})
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    return workplace


def _tick() -> list[Any]:
    """Evaluate the schedule once; returns its run requests."""
    resources = {
        "cities": CitiesResource(),
        "vendor": VendorResource(),
        "settings": SettingsResource(),
        "clock": FrozenClock(),
    }
    with dg.instance_for_test() as instance:
        schedule = build_defs().resolve_schedule_def("load_daily_city_days_schedule")
        context = dg.build_schedule_context(instance=instance, resources=resources)
        assert isinstance(schedule, dg.ScheduleDefinition)
        return list(schedule.evaluate_tick(context).run_requests or [])


def _config(request: Any) -> dict[str, Any]:
    ops = request.run_config["ops"]["lake__pings_full"]["ops"]
    return ops["plan_vendor_jobs"]["config"]


def _deliver(days: set[CityDay]) -> None:
    """Record city-days as delivered."""
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    dates = [day.date for day in days]
    cities = tuple(open_registry(settings).load().active.values())
    request = JobRequest(FEEDS["pings_full"], min(dates), max(dates), cities)
    job = ledger.add_planned(request, days, TODAY)
    ledger.mark_submitted(job.ref, f"job-{job.ref}", TODAY)
    ledger.mark_status(job.ref, JobState.SUCCESS, TODAY, bucket="b", folder_path="f")
    ledger.settle(job.ref, dict.fromkeys(days, (CityDayState.DELIVERED, "")), TODAY)


def _days(city: str, offsets: range) -> set[CityDay]:
    return {CityDay(city, NEWEST - timedelta(days=offset)) for offset in offsets}


@pytest.mark.usefixtures("place")
def test_first_tick_asks_for_the_newest_day_and_14_before_it() -> None:
    """Both cities lack everything: one request over 15 days."""
    (request,) = _tick()
    assert _config(request) == {
        "cities": sorted(CITIES),
        "start": "2025-02-27",
        "end": "2025-03-13",
    }


@pytest.mark.usefixtures("place")
def test_tick_asks_from_the_first_day_that_is_missing() -> None:
    """With all but the newest day delivered, only that one is asked for."""
    _deliver(_days(CITIES[0], range(1, 15)) | _days(CITIES[1], range(1, 15)))
    (request,) = _tick()
    assert _config(request)["start"] == NEWEST.isoformat()


@pytest.mark.usefixtures("place")
def test_complete_city_is_left_out() -> None:
    """Who lacks nothing is not asked for; when nobody does, the tick is skipped."""
    _deliver(_days(CITIES[0], range(15)))
    (request,) = _tick()
    assert _config(request)["cities"] == [CITIES[1]]
    _deliver(_days(CITIES[1], range(15)))
    assert _tick() == []


@pytest.mark.usefixtures("place")
def test_repeated_tick_has_the_same_run_key() -> None:
    """Dagster starts a run key once, so a tick that repeats starts nothing."""
    assert [r.run_key for r in _tick()] == [r.run_key for r in _tick()]


def test_200_cities_share_a_run(place: Workplace) -> None:
    """203 cities are two runs: 200 and 3."""
    template = json.loads((place.cities / f"{CITIES[1]}.geojson").read_text())
    for number in range(201):
        key = f"kenya/town_{number:03}"
        template["properties"]["key"] = key
        template["geometry"]["coordinates"] = [36.0 + number / 100, 0.5]
        (place.cities / f"{key}.geojson").write_text(json.dumps(template))
    assert [len(_config(request)["cities"]) for request in _tick()] == [200, 3]


def _evaluate_sensor(instance: dg.DagsterInstance) -> Any:
    context = dg.build_sensor_context(
        instance=instance, resources={"cities": CitiesResource()}
    )
    return sync_city_partitions_sensor(context)


def test_sensor_keeps_partitions_equal_to_active_cities(place: Workplace) -> None:
    """New cities are added, retired ones removed, refused ones kept, and then no more."""
    with dg.instance_for_test() as instance:
        (added,) = _evaluate_sensor(instance).dynamic_partitions_requests
        assert sorted(added.partition_keys) == sorted(CITIES)
        instance.add_dynamic_partitions("city", [*CITIES, "gone/city"])
        path = place.cities / f"{CITIES[0]}.geojson"
        path.write_text("not JSON")
        (removed,) = _evaluate_sensor(instance).dynamic_partitions_requests
        assert list(removed.partition_keys) == ["gone/city"]
        instance.delete_dynamic_partition("city", "gone/city")
        assert isinstance(_evaluate_sensor(instance), dg.SkipReason)


def test_empty_registry_is_an_error_and_no_reason_to_drop_partitions(
    place: Workplace,
) -> None:
    """A mistyped MOBILITY_CITIES neither reads as complete nor wipes the grid."""
    for key in CITIES:
        (place.cities / f"{key}.geojson").unlink()
    with pytest.raises(ScheduleExecutionError) as caught:
        _tick()
    assert "no active city" in str(caught.value.__cause__)
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("city", list(CITIES))
        assert isinstance(_evaluate_sensor(instance), dg.SkipReason)
