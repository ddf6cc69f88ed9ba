"""Forget old runs of Dagster, where MOBILITY_KEEP_RUNS_DAYS says so; off by default."""

from datetime import timedelta

import dagster as dg

from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.lake import daily_cron
from mobility_pipeline.defs.pruning import prune_history
from mobility_pipeline.resources.adapters import ClockResource, SettingsResource
from mobility_pipeline.settings import Settings

_RETRY_S = 10
_BEFORE_SYNC_MIN = 120


def build_history_job() -> dg.JobDefinition:
    """Build the job that prunes what is older than the setting."""

    @dg.op
    def prune_runs(
        context: dg.OpExecutionContext,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> None:
        """Prune, and say how much went; without the setting, everything stays."""
        with as_failures(context, _RETRY_S, clock.sleep):
            keep_days = settings.load().mobility_keep_runs_days
            if keep_days is None:
                context.log.info("MOBILITY_KEEP_RUNS_DAYS is not set: everything stays")
                return
            now = clock.now()
            before = now - timedelta(days=keep_days)
            pruned = prune_history(context.instance, before, now)
            context.log.info(
                f"runs that ended before {before:%Y-%m-%d}: {pruned.runs_deleted} "
                f"deleted, {pruned.runs_shortened} kept without their log; "
                f"{pruned.events_deleted} event-log records and {pruned.bytes_deleted} "
                "bytes went"
            )
            context.add_output_metadata(
                {
                    "runs_deleted": pruned.runs_deleted,
                    "runs_shortened": pruned.runs_shortened,
                    "events_deleted": pruned.events_deleted,
                    "bytes_deleted": pruned.bytes_deleted,
                }
            )

    @dg.job(
        name="prune_history_job",
        description="Deletes finished runs older than MOBILITY_KEEP_RUNS_DAYS and their "
        "event-log records; runs that hold the state of a partition, a check or a backfill "
        "stay and lose only their log.",
    )
    def prune_history_job() -> None:
        prune_runs()

    return prune_history_job


def build_history_schedule(
    job: dg.JobDefinition, settings: Settings
) -> dg.ScheduleDefinition:
    """Build the schedule that prunes every day, hours before the daily load."""
    return dg.ScheduleDefinition(
        name="prune_history_daily_schedule",
        job=job,
        cron_schedule=daily_cron(settings, minutes_later=-_BEFORE_SYNC_MIN),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Every day: forget runs older than MOBILITY_KEEP_RUNS_DAYS; unset, it "
        "does nothing.",
    )
