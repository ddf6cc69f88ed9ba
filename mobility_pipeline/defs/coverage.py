"""Show each day in the UI what the lake holds and what the month took, on every feed."""

from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta

import dagster as dg

from mobility_pipeline.cities.days import first_days
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.lake import daily_cron
from mobility_pipeline.defs.quota import describe_month, warn_of_quota
from mobility_pipeline.errors import UsageError
from mobility_pipeline.lake.calendar import draw_text, make_calendar
from mobility_pipeline.lake.calendar_picture import draw_html
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import newest_day
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.quota import read_month

_SHOWN_DAYS = 31
"""Days of the calendar in the UI; the file beside it shows every day."""
_RETRY_S = 10


def build_coverage_job(feeds: Sequence[Feed]) -> dg.JobDefinition:
    """Build the job that observes every feed's asset."""

    @dg.op
    def observe_coverage(
        context: dg.OpExecutionContext,
        cities: CitiesResource,
        vendor: VendorResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> None:
        """Log an observation of each feed, with its calendar as metadata."""
        with (
            as_failures(context, _RETRY_S, clock.sleep),
            closing(vendor.open_ledger()) as ledger,
        ):
            values = settings.load()
            known = cities.create().load()
            if not known.active:
                raise UsageError("no active city at MOBILITY_CITIES: nothing is shown")
            first = first_days(known.active.values(), values.mobility_start_date)
            now = clock.now()
            use = read_month(ledger, values.veraset_monthly_jobs, now)
            end = newest_day(values, now)
            start = values.mobility_start_date
            folder = values.mobility_home / "coverage"
            folder.mkdir(parents=True, exist_ok=True)
            for feed in feeds:
                warn_of_quota(context, feed, use)
                states = ledger.coverage(feed.name, start, end)
                whole = make_calendar(feed.name, states, first, start, end)
                file = folder / f"{feed.name}.html"
                file.write_text(draw_html(whole), encoding="utf-8")
                recent = max(start, end - timedelta(days=_SHOWN_DAYS - 1))
                shown = make_calendar(feed.name, states, first, recent, end)
                context.log_event(
                    dg.AssetObservation(
                        asset_key=asset_key(feed.name),
                        description=f"{whole.held} of {whole.expected} city-days are in "
                        "the lake",
                        metadata={
                            "calendar": dg.MetadataValue.md(draw_text(shown)),
                            "whole_calendar": dg.MetadataValue.path(str(file)),
                            "city_days_held": whole.held,
                            "city_days_missing": whole.expected - whole.held,
                            **describe_month(use, feed),
                        },
                    )
                )

    @dg.job(
        name="observe_coverage_job",
        description="Shows the coverage calendar on each feed's asset.",
    )
    def observe_coverage_job() -> None:
        observe_coverage()

    return observe_coverage_job


def build_coverage_schedule(
    job: dg.JobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that observes an hour before the daily load starts."""
    return dg.ScheduleDefinition(
        name="observe_coverage_daily_schedule",
        job=job,
        cron_schedule=daily_cron(settings, minutes_later=-60),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day: which city-days each feed has, and which it lacks.",
    )
