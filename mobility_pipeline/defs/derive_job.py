"""The job of `mobility derive`: every table of some cities and local days, in one run."""

from collections.abc import Sequence
from datetime import date, timedelta

import dagster as dg

from mobility_pipeline.cities.days import days_between
from mobility_pipeline.defs.analytics import STORAGE_S
from mobility_pipeline.defs.deriving import (
    Lacking,
    Make,
    choose_pictures,
    derive,
    derive_flows,
    derive_home_regions,
    derive_positionfixes,
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
        lacking = Lacking()
        with as_failures(context, STORAGE_S, clock.sleep):
            known, derivation = cities.create().load(), analytics.open()
            earliest = settings.load().mobility_start_date
            asked = len(config["cities"]) * ((end - start) // _DAY + 1)
            draw = choose_pictures(analytics, asked)
            for key in config["cities"]:
                with lacking.noting(key):
                    city = known.find(key)
                    around = days_between(start - _DAY, end + _DAY)
                    fixes = derive_positionfixes
                    derive(context, derivation, city, around, fixes, draw)
                    first = max(start, city.first_date or earliest)
                    for make in _MAKERS:
                        days = days_between(first, end)
                        missing = derive(context, derivation, city, days, make, draw)
                        lacking.missing |= {*missing}
            lacking.check()

    @dg.job(
        name=DERIVE_JOB,
        description="Derives every table of analytics for cities and local days.",
    )
    def derive_city_days_job() -> None:
        derive_city_days()

    return derive_city_days_job
