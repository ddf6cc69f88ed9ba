"""What the system will do by itself about missing city-days, and what a person should."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum

from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.recovery import Step


@dataclass(frozen=True)
class Outlook:
    """The schedules that ask for missing days, as they are switched now."""

    daily_from: date | None
    """First day that the daily load asks for again; null = it is switched off."""
    daily_at: datetime
    """When it starts next."""
    recovery_at: datetime | None
    """When recovery starts next; null = it is switched off."""


class Plan(Enum):
    """What happens to one missing city-day by itself."""

    DAILY = "the daily load"
    RECOVERY = "recovery"
    WAIT = "recovery, after a while"
    GIVEN_UP = "nothing: given up"
    OFF = "nothing: switched off"


def plan_for(day: date, step: Step, outlook: Outlook) -> Plan:
    """Say what will happen to city-days that are missing and not on their way.

    Args:
        day: their date.
        step: what recovery decides of them.
        outlook: the schedules.
    """
    if outlook.daily_from is not None and day >= outlook.daily_from:
        return Plan.DAILY
    if step is Step.GIVE_UP:
        return Plan.GIVEN_UP
    if outlook.recovery_at is None:
        return Plan.OFF
    return Plan.WAIT if step is Step.WAIT else Plan.RECOVERY


def foretell(
    plans: Mapping[Plan, int], outlook: Outlook, until: datetime | None
) -> str:
    """Say what the system will do, in sentences.

    Args:
        plans: number of city-days by plan.
        outlook: the schedules.
        until: when recovery asks for the first of those that wait; null = none waits.
    """
    whole = sum(plans.values())
    at = outlook.recovery_at or outlook.daily_at
    sentences = {
        Plan.DAILY: f"The daily load asks for {{}} at {outlook.daily_at:%F %R} UTC.",
        Plan.RECOVERY: f"Recovery asks for {{}} at {at:%F %R} UTC.",
        Plan.WAIT: f"Recovery asks for {{}} again from {max(until or at, at):%F %R} UTC on.",
        Plan.GIVEN_UP: "Nothing asks for {} any more: given up.",
        Plan.OFF: "Nothing asks for {}: recover_missing_days_schedule is off.",
    }
    return " ".join(
        text.format("them" if plans[plan] == whole else f"{plans[plan]} of them")
        for plan, text in sentences.items()
        if plans.get(plan)
    )


def advise(state: CityDayState, plans: Counter[Plan], job_id: str | None) -> str:
    """Say what a person should do; the command that asks again is said elsewhere.

    Args:
        state: why the days are missing.
        plans: number of city-days by plan.
        job_id: of the vendor job that ended so; null = there is none.
    """
    again = "Then ask again:"
    if state is CityDayState.DEFERRED_QUOTA:
        return (
            "Where VERASET_MONTHLY_JOBS is the limit, raise it, else ask the vendor; or wait "
            f"for the next month (`mobility jobs quota` shows the use). {again}"
        )
    if state is CityDayState.REJECTED:
        return f"Tell the vendor what is wrong with the delivery. {again}"
    if state is CityDayState.JOB_FAILED:
        look = f"`mobility jobs show {job_id}`" if job_id else "`mobility jobs list`"
        return f"Look at {look}, and ask the vendor where it says too little. {again}"
    if plans[Plan.GIVEN_UP]:
        return f"Ask the vendor for what does not come. {again}"
    if plans[Plan.OFF]:
        return "Switch recover_missing_days_schedule on in the Dagster UI, or ask yourself:"
    return "Nothing yet. To ask at once:"
