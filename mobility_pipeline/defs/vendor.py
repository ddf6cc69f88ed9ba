"""Ask the vendor: plan and submit vendor jobs for a run's city-days, and follow them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.defs.asked import Asked, CityDaysConfig
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import Target, asked_since, read_target
from mobility_pipeline.defs.quota import warn_of_quota
from mobility_pipeline.defs.recovery_budget import state_spent
from mobility_pipeline.defs.scope import read_scope
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    ClockResource,
    LakeResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import make_limits
from mobility_pipeline.schemas.feeds import FEEDS, Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor import submission
from mobility_pipeline.vendor.client import JobStatus
from mobility_pipeline.vendor.polling import follow_job
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import CityDayState

OUTAGE_S = 20
"""Wait before a step that talks to vendor and ledger is tried again; then twice that."""


@dg.op(out={"jobs": dg.DynamicOut(int), "asked": dg.Out(Asked)})
def plan_vendor_jobs(
    context: dg.OpExecutionContext,
    config: CityDaysConfig,
    cities: CitiesResource,
    vendor: VendorResource,
    lake: LakeResource,
    settings: SettingsResource,
    clock: ClockResource,
) -> Iterator[Any]:
    """Ask for what the run lacks; yields each vendor job its city-days wait for."""
    feed = find_run_feed(context)
    with (
        as_failures(context, OUTAGE_S, clock.sleep),
        closing(vendor.open_ledger()) as ledger,
    ):
        values = settings.load()
        known = cities.create().load()
        for refused in known.refused:
            context.log.error(f"city {refused.name}: {'; '.join(refused.problems)}")
        partitions = read_target(context, asset_key(feed.name))
        target = partitions or _read_config(config, known, values, clock.now())
        lake.create(feed).require_access()  # before anything is bought for it
        with state_spent(context, ledger, feed, clock.now()):
            outcome = submission.request_city_days(
                ledger,
                vendor.create_client(),
                feed,
                known.active,
                {
                    city_day
                    for city_day in target.whole
                    if city_day.city in known.active
                },
                make_limits(values),
                values.veraset_monthly_jobs,
                now=clock.now,
                sleep=clock.sleep,
                refresh=config.refresh,
                asked_since=asked_since(context),
                recover=config.recover,
                max_jobs=config.max_jobs,
            )
        use = read_month(ledger, values.veraset_monthly_jobs, clock.now())
        warn_of_quota(context, feed, use)
        refs = [job.ref for job in outcome.jobs if ledger.pending(job.ref) & target.own]
    asked = Asked(
        city_days=target.own,
        of_siblings=partitions.whole - partitions.own if partitions else frozenset(),
        done=outcome.done & target.own,
        job_refs=tuple(refs),
        not_sent=_not_sent(outcome),
        left_alone=frozenset(outcome.left_alone.keys() & target.own),
        refresh=config.refresh,
        has_partitions=partitions is not None,
    )
    context.log.info(
        f"{feed.name}: {len(asked.city_days)} city-days asked for, {len(asked.done)} "
        f"there already, {len(asked.left_alone)} left alone, {len(refs)} vendor jobs to "
        "wait for"
    )
    for ref in refs:
        yield dg.DynamicOutput(ref, output_name="jobs", mapping_key=f"job_{ref}")
    yield dg.Output(asked, output_name="asked")


@dg.op(pool="vendor")
def collect_delivery(
    context: dg.OpExecutionContext,
    job_ref: int,
    vendor: VendorResource,
    settings: SettingsResource,
    clock: ClockResource,
) -> int:
    """Follow one vendor job.

    One that failed does not stop the others: `settle` names what it cost. One that is
    still open at the deadline fails this step, so that a re-execution from failure, like
    the next run, waits on.
    """
    with (
        as_failures(context, OUTAGE_S, clock.sleep),
        closing(vendor.open_ledger()) as ledger,
    ):
        values = settings.load()
        job = follow_job(
            ledger,
            vendor.create_client(),
            ledger.job(job_ref),
            poll_seconds=values.veraset_poll_seconds,
            deadline=_deadline(context, values, clock.now()),
            now=clock.now,
            sleep=clock.sleep,
            on_status=_log_changes(context),
        )
    context.log.info(f"vendor job {job.job_id} ended as {job.state}")
    return job_ref


def _not_sent(
    outcome: submission.Submitted,
) -> dict[CityDay, tuple[CityDayState, str]]:
    deferred = (CityDayState.DEFERRED_QUOTA, "the quota of vendor jobs is used up")
    return {
        **outcome.refused,
        **outcome.left_alone,
        **dict.fromkeys(outcome.deferred, deferred),
    }


def find_run_feed(context: dg.OpExecutionContext) -> Feed:
    """Return the feed whose asset an op is a part of."""
    return FEEDS[context.op_handle.path[0].removeprefix("lake__")]


def _read_config(
    config: CityDaysConfig, known: Cities, settings: Settings, now: datetime
) -> Target:
    if not (config.start and config.end):
        raise UsageError(
            "nothing is asked for: choose partitions, or set start and end in the config "
            "of plan_vendor_jobs"
        )
    if config.recover and config.refresh:
        raise UsageError(
            "recover asks for missing days, refresh for days that are there"
        )
    if config.max_jobs is not None and config.max_jobs < 0:
        raise UsageError("max_jobs of plan_vendor_jobs is below 0")
    scope = read_scope(
        settings,
        known,
        config.cities,
        config.start,
        config.end,
        now,
        is_typed=False,
    )
    return Target(scope.expected, scope.requestable)


def _log_changes(context: dg.OpExecutionContext) -> Callable[[JobStatus], None]:
    """Return what logs a job's status when it is another one than before."""
    seen: list[str] = []

    def log(status: JobStatus) -> None:
        if status.status not in seen[-1:]:
            seen.append(status.status)
            context.log.info(f"vendor job {status.job_id} is {status.status}")

    return log


def _deadline(
    context: dg.OpExecutionContext, settings: Settings, now: datetime
) -> datetime:
    """Return when this run stops waiting: the same instant for all of its jobs."""
    record = context.instance.get_run_record_by_id(context.run.run_id)
    started = (
        datetime.fromtimestamp(record.start_time, UTC)
        if record and record.start_time
        else now
    )
    return started + timedelta(minutes=settings.veraset_poll_timeout_minutes)
