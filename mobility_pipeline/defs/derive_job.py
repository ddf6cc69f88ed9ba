"""The job of `mobility derive`: every table of some cities and local days, in one run."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import days_between, first_days
from mobility_pipeline.defs.analytics import STORAGE_S
from mobility_pipeline.defs.deriving import (
    Make,
    derive,
    derive_flows,
    derive_home_regions,
    derive_positionfixes,
    missing_error,
)
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.resources.adapters import (
    AnalyticsResource,
    CitiesResource,
    ClockResource,
    SettingsResource,
)
from mobility_pipeline.schemas.derived import DAY_TABLES

DERIVE_JOB = "derive_city_days_job"
DERIVE_OP = "derive_city_days"
_DAY = timedelta(days=1)

_MAKERS: Sequence[Make] = (
    lambda derivation, city, day: derivation.derive_day(city, day, DAY_TABLES),
    derive_flows,
    derive_home_regions,
)


def build_derive_job() -> dg.JobDefinition:
    """Build the job; its op fails where days have no pings, with the others kept."""

    @dg.op(
        name=DERIVE_OP,
        pool="analytics",
        config_schema={"cities": [str], "start": str, "end": str},
    )
    def derive_city_days(
        context: dg.OpExecutionContext,
        cities: CitiesResource,
        analytics: AnalyticsResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> None:
        """Derive what the days rest on, then the days."""
        config = context.op_config
        start, end = (date.fromisoformat(config[name]) for name in ("start", "end"))
        missing: set[CityDay] = set()
        with as_failures(context, STORAGE_S, clock.sleep):
            known, derivation = cities.create().load(), analytics.open()
            chosen = [known.find(key) for key in config["cities"]]
            first = first_days(chosen, settings.load().mobility_start_date)
            for city in chosen:
                around = days_between(start - _DAY, end + _DAY)
                derive(context, derivation, city, around, derive_positionfixes)
                for make in _MAKERS:
                    days = days_between(max(start, first[city.key]), end)
                    missing |= {*derive(context, derivation, city, days, make)}
            if missing:
                raise missing_error(sorted(missing))

    @dg.job(
        name=DERIVE_JOB,
        description="Derives every table of analytics for cities and local days.",
    )
    def derive_city_days_job() -> None:
        derive_city_days()

    return derive_city_days_job
