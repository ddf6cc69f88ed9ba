"""The sensor that tells people: from real runs and a real ledger to a real receiver."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.resources.adapters import (
    AlertsResource,
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline_tests.alerts.receiver import SECRET, Receiver
from mobility_pipeline_tests.conftest import CITIES


class _Clock(ClockResource):
    """A clock that is hours ahead of the real one."""

    hours: float = 0

    def now(self) -> datetime:
        """Return that instant."""
        return datetime.now(UTC) + timedelta(hours=self.hours)


class World:
    """An instance, a receiver, and what it was told."""

    def __init__(self, instance: dg.DagsterInstance, receiver: Receiver) -> None:
        self.instance = instance
        self.receiver = receiver

    def run(self, newest: date) -> bool:
        """Request the newest day of both cities; returns whether the run succeeded."""
        span = {"start": newest.isoformat(), "end": newest.isoformat()}
        job = build_defs().resolve_job_def("request_city_days_job")
        config = run_config(FEEDS["pings_full"], span)
        result = job.execute_in_process(
            instance=self.instance, run_config=config, raise_on_error=False
        )
        return result.success

    def tick(self, hours: float = 0) -> str:
        """Evaluate once, some hours from now; returns the summary."""
        sensor = build_defs().resolve_sensor_def("alert_sensor")
        context = dg.build_sensor_context(
            instance=self.instance,
            resources={
                "alerts": AlertsResource(),
                "cities": CitiesResource(),
                "vendor": VendorResource(),
                "settings": SettingsResource(),
                "clock": _Clock(hours=hours),
            },
        )
        return str(sensor.evaluate_tick(context).skip_message)

    @property
    def titles(self) -> list[str]:
        """Titles of what the receiver took."""
        return [
            post["title"].removeprefix("Mobility alerts: ")
            for post in self.receiver.taken
        ]


@pytest.fixture
def world(
    instance: dg.DagsterInstance, newest: date, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Two cities that are expected from the newest day on, and a webhook."""
    with Receiver() as receiver:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", receiver.url)
        monkeypatch.setenv("ALERT_WEBHOOK_SECRET", SECRET)
        monkeypatch.setenv("MOBILITY_START_DATE", newest.isoformat())
        monkeypatch.setenv("VERASET_LAG_DAYS", "9")  # so that day is the newest
        yield World(instance, receiver)


def _alerts(post: dict[str, Any], change: str) -> list[dict[str, Any]]:
    return post["data"][change]


def test_a_failed_job_is_told_daily_until_its_days_arrive(
    sandbox: Sandbox, world: World, newest: date
) -> None:
    """One alert for both cities: opened, repeated the next day, closed."""
    sandbox.set_vendor_faults(fail_jobs=1)
    assert not world.run(newest)
    assert world.tick().startswith("1 open alerts: 1 new")
    assert world.tick().startswith("1 open alerts: 0 new, 0 told again")
    world.tick(hours=36)
    assert world.run(newest)
    world.tick()
    assert world.titles == ["1 opened", "1 still open", "1 closed"]
    (alert,) = _alerts(world.receiver.taken[0], "opened")
    assert alert["reason"] == "job_failed"
    assert {day["city"] for day in alert["days"]} == set(CITIES)
    assert "The daily load asks for them at" in alert["by_itself"]
    assert "mobility request --feed pings_full" in alert["by_person"]


def test_a_wrong_key_is_told_and_closed_by_a_run_that_gets_through(
    world: World, newest: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's error is the problem; the key itself is nowhere."""
    with monkeypatch.context() as wrong:
        wrong.setenv("VERASET_API_KEY", "wrong-s3cret")
        assert not world.run(newest)
        world.tick()
    (alert,) = _alerts(world.receiver.taken[0], "opened")
    assert (alert["kind"], alert["subject"]) == ("run", "runs")
    assert alert["reason"] == "VendorAuthenticationError"
    assert "s3cret" not in str(world.receiver.taken)
    assert world.run(newest)
    world.tick()
    assert world.titles == ["1 opened", "1 closed"]


def test_a_receiver_that_is_down_gets_it_when_it_is_back(
    world: World, newest: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undelivered is said in the tick, and the next one delivers."""
    monkeypatch.setenv("VERASET_API_KEY", "wrong")
    assert not world.run(newest)
    world.receiver.answers += [404]
    assert world.tick().endswith("1 notifications sent, 1 channels failed")
    assert world.titles == []
    assert world.tick().endswith("1 notifications sent, 0 channels failed")
    assert world.titles == ["1 opened"]


def test_a_broken_registry_is_told_and_repairs_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, newest: date
) -> None:
    """A folder that is gone is one alert; it is closed when the folder is back."""
    with monkeypatch.context() as gone:
        gone.setenv("MOBILITY_CITIES", "/nowhere/at/all")
        world.tick()
    assert world.titles == ["1 opened"]
    (alert,) = _alerts(world.receiver.taken[0], "opened")
    assert alert["subject"] == "registry of cities"
    world.tick()
    assert world.titles == ["1 opened", "1 closed"]
