"""Which missing city-days to ask for again now, later, or no more. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.planner import PlannedJob
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState

WAIT_DAYS = (1, 3, 7, 14)
"""Days to wait after the first, second, … attempt that was not delivered; the vendor adds
late data within weeks. After one attempt more the day is given up."""

_ASKED_ONCE_MORE = frozenset({CityDayState.JOB_FAILED, CityDayState.REJECTED})
_MORE_THAN_ONCE = 2

Reason = tuple[CityDayState, str]
"""A city-day's state, and a detail for people."""


class Step(Enum):
    """What recovery does with a city-day."""

    NONE = "nothing: the lake holds it"
    ASK = "ask for it now"
    STAY_ON_THE_WAY = "nothing: the vendor job may still deliver"
    WAIT = "ask for it later"
    GIVE_UP = "nothing: asked for often enough, a person has to look"
    NEVER = "nothing: erased"


@dataclass(frozen=True)
class Decision:
    """What recovery does with all city-days of which the same is known, and why."""

    step: Step
    state: CityDayState
    """Where they stand without the vendor job that is gone."""
    detail: str = ""
    """For people; may be empty."""
    until: datetime | None = None
    """Of WAIT: when they are asked for again."""


@dataclass(frozen=True)
class Recovery:
    """Missing city-days, each in exactly one place; what the lake holds is in none."""

    to_ask: set[CityDay] = field(default_factory=set[CityDay])
    """To be asked for now."""
    on_their_way: dict[CityDay, Reason] = field(default_factory=dict[CityDay, Reason])
    """Requested; the vendor job may still deliver."""
    waiting: dict[CityDay, Reason] = field(default_factory=dict[CityDay, Reason])
    """Not delivered, and to be asked for again later."""
    given_up: dict[CityDay, Reason] = field(default_factory=dict[CityDay, Reason])
    """Asked for often enough; a person has to look."""
    erased: dict[CityDay, Reason] = field(default_factory=dict[CityDay, Reason])
    """Never to be asked for again."""

    @property
    def left_alone(self) -> dict[CityDay, Reason]:
        """City-days that are neither asked for nor on their way, with what will happen."""
        return {**self.waiting, **self.given_up, **self.erased}


def choose_city_days(
    expected: Iterable[CityDay],
    records: Mapping[CityDay, CityDayRecord],
    live_refs: Collection[int],
    now: datetime,
) -> Recovery:
    """Sort the missing city-days of one feed by what recovery does with them.

    Args:
        expected: city-days the lake should hold, none before its city's first day.
        records: what the ledger knows of them.
        live_refs: vendor jobs that may still deliver.
        now: the present instant.
    """
    recovery = Recovery()
    for city_day in expected:
        decision = decide(records.get(city_day), live_refs, now)
        reason = decision.state, decision.detail
        match decision.step:
            case Step.ASK:
                recovery.to_ask.add(city_day)
            case Step.STAY_ON_THE_WAY:
                recovery.on_their_way[city_day] = reason
            case Step.WAIT:
                recovery.waiting[city_day] = reason
            case Step.GIVE_UP:
                recovery.given_up[city_day] = reason
            case Step.NEVER:
                recovery.erased[city_day] = reason
            case Step.NONE:
                pass
    return recovery


def decide(
    record: CityDayRecord | None, live_refs: Collection[int], now: datetime
) -> Decision:
    """Decide what to do with city-days by what is known of them; null = nothing.

    `not_requested` and `deferred_quota` are asked for at once; `not_delivered` after
    `WAIT_DAYS` by attempt; `job_failed` and `rejected` once more. Nothing that is
    requested from a job that may deliver, or erased, is asked for.

    Args:
        record: what the ledger knows.
        live_refs: vendor jobs that may still deliver.
        now: the present instant.
    """
    if record is None:
        return Decision(Step.ASK, CityDayState.NOT_REQUESTED)
    # Where it is requested and its job is gone, it stands as before.
    state = record.settled_state
    if record.is_in_lake:
        return Decision(Step.NONE, state)
    if record.state is CityDayState.REQUESTED and record.job_ref in live_refs:
        return Decision(Step.STAY_ON_THE_WAY, record.state, "waits for its vendor job")
    if state is CityDayState.ERASED:
        return Decision(Step.NEVER, state, record.reason)
    if state is CityDayState.NOT_DELIVERED:
        return _decide_not_delivered(record, now)
    if state in _ASKED_ONCE_MORE and record.attempts >= _MORE_THAN_ONCE:
        return Decision(Step.GIVE_UP, state, _give_up(record))
    return Decision(Step.ASK, state)


def keep_largest(
    planned: Collection[PlannedJob], wanted: Collection[CityDay], max_jobs: int | None
) -> tuple[list[PlannedJob], frozenset[CityDay]]:
    """Keep the jobs that cover most wanted city-days.

    Args:
        planned: covers each of `wanted` exactly once.
        wanted: city-days.
        max_jobs: jobs to keep; null = all.

    Returns:
        The jobs kept, in the order given; and the city-days the others would cover.
    """
    if max_jobs is None or len(planned) <= max_jobs:
        return [*planned], frozenset()
    covered = {job: cover(job, wanted) for job in planned}
    # Of equals the earliest: sorting keeps their order.
    ranked = sorted(planned, key=lambda job: -len(covered[job]))
    kept = set(ranked[:max_jobs])
    left = frozenset(day for job in ranked[max_jobs:] for day in covered[job])
    return [job for job in planned if job in kept], left


def cover(job: PlannedJob, wanted: Iterable[CityDay]) -> frozenset[CityDay]:
    """Return the wanted city-days that a planned job covers."""
    keys = set(job.cities)
    return frozenset(
        day for day in wanted if day.city in keys and job.start <= day.date <= job.end
    )


def _decide_not_delivered(record: CityDayRecord, now: datetime) -> Decision:
    state = CityDayState.NOT_DELIVERED
    if record.attempts > len(WAIT_DAYS):
        return Decision(Step.GIVE_UP, state, _give_up(record))
    # A day may be recorded without a bought job where the ledger was rebuilt.
    wait = WAIT_DAYS[max(record.attempts, 1) - 1]
    until = record.updated_at + timedelta(days=wait)
    if until <= now:
        return Decision(Step.ASK, state)
    return Decision(Step.WAIT, state, f"asked for again from {until:%F %R} UTC", until)


def _give_up(record: CityDayRecord) -> str:
    return (
        f"given up after {record.attempts} attempts ({record.reason}); look at it, then "
        "`mobility request` asks again"
    )
