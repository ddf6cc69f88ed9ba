"""What the Dagster instance knows that the console shows: runs and schedules."""

import socket
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import dagster as dg
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._utils.schedules import schedule_execution_time_iterator

from mobility_pipeline.defs.lake import DAILY_SCHEDULE
from mobility_pipeline.defs.launch import HOST_TAG, PROCESS_TAG, open_instance
from mobility_pipeline.serving.console.desk import ScheduleState


class InstanceFacts:
    """Reads the instance of a folder; for several threads."""

    def __init__(
        self, home: Path, find_schedules: Callable[[], Sequence[dg.ScheduleDefinition]]
    ) -> None:
        """Open nothing yet.

        Args:
            home: DAGSTER_HOME.
            find_schedules: the code location's; called when they are first looked at.
        """
        self._home, self._find_schedules = home, find_schedules
        self._lock = threading.Lock()

    def find_run(self, process_id: int) -> str | None:
        """Return the id of the run that a process of this host made; null before that."""
        tags = {HOST_TAG: socket.gethostname(), PROCESS_TAG: str(process_id)}
        with self._lock:
            runs = self._instance.get_runs(filters=dg.RunsFilter(tags=tags), limit=1)
        return runs[0].run_id if runs else None

    def schedules(self, now: datetime) -> Sequence[ScheduleState]:
        """Return every schedule; the daily load first."""
        with self._lock:
            known = self._instance.all_instigator_state(
                instigator_type=InstigatorType.SCHEDULE
            )
            definitions = self._definitions
        states = {state.instigator_name: state.status for state in known}
        found = [_describe(schedule, states, now) for schedule in definitions]
        return sorted(
            found, key=lambda state: (state.name != DAILY_SCHEDULE, state.name)
        )

    @cached_property
    def _instance(self) -> dg.DagsterInstance:
        return open_instance(self._home)

    @cached_property
    def _definitions(self) -> Sequence[dg.ScheduleDefinition]:
        return self._find_schedules()


def _describe(
    schedule: dg.ScheduleDefinition, states: dict[str, InstigatorStatus], now: datetime
) -> ScheduleState:
    # What nobody has switched is as the code says.
    default = schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    status = states.get(schedule.name, InstigatorStatus.DECLARED_IN_CODE)
    is_on = (
        default
        if status is InstigatorStatus.DECLARED_IN_CODE
        else status is InstigatorStatus.RUNNING
    )
    ticks = schedule_execution_time_iterator(
        now.timestamp(), schedule.cron_schedule, schedule.execution_timezone or "UTC"
    )
    return ScheduleState(
        schedule.name, is_on, next(ticks).astimezone(UTC) if is_on else None
    )
