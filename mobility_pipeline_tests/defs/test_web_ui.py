"""Backfills and re-executions, as the web UI starts them, with the daemon running."""

import os
import signal
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from mobility_pipeline.cities.geojson import dump_geojson
from mobility_pipeline.defs.lake import run_config
from mobility_pipeline.defs.launch import open_instance
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline.schemas.feeds import FEEDS
from mobility_pipeline.servers import start_dagster
from mobility_pipeline_tests.conftest import CITIES, Workplace
from mobility_pipeline_tests.defs.web_ui import WebUi, read_check_partitions
from mobility_pipeline_tests.waiting import wait_until

pytestmark = pytest.mark.processes

ASSET = ["lake", "pings_full"]
_OVER = {"SUCCESS", "FAILURE", "CANCELED"}


@pytest.fixture
def web_ui(workplace: Workplace) -> Iterator[WebUi]:
    """`dagster dev` on the workplace, with its daemon."""
    home = Path(workplace.environment["DAGSTER_HOME"])
    open_instance(home).dispose()
    with start_dagster(workplace.environment, home / "dagster.log") as dagster:
        dagster.wait_until_up()
        yield WebUi(dagster.url)


def _add_city(workplace: Workplace, key: str, longitude: float) -> str:
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, 0.3]},
        "properties": {
            "key": key,
            "country": "Gabon",
            "state_province": "",
            "city": key.rsplit("/", 1)[-1],
            "iso_country_code": "GA",
            "time_zone": "Africa/Libreville",
            "status": "active",
            "source": "synthetic",
            "radius_m": 2000,
        },
    }
    path = workplace.cities / f"{key}.geojson"
    path.parent.mkdir(exist_ok=True)
    path.write_text(dump_geojson(feature))
    return key


def test_backfill_of_scattered_cities_and_days_is_one_vendor_job(
    sandbox: Sandbox, workplace: Workplace, web_ui: WebUi, newest: date
) -> None:
    """3 scattered cities × 3 days: nine partitions with their checks, one vendor job."""
    keys = [*CITIES, _add_city(workplace, "gabon/middle", 11.0)]
    _add_city(workplace, "gabon/between", 12.0)
    days = [newest - timedelta(days=offset) for offset in range(3)]
    chosen = [f"{key}|{day}" for key in keys for day in days]
    backfill_id = wait_until(lambda: _try_backfill(web_ui, chosen), timeout_s=120)
    wait_until(
        lambda: web_ui.backfill(backfill_id)["status"] != "REQUESTED", timeout_s=240
    )
    backfill = web_ui.backfill(backfill_id)
    assert backfill["status"] == "COMPLETED_SUCCESS"
    found = {
        event["partition"] for event in web_ui.asset(ASSET)["assetMaterializations"]
    }
    assert found == set(chosen)
    assert len(sandbox.jobs()) == 1
    checks = web_ui.checks(ASSET)
    found = read_check_partitions(checks["manifest_matches_objects"])
    assert found.pop("succeededPartitions") == {
        (key, days[-1].isoformat(), days[0].isoformat()) for key in keys
    }
    assert found == {}
    for name in ("no_missing_dates", "city_freshness"):
        newest_evaluation = checks[name]["executionForLatestMaterialization"]
        assert newest_evaluation["status"] == "FAILED"  # `gabon/between` has no day


def _try_backfill(web_ui: WebUi, partitions: list[str]) -> str | None:
    """Launch as soon as the sensor has made the cities' partitions."""
    try:
        return web_ui.launch_backfill(ASSET, partitions)
    except AssertionError:
        return None


@pytest.mark.parametrize("strategy", ["ALL_STEPS", "FROM_FAILURE"])
def test_killed_run_is_reexecuted_on_the_same_vendor_job(
    sandbox: Sandbox, web_ui: WebUi, newest: date, strategy: str
) -> None:
    """`kill -9` of the run while it polls; re-executed, it completes without a second job."""
    sandbox.set_vendor_faults(never_finish=True)
    config = {"start": newest.isoformat(), "end": newest.isoformat()}
    run_id = web_ui.launch_run(run_config(FEEDS["pings_full"], config), ASSET)
    wait_until(lambda: [job for job in sandbox.jobs() if job["polls"] > 1])
    os.kill(web_ui.worker(run_id), signal.SIGKILL)
    wait_until(lambda: web_ui.run_status(run_id) in _OVER, timeout_s=120)
    sandbox.set_vendor_faults(never_finish=False)
    again = web_ui.reexecute(run_id, strategy)
    wait_until(lambda: web_ui.run_status(again) in _OVER, timeout_s=120)
    assert web_ui.failures(again) == []
    found = {
        event["partition"] for event in web_ui.asset(ASSET)["assetMaterializations"]
    }
    assert found == {f"{key}|{newest}" for key in CITIES}
    assert len(sandbox.jobs()) == 1
