"""Land what a vendor job delivered, and say at the end what a run did not get."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import closing
from typing import NoReturn

import dagster as dg

from mobility_pipeline.alerts.message import write_spans
from mobility_pipeline.alerts.problems import to_days
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.asked import Asked
from mobility_pipeline.defs.evaluations import log_findings
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.feed_coverage import judge_from_ledger
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_partition
from mobility_pipeline.defs.quota import describe_quota
from mobility_pipeline.defs.reporting import Reporter, find_reported
from mobility_pipeline.defs.vendor import find_run_feed
from mobility_pipeline.errors import CityDaysMissingError
from mobility_pipeline.lake.land import land_job
from mobility_pipeline.lake.publish import Published
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    LakeResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import CityDayState, JobState

_STORAGE_S = 1
"""Wait before a landing is tried again; then twice that."""

_NAMED_AT_MOST = 20
"""Cities named in a failure's message; the ledger and `mobility gaps` know all."""


@dg.op(
    pool="landing",
    # A delivery that is there is landed before the next job is waited for.
    tags={"dagster/priority": "1"},
)
def land_delivery(
    context: dg.OpExecutionContext,
    job_ref: int,
    asked: Asked,
    cities: CitiesResource,
    vendor: VendorResource,
    lake: LakeResource,
    settings: SettingsResource,
    clock: ClockResource,
) -> None:
    """Land what the run waits for, if its job succeeded, and report each city-day."""
    feed = find_run_feed(context)
    with (
        as_failures(context, _STORAGE_S, clock.sleep),
        closing(vendor.open_ledger()) as ledger,
    ):
        job = ledger.job(job_ref)
        if job.state != JobState.SUCCESS:
            return
        monthly_jobs = settings.load().veraset_monthly_jobs
        use = read_month(ledger, monthly_jobs, clock.now())
        dates = {city_day.date for city_day in asked.city_days}
        reporter = Reporter(context, feed, cities, lake, settings)
        landing = land_job(
            job, dates, ledger=ledger, site=lake.landing_site(feed), now=clock.now
        )
        with closing(landing), reporter.open(ledger, dates) as report:
            for published in landing:
                # Its own run will report it. What this one found out would come after
                # what that one has planned, and hide what it finds.
                if published.manifest.city_day in asked.of_siblings:
                    continue
                details = _describe_landing(published)
                details |= describe_quota(use, feed, published.manifest.city_day)
                report.landed(published.manifest, details)


@dg.op(ins={"landed": dg.In(dg.Nothing)}, out=dg.Out(dg.Nothing, is_required=False))
def settle(
    context: dg.OpExecutionContext,
    asked: Asked,
    cities: CitiesResource,
    vendor: VendorResource,
    lake: LakeResource,
    settings: SettingsResource,
    clock: ClockResource,
) -> Iterator[NoReturn]:
    """Report city-days landed by other runs, then fail if any asked for is missing."""
    feed = find_run_feed(context)
    with (
        as_failures(context, _STORAGE_S, clock.sleep),
        closing(vendor.open_ledger()) as ledger,
    ):
        records = ledger.records_of(feed.name, asked.city_days)
        missing = asked.find_missing(records)
        # Also what a try of a step that was repeated has reported.
        reported = find_reported(context, feed)
        present = asked.city_days - missing.keys()
        unreported = _unreported(context, feed, asked, present) - reported
        if unreported:
            reporter = Reporter(context, feed, cities, lake, settings)
            with reporter.open(ledger, {day.date for day in unreported}) as report:
                missing |= report.stored(unreported)
        context.log.info(
            f"{len(reported & present)} city-days landed by this run, "
            f"{len(present - reported)} landed before, {len(missing)} missing, "
            f"{len(asked.left_alone & missing.keys())} of them left alone for now"
        )
        found = judge_from_ledger(
            feed, ledger, cities.create().load(), settings.load(), clock.now()
        )
        log_findings(
            context, feed, None, [found.no_missing_dates, found.city_freshness]
        )
        failed = {
            day: why for day, why in missing.items() if day not in asked.left_alone
        }
        if failed:
            raise _missing_error(feed, failed)
    # Yielding no output keeps Dagster from marking more than was reported.
    yield from ()


def _missing_error(
    feed: Feed, missing: Mapping[CityDay, tuple[CityDayState, str]]
) -> CityDaysMissingError:
    """Make the one line that says which city-days a run did not get, and why."""
    reasons = Counter(state.value for state, _ in missing.values())
    alike: dict[tuple[CityDayState, str], list[CityDay]] = {}
    for city_day, why in sorted(missing.items()):
        alike.setdefault(why, []).append(city_day)
    named = [
        f"{city} {write_spans(spans)} {state}" + (f" ({detail})" if detail else "")
        for (state, detail), city_days in alike.items()
        for city, spans in to_days(city_days).items()
    ]
    more = len(named) - _NAMED_AT_MOST
    text = "; ".join(named[:_NAMED_AT_MOST])
    counts = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return CityDaysMissingError(
        f"{feed.name}: {len(missing)} city-days are missing ({counts}): {text}"
        + (f"; and {more} more" if more > 0 else "")
        + ". To ask again, re-execute all steps, not from failure",
        reasons,
    )


def _unreported(
    context: dg.OpExecutionContext, feed: Feed, asked: Asked, present: Set[CityDay]
) -> Set[CityDay]:
    """Return the city-days in the lake that Dagster has not heard of.

    A run with partitions reports each of its own, since a backfill counts them by run.
    """
    if asked.has_partitions:
        return present
    key = asset_key(feed.name)
    known = context.instance.get_materialized_partitions(key)
    return {city_day for city_day in present if to_partition(city_day) not in known}


def _describe_landing(published: Published) -> dict[str, int]:
    """Return what the rows add up to, and how many there were where the day was another."""
    details: dict[str, int] = {}
    if published.rows_in_date is not None:
        rejected = sum(published.manifest.rejected.values())
        details["rows_in_of_date"] = published.rows_in_date
        details["attributed_rows_of_date"] = published.rows_in_date - rejected
    if published.rows_before is not None:
        details["rows_before"] = published.rows_before
        details["rows_after"] = published.manifest.rows
    return details
