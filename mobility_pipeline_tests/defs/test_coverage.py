"""The daily observation that shows the coverage calendar in the UI."""

import logging
from datetime import date

import dagster as dg
import pytest

from mobility_pipeline.definitions import build_defs
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.conftest import CITIES, Workplace


def test_each_feed_is_observed_with_its_calendar(
    sandbox: Sandbox,
    workplace: Workplace,
    newest: date,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The observation counts what is held and missing, and shows every city."""
    workplace.request(newest, newest)
    variables = {
        "MOBILITY_START_DATE": newest.isoformat(),
        "VERASET_LAG_DAYS": "8",
        "VERASET_MONTHLY_JOBS": "1",
    }
    for name, value in (workplace.environment | variables).items():
        monkeypatch.setenv(name, value)
    with dg.instance_for_test() as instance:
        job = build_defs().resolve_job_def("observe_coverage_job")
        assert job.execute_in_process(instance=instance).success
        warnings = [
            event.user_message
            for event in instance.all_logs(instance.get_runs()[0].run_id)
            if event.level == logging.WARNING
        ]
        key = dg.AssetKey(["lake", "pings_full"])
        (record,) = instance.fetch_observations(key, limit=10).records
    observation = record.asset_observation
    assert observation is not None
    metadata = observation.metadata
    assert metadata["city_days_held"].value == len(CITIES)
    # One more day, or two where midnight passes, that nobody has asked for.
    assert metadata["city_days_missing"].value in (len(CITIES), 2 * len(CITIES))
    calendar = str(metadata["calendar"].value)
    assert all(f"| {city} | " in calendar for city in CITIES)
    file = workplace.home / "home" / "coverage" / "pings_full.html"
    assert str(metadata["whole_calendar"].value) == str(file)
    assert all(city in file.read_text() for city in CITIES)
    # One job of two cities and a day: the whole quota, and a warning of it.
    assert metadata["vendor_jobs_used_this_month"].value == 1
    assert metadata["vendor_jobs_left_this_month"].value == 0
    assert metadata["area_days_this_month"].value == len(CITIES)
    by_city = str(metadata["area_days_by_city_this_month"].value)
    assert all(f"| {city} | 1 |" in by_city for city in CITIES)
    assert ["1 of 1 vendor jobs" in warning for warning in warnings] == [True]
