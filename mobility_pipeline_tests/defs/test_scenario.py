"""A year of 51 cities, as it went for the users: holes, then one recovery.

Day numbers count from the first of 426 days. By hand, for the recovery: no window of 31
days holds two of the missing days 40, 100, 150, 213 and 300, so five vendor jobs are the
fewest; windows that begin on those days hold every missing day, so five are enough.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.geojson import dump_geojson
from mobility_pipeline.definitions import build_defs
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.defs.launch import open_instance
from mobility_pipeline.resources.adapters import (
    AlertsResource,
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.settings import load_settings
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.reindex import Held, LakeIndex
from mobility_pipeline_tests.conftest import Workplace

DAYS = 426
TODAY = datetime(2025, 3, 20, 8, 0, tzinfo=UTC)
NEWEST = date(2025, 3, 13)
"""Today minus the lag of 7 days."""
FIRST = NEWEST - timedelta(days=DAYS - 1)

COMPLETE = range(12)
HOLED = range(12, 50)
"""Lack all three windows."""
ADDED = 50
"""Watched from day 213 on; lacks its first five days and the last window."""
RETIRED = 51

FAILED_WINDOW = range(40, 71)
"""The vendor's job for it failed."""
LOST_WINDOW = range(150, 181)
"""Nobody ever asked."""
REFUSED_WINDOW = range(300, 331)
"""The vendor refused to take the job."""
ADDED_ON = 213
UNAVAILABLE = (13, 100)
"""A city and a day that the vendor does not have."""
LATE = (14, 101)
"""A city and a day that only need asking again."""


def _key(city: int) -> str:
    return f"testland/city_{city:02}"


def _day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _city_days(cities: Iterable[int], days: Iterable[int]) -> set[CityDay]:
    days = list(days)
    return {CityDay(_key(city), _day(day)) for city in cities for day in days}


def _missing() -> dict[str, set[CityDay]]:
    """Return reason -> the city-days that are missing before the recovery."""
    return {
        "job_failed": _city_days(HOLED, [*FAILED_WINDOW, *REFUSED_WINDOW]),
        "not_requested": _city_days(HOLED, LOST_WINDOW)
        | _city_days([ADDED], REFUSED_WINDOW)
        | _city_days([ADDED], range(ADDED_ON, ADDED_ON + 5))
        | _city_days([UNAVAILABLE[0]], [UNAVAILABLE[1]])
        | _city_days([LATE[0]], [LATE[1]]),
    }


class _FrozenClock(ClockResource):
    """A morning that does not pass."""

    def now(self) -> datetime:
        """Return the frozen instant."""
        return TODAY


@pytest.fixture
def place(
    sandbox: Sandbox,
    make_workplace: Callable[[dict[str, str]], Workplace],
    monkeypatch: pytest.MonkeyPatch,
) -> Workplace:
    """52 cities on the sandbox; this process's environment is theirs."""
    workplace = make_workplace(
        {**sandbox.environment, "MOBILITY_START_DATE": FIRST.isoformat()}
    )
    for path in workplace.cities.rglob("*.geojson"):
        path.unlink()
    (workplace.cities / "testland").mkdir()
    for city in range(52):
        path = workplace.cities / f"{_key(city)}.geojson"
        path.write_text(dump_geojson(_feature(city)))
    for name, value in workplace.environment.items():
        monkeypatch.setenv(name, value)
    return workplace


