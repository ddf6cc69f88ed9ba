"""Tell people what is wrong: evaluated every few minutes, from the ledger and the runs."""

from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from uuid import uuid4

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType

from mobility_pipeline.alerts.outlook import Outlook
from mobility_pipeline.alerts.problems import Assessment
from mobility_pipeline.alerts.sending import Evaluation, evaluate
from mobility_pipeline.alerts.watch import Watch, assess
from mobility_pipeline.defs.lake import DAILY_SCHEDULE, LOOK_BACK_DAYS
from mobility_pipeline.defs.recovery import RECOVER_AFTER_H, RECOVERY_SCHEDULE
from mobility_pipeline.defs.run_ends import read_run_ends
from mobility_pipeline.resources.adapters import (
    AlertsResource,
    CitiesResource,
    ClockResource,
    SettingsResource,
    VendorResource,
)
from mobility_pipeline.resources.clients import newest_day
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings


def build_alert_sensor(feeds: Sequence[Feed]) -> dg.SensorDefinition:
    """Build the sensor that opens, repeats and closes alerts."""

    @dg.sensor(
        name="alert_sensor",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Alerts of missing city-days, failed vendor jobs and failed runs: told "
        "when they open, once a day while they last, and when they are over.",
    )
    def alert_sensor(
        context: dg.SensorEvaluationContext,
        cities: CitiesResource,
        vendor: VendorResource,
        alerts: AlertsResource,
        settings: SettingsResource,
        clock: ClockResource,
    ) -> dg.SkipReason:
        values = settings.load()

        def look(now: datetime) -> Assessment:
            watch = Watch(
                feeds=[feed.name for feed in feeds],
                start=values.mobility_start_date,
                newest=newest_day(values, now),
                outlook=_read_outlook(context.instance, values, now),
            )
            ends = read_run_ends(context.instance, now)
            with closing(vendor.open_ledger()) as ledger:
                return assess(watch, ledger, lambda: cities.create().load(), ends, now)

        with closing(alerts.open_store()) as store:
            evaluation = evaluate(
                store,
                look,
                alerts.find_channels(context.log.warning),
                now=clock.now,
                make_uid=lambda: uuid4().hex,
            )
        for problem in evaluation.undelivered:
            context.log.error(
                f"an alert was not delivered, and is sent again: {problem}"
            )
        return dg.SkipReason(_sum_up(evaluation))

    return alert_sensor


def _read_outlook(
    instance: dg.DagsterInstance, settings: Settings, now: datetime
) -> Outlook:
    """Say what schedules will do, as they are switched in the UI."""
    states = {
        state.instigator_name: state.status
        for state in instance.all_instigator_state(
            instigator_type=InstigatorType.SCHEDULE
        )
    }
    # What nobody has switched is as the code says: the daily load on, recovery off.
    daily_on = states.get(DAILY_SCHEDULE) is not InstigatorStatus.STOPPED
    recovery_on = states.get(RECOVERY_SCHEDULE) is InstigatorStatus.RUNNING
    hour, minute = (int(part) for part in settings.sync_time.split(":"))
    daily_at = _next(now, hour * 60 + minute)
    recovery_at = _next(now, hour * 60 + minute + RECOVER_AFTER_H * 60)
    first = newest_day(settings, daily_at) - timedelta(days=LOOK_BACK_DAYS)
    return Outlook(
        daily_from=first if daily_on else None,
        daily_at=daily_at,
        recovery_at=recovery_at if recovery_on else None,
    )


def _next(now: datetime, minute_of_day: int) -> datetime:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + timedelta(minutes=minute_of_day % (24 * 60))
    return at if at > now else at + timedelta(days=1)


def _sum_up(evaluation: Evaluation) -> str:
    changes = evaluation.changes
    return (
        f"{len(changes.open)} open alerts: {len(changes.opened)} new, "
        f"{len(changes.reminded)} told again, {len(changes.closed)} closed; "
        f"{evaluation.sent} notifications sent, {len(evaluation.undelivered)} channels "
        "failed"
    )
