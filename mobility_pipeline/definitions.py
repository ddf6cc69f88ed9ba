"""The one entry point of Dagster: puts defs and resources together."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mobility_pipeline.defs.alerts import build_alert_sensor
from mobility_pipeline.defs.analytics import (
    build_analytics_assets,
    build_derive_sensor,
)
from mobility_pipeline.defs.checks import (
    build_check_job,
    build_check_schedule,
    build_city_day_checks,
    build_feed_checks,
)
from mobility_pipeline.defs.cities import sync_city_partitions_sensor
from mobility_pipeline.defs.coverage import (
    build_coverage_job,
    build_coverage_schedule,
)
from mobility_pipeline.defs.derive_job import build_derive_job
from mobility_pipeline.defs.failures import report_failed_city_days_sensor
from mobility_pipeline.defs.history import build_history_job, build_history_schedule
from mobility_pipeline.defs.lake import (
    build_daily_schedule,
    build_lake_asset,
    build_request_job,
)
from mobility_pipeline.defs.partitions import build_partitions
from mobility_pipeline.defs.recovery import (
    build_recheck_schedule,
    build_recovery_schedule,
)
from mobility_pipeline.resources.adapters import (
    AlertsResource,
    AnalyticsResource,
    CitiesResource,
    ClockResource,
    LakeResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import EVENTS_SOURCE, source_feed
from mobility_pipeline.schemas.feeds import resolve_feeds
from mobility_pipeline.settings import Settings, load_settings


def build_defs(*, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Build the code location.

    Args:
        resources: replace the real ones by name; tests bring a clock of their own.

    Raises:
        ConfigurationError: a setting is wrong, or two feeds share a bucket.
    """
    settings = load_settings()
    feeds = resolve_feeds(
        settings.daily_sync_endpoints, settings.daily_sync_endpoint_configs
    )
    settings.check_buckets([feed.bucket_words for feed in feeds])
    partitions = build_partitions(settings)
    job = build_request_job(feeds)
    observe_job = build_coverage_job(feeds)
    check_job = build_check_job(feeds)
    history_job = build_history_job()
    return dg.Definitions(
        assets=[
            *(build_lake_asset(feed, partitions) for feed in feeds),
            *build_analytics_assets(_find_source(settings), partitions),
        ],
        asset_checks=[
            checks
            for feed in feeds
            for checks in (
                build_city_day_checks(feed, partitions),
                build_feed_checks(feed),
            )
        ],
        jobs=[job, observe_job, check_job, history_job, build_derive_job()],
        schedules=[
            build_daily_schedule(feeds, job, settings),
            build_check_schedule(check_job, settings),
            build_recovery_schedule(feeds, job, settings),
            build_recheck_schedule(feeds, job, settings),
            build_coverage_schedule(observe_job, settings),
            build_history_schedule(history_job, settings),
        ],
        sensors=[
            sync_city_partitions_sensor,
            report_failed_city_days_sensor,
            build_alert_sensor(feeds),
            build_derive_sensor(),
        ],
        # The steps of a run mostly wait; a process for each would cost seconds.
        executor=dg.in_process_executor,
        resources={
            "alerts": AlertsResource(),
            "analytics": AnalyticsResource(),
            "cities": CitiesResource(),
            "vendor": VendorResource(),
            "lake": LakeResource(),
            "settings": SettingsResource(),
            "clock": ClockResource(),
            **(resources or {}),
        },
    )


def _find_source(settings: Settings) -> str:
    """Return the name of what tables are derived from, an asset of the lake."""
    if settings.analytics_source == EVENTS_SOURCE:
        return EVENTS_SOURCE
    return source_feed(settings).name


defs = build_defs()
