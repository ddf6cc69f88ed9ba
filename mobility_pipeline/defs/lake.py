"""The lake's assets, one per feed, and the daily load that keeps them complete."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, timedelta

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from mobility_pipeline.cities.days import expected_city_days, first_days
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.landing import land_delivery, settle
from mobility_pipeline.defs.vendor import collect_delivery, plan_vendor_jobs
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import newest_day
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings

DAILY_SCHEDULE = "load_daily_city_days_schedule"
LOOK_BACK_DAYS = 14
"""Days before the newest one that the daily load asks for where a city lacks them."""

CITIES_PER_RUN = 200


def build_lake_asset(
    feed: Feed, partitions: dg.MultiPartitionsDefinition
) -> dg.AssetsDefinition:
    """Build the asset of one feed: each partition is one city-day's parquet set."""

    @dg.graph_asset(
        name=feed.name,
        key_prefix="lake",
        group_name="lake",
        partitions_def=partitions,
        # Cities and days that lie together become one run per day, not one per city-day.
        backfill_policy=dg.BackfillPolicy.single_run(),
        description=(
            f"Veraset {feed.endpoint} {feed.schema_type}: one parquet set with manifest "
            "per city and UTC day, holding that city's pings only."
        ),
        kinds={"s3", "parquet"},
        owners=["team:mobility"],
        metadata={"endpoint": feed.endpoint, "schema_type": feed.schema_type},
    )
    def lake_asset() -> None:
        planned = plan_vendor_jobs()
        landed = planned.jobs.map(
            lambda job_ref: land_delivery(collect_delivery(job_ref), planned.asked)
        )
        return settle(planned.asked, landed.collect())

    return lake_asset


def build_request_job(feeds: Sequence[Feed]) -> UnresolvedAssetJobDefinition:
    """Build the job that the schedule, the command line and people start."""
    return dg.define_asset_job(
        "request_city_days_job",
        # Landing evaluates the checks of what it lands.
        selection=dg.AssetSelection.assets(
            *(asset_key(feed.name) for feed in feeds)
        ).without_checks(),
        description="Asks for city-days, waits for the vendor, lands what it delivers.",
    )


def daily_cron(settings: Settings, minutes_later: int = 0) -> str:
    """Return the cron schedule of every day at SYNC_TIME, or minutes after or before it."""
    hour, minute = (int(part) for part in settings.sync_time.split(":"))
    at = (hour * 60 + minute + minutes_later) % (24 * 60)
    return f"{at % 60} {at // 60} * * *"


def build_daily_schedule(
    feeds: Sequence[Feed], job: UnresolvedAssetJobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that loads the newest day, and recent ones that are missing."""

    @dg.schedule(
        name=DAILY_SCHEDULE,
        job=job,
        cron_schedule=daily_cron(settings),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day: the newest available day of every active city, and each "
        f"of the {LOOK_BACK_DAYS} days before it that a city still lacks.",
    )
    def load_daily_city_days_schedule(
        context: dg.ScheduleEvaluationContext,
        cities: CitiesResource,
        vendor: VendorResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        values = settings.load()
        known = cities.create().load()
        if not known.active:
            raise UsageError("no active city at MOBILITY_CITIES: nothing is asked for")
        newest = newest_day(values, clock.now())
        first = first_days(known.active.values(), values.mobility_start_date)
        start = max(newest - timedelta(days=LOOK_BACK_DAYS), values.mobility_start_date)
        for refused in known.refused:
            context.log.error(f"city {refused.name}: {'; '.join(refused.problems)}")
        requests = [
            request
            for feed in feeds
            for request in _requests(feed, vendor, first, start, newest)
        ]
        if requests:
            yield from requests
        else:
            refusals = f"; {len(known.refused)} cities are refused" * bool(
                known.refused
            )
            yield dg.SkipReason(
                f"every active city has every day from {start} to {newest}{refusals}"
            )

    return load_daily_city_days_schedule


def _requests(
    feed: Feed,
    vendor: VendorResource,
    first: Mapping[str, date],
    start: date,
    newest: date,
) -> Iterator[dg.RunRequest]:
    """Yield one run request per 200 cities that lack a day."""
    wanted = expected_city_days(first, start, newest)
    with closing(vendor.open_ledger()) as ledger:
        records = ledger.city_days(feed.name, start, newest)
    lacking = [
        city_day
        for city_day in wanted
        if city_day not in records or not records[city_day].is_in_lake
    ]
    keys = sorted({city_day.city for city_day in lacking})
    for offset in range(0, len(keys), CITIES_PER_RUN):
        chunk = keys[offset : offset + CITIES_PER_RUN]
        days = [day.date for day in lacking if chunk[0] <= day.city <= chunk[-1]]
        config = {
            "cities": chunk,
            "start": min(days).isoformat(),
            "end": newest.isoformat(),
        }
        digest = hashlib.sha256(json.dumps(config).encode()).hexdigest()
        yield dg.RunRequest(
            run_key=f"{feed.name}/{newest}/{digest[:12]}",
            run_config=run_config(feed, config),
            asset_selection=[asset_key(feed.name)],
            tags={"feed": feed.name, "newest_day": newest.isoformat()},
        )


def run_config(feed: Feed, config: Mapping[str, object]) -> dict[str, object]:
    """Return the run config that asks for city-days without partitions."""
    plan = {"ops": {"plan_vendor_jobs": {"config": dict(config)}}}
    return {"ops": {f"lake__{feed.name}": plan}}
