"""Asset checks of each feed: of a city-day on its partition, and of the feed as a whole.

A city-day is checked when it lands (`reporting.py`), and again whenever a person runs a
check on its partition. The feed is judged at the end of each run (`landing.settle`), and by
`check_lake_job` every day, since days and cities that do not come start no run; that also
looks whether the newest day of each city is as large as usual, and whether what landed
earlier still stands there: each city-day where lake and ledger differ fails
`manifest_matches_objects`.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition,
)

from mobility_pipeline.checks.baseline import Volumes, judge_volume
from mobility_pipeline.checks.feed import FeedFindings
from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.evaluations import judge, log_findings
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.feed_coverage import judge_from_ledger
from mobility_pipeline.defs.feed_drift import log_drift
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.lake import daily_cron
from mobility_pipeline.defs.partitions import to_city_day
from mobility_pipeline.errors import ManifestError, UsageError
from mobility_pipeline.lake.audit import check_lake
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    LakeResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import landing_folder
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings

CITY_DAY_CHECKS: Mapping[str, str] = {
    "manifest_matches_objects": "Each object is there, of the size and sha256 the manifest "
    "says, and no other parquet file lies beside it.",
    "matches_schema": "Every declared column is there and has its type.",
    "inside_area": "Pings lie geometrically in the area they were bought for.",
    "unique_pings": "No (ad_id, utc_timestamp, latitude, longitude) is there twice.",
    "utc_date_matches": "Every ping with a time lies on the UTC date.",
    "volume_within_baseline": "Rows and devices are those of the same weekday of the last 8 "
    "weeks; says nothing until 3 of them exist.",
}
FEED_CHECKS: Mapping[str, str] = {
    "no_missing_dates": "No active city misses a day from its first one on.",
    "city_freshness": "No active city is more than 2 days behind the newest available day. "
    "The newest evaluation sums up all cities and names those behind; every day it comes "
    "after one of each city.",
}
_RETRY_S = 20
_PARALLEL_READS = 16


def build_city_day_checks(
    feed: Feed, partitions: dg.MultiPartitionsDefinition
) -> dg.AssetChecksDefinition:
    """Build the checks that judge one partition, so that people can run them again."""

    @dg.multi_asset_check(
        name=f"check_{feed.name}_city_days",
        specs=_make_specs(feed, CITY_DAY_CHECKS, partitions),
        can_subset=True,
    )
    def check_city_days(
        context: dg.AssetCheckExecutionContext,
        cities: CitiesResource,
        lake: LakeResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> Iterator[dg.AssetCheckResult]:
        op = context.op_execution_context
        with as_failures(op, _RETRY_S, clock.sleep):
            if not (op.has_partition_key or op.has_partition_key_range):
                raise UsageError("no city-day is chosen: run it on a partition")
            known = cities.create().load().by_key
            folder = landing_folder(settings.load())
            names = {key.name for key in context.selected_asset_check_keys}
            opened = lake.create(feed)
            volumes = Volumes(opened)
            for partition in op.partition_keys:
                day = to_city_day(partition)
                city = known.get(day.city)
                found = judge(opened, day, city, folder, volumes)
                log_findings(op, feed, day, (f for f in found if f.name in names))
        # What was logged is all: a result would not say of which partition it is.
        yield from ()

    return check_city_days


def build_feed_checks(feed: Feed) -> dg.AssetChecksDefinition:
    """Build the checks that judge a feed as a whole."""

    @dg.multi_asset_check(
        name=f"check_{feed.name}",
        specs=_make_specs(feed, FEED_CHECKS, None),
        can_subset=True,
    )
    def check_feed(
        context: dg.AssetCheckExecutionContext,
        cities: CitiesResource,
        vendor: VendorResource,
        lake: LakeResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> Iterator[dg.AssetCheckResult]:
        op = context.op_execution_context
        with as_failures(op, _RETRY_S, clock.sleep):
            with closing(vendor.open_ledger()) as ledger:
                found = judge_from_ledger(
                    feed, ledger, cities.create().load(), settings.load(), clock.now()
                )
            planned = {key.name for key in context.selected_asset_check_keys}
            is_daily = "city_freshness" not in planned
            if is_daily:
                _log_cities(op, feed, found)
            log_findings(op, feed, None, [found.no_missing_dates, found.city_freshness])
            for day, finding in _judge_volumes(
                lake.create(feed), found.newest_delivered
            ):
                log_findings(op, feed, day, [finding])
            if is_daily:
                with closing(vendor.open_ledger()) as ledger:
                    drift = check_lake(feed.name, lake.open_bucket(feed), ledger)
                log_drift(op, feed, drift)
        yield from ()

    return check_feed


def build_check_job(feeds: Sequence[Feed]) -> UnresolvedAssetJobDefinition:
    """Build the job that checks every feed as a whole."""
    # Its step evaluates the others too. Planned, `city_freshness` of all cities would take
    # the place of the plan, older than its cities, and the UI shows the newest.
    keys = [
        dg.AssetCheckKey(asset_key(feed.name), "no_missing_dates") for feed in feeds
    ]
    return dg.define_asset_job(
        "check_lake_job",
        selection=dg.AssetSelection.checks(*keys),
        description="Which days and cities are missing or late, whether the newest day of "
        "each city is as large as usual, and where lake and ledger differ. Asks for nothing.",
    )


def build_check_schedule(
    job: UnresolvedAssetJobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that checks the lake when the daily load should be over."""
    # By then a load that took as long as it may has ended, or waits for tomorrow.
    later = int(settings.veraset_poll_timeout_minutes) + 60
    return dg.ScheduleDefinition(
        name="check_lake_daily_schedule",
        job=job,
        cron_schedule=daily_cron(settings, minutes_later=later),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day, after the daily load: missing days, late cities, volume, "
        "and city-days whose parts are gone.",
    )


def _make_specs(
    feed: Feed, checks: Mapping[str, str], partitions: dg.PartitionsDefinition | None
) -> list[dg.AssetCheckSpec]:
    with warnings.catch_warnings():
        # With them a check can be run on a partition. Dagster calls them a preview.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                name,
                asset=asset_key(feed.name),
                description=text,
                partitions_def=partitions,
            )
            for name, text in checks.items()
        ]


def _log_cities(
    context: dg.OpExecutionContext, feed: Feed, found: FeedFindings
) -> None:
    """Record the freshness of each city, those behind last: the newest shows first."""
    late_last = sorted(found.cities.items(), key=lambda item: not item[1].passed)
    for city, finding in late_last:
        log_findings(context, feed, CityDay(city, found.newest), [finding])


def _judge_volumes(
    lake: Lake, latest: Mapping[str, date]
) -> Iterator[tuple[CityDay, Finding]]:
    """Yield the finding of each city's newest day; a manifest that fails says so itself."""
    days = [CityDay(city, day) for city, day in sorted(latest.items())]
    volumes = Volumes(lake)

    def judge(city_day: CityDay) -> Finding | None:
        try:
            manifest = lake.read_manifest(city_day)
        except ManifestError:
            return None
        return None if manifest is None else judge_volume(manifest, volumes)

    with ThreadPoolExecutor(_PARALLEL_READS, "volume") as threads:
        for city_day, finding in zip(days, threads.map(judge, days), strict=True):
            if finding is not None:
                yield city_day, finding
