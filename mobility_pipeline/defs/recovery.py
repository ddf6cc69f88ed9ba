"""Schedules that repair what is missing and look again at what is recent; off by default."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from mobility_pipeline.cities.days import expected_city_days, first_days
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.lake import daily_cron, run_config
from mobility_pipeline.defs.recovery_budget import BUDGET_TAGS, JOBS_TAG, count_spent
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import make_limits, newest_day
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.preview import Preview, preview_jobs

RECOVERY_SCHEDULE = "recover_missing_days_schedule"
RECOVER_AFTER_H, _RECHECK_AFTER_H = 4, 8
"""Hours after SYNC_TIME: the daily load waits up to 200 minutes for its vendor jobs."""


def build_recovery_schedule(
    feeds: Sequence[Feed], job: UnresolvedAssetJobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that asks again for missing city-days, within a weekly budget."""

    @dg.schedule(
        name=RECOVERY_SCHEDULE,
        job=job,
        cron_schedule=daily_cron(settings, minutes_later=60 * RECOVER_AFTER_H),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Every day: missing city-days of every active city whose time has "
        "come, since the city's first day; at most MOBILITY_RECOVERY_JOBS_PER_WEEK vendor "
        "jobs in 7 days.",
    )
    def recover_missing_days_schedule(
        context: dg.ScheduleEvaluationContext,
        cities: CitiesResource,
        vendor: VendorResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        values, now = settings.load(), clock.now()
        known = _load_cities(context, cities)
        spent = count_spent(context.instance, now)
        budget = max(values.mobility_recovery_jobs_per_week - spent, 0)
        notes: list[str] = []
        with closing(vendor.open_ledger()) as ledger:
            for feed in feeds:
                preview = _preview(ledger, feed, known, values, now, budget)
                notes.append(f"{feed.name}: {len(preview.left_alone)} city-days wait")
                if preview.jobs or preview.on_their_way:
                    budget -= len(preview.jobs)
                    yield _recovery_request(feed, values, now, len(preview.jobs))
                    notes.clear()
        if notes:
            yield dg.SkipReason(
                f"nothing to ask for now ({'; '.join(notes)}); {spent} of "
                f"{values.mobility_recovery_jobs_per_week} vendor jobs spent in 7 days"
            )

    return recover_missing_days_schedule


def build_recheck_schedule(
    feeds: Sequence[Feed], job: UnresolvedAssetJobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that asks for recent days again: the vendor restates them."""

    @dg.schedule(
        name="recheck_recent_days_schedule",
        job=job,
        cron_schedule=daily_cron(settings, minutes_later=60 * _RECHECK_AFTER_H),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Every day: the newest MOBILITY_RECHECK_DAYS days of every active city "
        "again; a day that changed replaces the old one. Costs vendor jobs every day.",
    )
    def recheck_recent_days_schedule(
        context: dg.ScheduleEvaluationContext,
        cities: CitiesResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> Iterator[dg.RunRequest]:
        values = settings.load()
        _load_cities(context, cities)
        newest = newest_day(values, clock.now())
        start = newest - timedelta(days=values.mobility_recheck_days - 1)
        for feed in feeds:
            config = {
                "cities": [],
                "start": max(start, values.mobility_start_date).isoformat(),
                "end": newest.isoformat(),
                "refresh": True,
            }
            yield dg.RunRequest(
                run_key=f"recheck/{feed.name}/{newest}",
                run_config=run_config(feed, config),
                asset_selection=[asset_key(feed.name)],
                tags={"feed": feed.name, "newest_day": newest.isoformat()},
            )

    return recheck_recent_days_schedule


def _load_cities(
    context: dg.ScheduleEvaluationContext, cities: CitiesResource
) -> Cities:
    known = cities.create().load()
    if not known.active:
        raise UsageError("no active city at MOBILITY_CITIES: nothing is asked for")
    for refused in known.refused:
        context.log.error(f"city {refused.name}: {'; '.join(refused.problems)}")
    return known


def _preview(
    ledger: Ledger,
    feed: Feed,
    known: Cities,
    settings: Settings,
    now: datetime,
    max_jobs: int,
) -> Preview:
    start, newest = settings.mobility_start_date, newest_day(settings, now)
    first = first_days(known.active.values(), start)
    return preview_jobs(
        ledger,
        feed,
        known.active,
        expected_city_days(first, start, newest),
        make_limits(settings),
        recover_at=now,
        max_jobs=max_jobs,
    )


def _recovery_request(
    feed: Feed, settings: Settings, now: datetime, max_jobs: int
) -> dg.RunRequest:
    config = {
        "cities": [],
        "start": settings.mobility_start_date.isoformat(),
        "end": newest_day(settings, now).isoformat(),
        "recover": True,
        "max_jobs": max_jobs,
    }
    return dg.RunRequest(
        run_key=f"recover/{feed.name}/{now:%Y-%m-%d}",
        run_config=run_config(feed, config),
        asset_selection=[asset_key(feed.name)],
        tags={"feed": feed.name, **BUDGET_TAGS, JOBS_TAG: str(max_jobs)},
    )
