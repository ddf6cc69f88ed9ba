"""Asset checks of each feed: of a city-day on its partition, and of the feed as a whole.

A city-day is checked when it lands (`landing.py`), and again whenever a person runs a check
on its partition. `check_lake_job` judges every day what no landing can see: days and
cities that did not come, and whether the newest day is as large as usual.
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

from mobility_pipeline.checks.baseline import judge_volume
from mobility_pipeline.checks.completeness import (
    city_freshness,
    expected_to_be_fresh,
    feed_freshness,
    no_missing_dates,
)
from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import first_days
from mobility_pipeline.defs.evaluations import judge, log_findings
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.lake import daily_cron
from mobility_pipeline.defs.partitions import to_city_day
from mobility_pipeline.errors import ManifestError, UsageError
from mobility_pipeline.lake.coverage import PRESENT_STATES, find_gaps
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    LakeResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import landing_folder, newest_day
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
    "One evaluation per city, on its newest expected partition, and one for all.",
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
            for partition in op.partition_keys:
                day = to_city_day(partition)
                city = known.get(day.city)
                found = judge(lake.create(feed), day, city, folder)
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
            values = settings.load()
            newest = newest_day(values, clock.now())
            active = cities.create().load().active
            expected = first_days(active.values(), values.mobility_start_date)
            start = min([*expected.values(), newest])
            with closing(vendor.open_ledger()) as ledger:
                states = ledger.coverage(feed.name, start, newest)
            gaps = find_gaps({feed.name: states}, expected, start, newest).gaps
            log_findings(op, feed, None, [no_missing_dates(gaps, newest)])
            latest = _newest_delivered(expected, states)
            _log_freshness(op, feed, expected, latest, newest)
            for day, finding in _judge_volumes(lake.create(feed), latest):
                log_findings(op, feed, day, [finding])
        yield from ()

    return check_feed


def build_check_job(feeds: Sequence[Feed]) -> UnresolvedAssetJobDefinition:
    """Build the job that checks every feed as a whole."""
    keys = [
        dg.AssetCheckKey(dg.AssetKey(["lake", feed.name]), name)
        for feed in feeds
        for name in FEED_CHECKS
    ]
    return dg.define_asset_job(
        "check_lake_job",
        selection=dg.AssetSelection.checks(*keys),
        description="Which days and cities are missing or late, and whether the newest day "
        "of each city is as large as usual. Asks for nothing.",
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
        description="Every day, after the daily load: missing days, late cities, volume.",
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
                asset=dg.AssetKey(["lake", feed.name]),
                description=text,
                partitions_def=partitions,
            )
            for name, text in checks.items()
        ]


def _newest_delivered(
    expected: Mapping[str, date], states: Mapping[CityDay, str]
) -> dict[str, date]:
    newest: dict[str, date] = {}
    for day, state in states.items():
        if state in PRESENT_STATES and day.city in expected:
            newest[day.city] = max(newest.get(day.city, day.date), day.date)
    return newest


def _log_freshness(
    context: dg.OpExecutionContext,
    feed: Feed,
    expected: Mapping[str, date],
    latest: Mapping[str, date],
    newest: date,
) -> None:
    findings = {
        city: city_freshness(city, latest.get(city), newest)
        for city in expected_to_be_fresh(expected, newest)
    }
    for city, finding in findings.items():
        log_findings(context, feed, CityDay(city, newest), [finding])
    log_findings(context, feed, None, [feed_freshness([*findings.values()])])


def _judge_volumes(
    lake: Lake, latest: Mapping[str, date]
) -> Iterator[tuple[CityDay, Finding]]:
    """Yield the finding of each city's newest day; a manifest that fails says so itself."""
    days = [CityDay(city, day) for city, day in sorted(latest.items())]

    def judge(city_day: CityDay) -> Finding | None:
        try:
            manifest = lake.read_manifest(city_day)
        except ManifestError:
            return None
        return None if manifest is None else judge_volume(lake, manifest)

    with ThreadPoolExecutor(_PARALLEL_READS, "volume") as threads:
        for city_day, finding in zip(days, threads.map(judge, days), strict=True):
            if finding is not None:
                yield city_day, finding