def _feature(city: int) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "key": _key(city),
        "country": "Testland",
        "state_province": "",
        "city": f"City {city:02}",
        "iso_country_code": "GA",
        "time_zone": "Africa/Libreville",
        "status": "retired" if city == RETIRED else "active",
        "source": "synthetic",
        "radius_m": 1000,
    }
    if city == ADDED:
        properties["first_date"] = _day(ADDED_ON).isoformat()
    point = {"type": "Point", "coordinates": [city % 10, city // 10]}
    return {"type": "Feature", "geometry": point, "properties": properties}


@pytest.fixture
def instance(place: Workplace) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with the active cities as partitions."""
    with open_instance(load_settings().dagster_home) as made:
        made.add_dynamic_partitions("city", [_key(city) for city in range(51)])
        yield made


def _fill_ledger() -> None:
    """Tell the ledger of what was delivered, as a rebuild from the lake would."""
    present = _city_days([*COMPLETE, *HOLED], range(DAYS))
    present |= _city_days([ADDED], range(ADDED_ON, DAYS))
    present |= _city_days([RETIRED], range(200))
    present -= set().union(*_missing().values())
    held = dict.fromkeys(present, Held(CityDayState.DELIVERED, "of-old"))
    index = LakeIndex(TODAY - timedelta(days=30), held, {})
    with closing(open_ledger(load_settings().ledger_url)) as ledger:
        ledger.reindex("pings_full", index, TODAY - timedelta(days=30))


def _run(instance: dg.DagsterInstance, config: dict[str, Any]) -> bool:
    """Run the request job to its end; returns whether it succeeded."""
    job = build_defs().resolve_job_def("request_city_days_job")
    result = job.execute_in_process(
        instance=instance,
        run_config=run_config(FEEDS["pings_full"], config),
        resources={"clock": _FrozenClock()},
        raise_on_error=False,
    )
    return result.success


def _alerts(place: Workplace, instance: dg.DagsterInstance) -> dict[str, set[str]]:
    """Evaluate the alerts; returns state -> what each is about and why."""
    resources = {
        "alerts": AlertsResource(),
        "cities": CitiesResource(),
        "vendor": VendorResource(),
        "settings": SettingsResource(),
        "clock": _FrozenClock(),
    }
    context = dg.build_sensor_context(instance=instance, resources=resources)
    build_defs().resolve_sensor_def("alert_sensor").evaluate_tick(context)
    answer = place.run("alerts", "list", "--all", "--json")
    assert answer.code == 0, answer.stderr
    found: dict[str, set[str]] = {}
    for alert in answer.document["alerts"]:
        about = f"{alert['subject']}: {alert['reason']}"
        alerts = found.setdefault("closed" if alert["closed_at"] else "open", set())
        assert about not in alerts, "one alert per episode"
        alerts.add(about)
    return found


def _gaps(place: Workplace) -> dict[str, set[CityDay]]:
    """Return what `mobility gaps` reports: reason -> city-days."""
    answer = place.run(
        "gaps", "--from", FIRST.isoformat(), "--to", NEWEST.isoformat(), "--json"
    )
    assert answer.code == 0, answer.stderr
    found: dict[str, set[CityDay]] = {}
    for gap in answer.document["gaps"]:
        start, end = date.fromisoformat(gap["from"]), date.fromisoformat(gap["to"])
        days = {start + timedelta(n) for n in range((end - start).days + 1)}
        assert len(days) == gap["days"]
        reported = {CityDay(gap["city"], day) for day in days}
        found.setdefault(gap["reason"], set()).update(reported)
    return found


def test_one_recovery_completes_51_cities_of_426_days(
    sandbox: Sandbox, place: Workplace, instance: dg.DagsterInstance
) -> None:
    """Gaps are reported as made; five jobs repair all but what the vendor lacks."""
    _fill_ledger()
    holed = [_key(city) for city in HOLED]
    sandbox.set_vendor_faults(fail_jobs=1)
    window = {"start": f"{_day(40)}", "end": f"{_day(70)}", "cities": holed}
    assert not _run(instance, window)
    sandbox.set_vendor_faults(submit_errors=[400])
    window = {"start": f"{_day(300)}", "end": f"{_day(330)}", "cities": holed}
    assert not _run(instance, window)
    (failed_job,) = sandbox.jobs()

    assert _gaps(place) == _missing()
    never_asked = {f"{_key(city)}: not_requested" for city in [*HOLED, ADDED]}
    expected = {
        f"vendor job {failed_job['id']}: job_failed",
        "unsent vendor job 2: job_failed",
        *never_asked,
    }
    assert _alerts(place, instance) == {"open": expected}

    sandbox.set_vendor_faults(
        submit_errors=[], undelivered_dates=[_day(UNAVAILABLE[1]).isoformat()]
    )
    span = {"start": FIRST.isoformat(), "end": NEWEST.isoformat(), "cities": []}
    assert not _run(instance, span | {"recover": True})
    assert len(sandbox.jobs()) == 1 + 5
    assert _gaps(place) == {
        "not_delivered": {CityDay(_key(UNAVAILABLE[0]), _day(UNAVAILABLE[1]))}
    }
    left = f"{_key(UNAVAILABLE[0])}: not_delivered"
    assert _alerts(place, instance) == {"open": {left}, "closed": expected}
