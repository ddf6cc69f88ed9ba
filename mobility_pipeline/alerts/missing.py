"""Problems of missing city-days: by vendor job where one is to blame, else by city. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from mobility_pipeline.alerts.outlook import Outlook, Plan, advise, foretell, plan_for
from mobility_pipeline.alerts.problems import Kind, Problem, to_spans
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import (
    CityDayRecord,
    CityDayState,
    Missing,
    VendorJob,
)
from mobility_pipeline.vendor.recovery import Decision, Step, decide

OF_A_JOB = frozenset({CityDayState.JOB_FAILED, CityDayState.REJECTED})
"""A vendor job is to blame for these."""
_WRONG = frozenset({Step.ASK, Step.WAIT, Step.GIVE_UP})
_WHAT: Mapping[CityDayState, str] = {
    CityDayState.NOT_REQUESTED: "never asked for",
    CityDayState.NOT_DELIVERED: "the vendor did not deliver",
    CityDayState.JOB_FAILED: "failed at the vendor",
    CityDayState.REJECTED: "the delivery was rejected",
    CityDayState.DEFERRED_QUOTA: "not asked for: the quota of vendor jobs is used up",
}


@dataclass
class _Group:
    """The city-days of one problem."""

    feed: str
    subject: str
    state: CityDayState
    job_id: str | None
    days: defaultdict[str, list[date]] = field(
        default_factory=lambda: defaultdict(list)
    )
    plans: Counter[Plan] = field(default_factory=Counter[Plan])
    details: Counter[str] = field(default_factory=Counter[str])
    since: datetime | None = None
    until: datetime | None = None


def find_missing_problems(
    feed: str,
    missing: Iterable[Missing],
    jobs: Mapping[int, VendorJob],
    outlook: Outlook,
    *,
    requested_until: date,
    now: datetime,
) -> tuple[list[Problem], frozenset[CityDay]]:
    """Find what is wrong with a feed's city-days.

    Args:
        feed: its name.
        missing: what the lake lacks, none before its city's first day.
        jobs: by `ref`, those that are live, and those that ended badly; others count as
            gone.
        outlook: the schedules.
        requested_until: newest day that should have been asked for by now; a later one
            that was not asked for is no problem.
        now: the present instant.

    Returns:
        The problems by key, sorted; and the city-days that are on their way. What was
        erased is in neither.
    """
    live = {ref for ref, job in jobs.items() if job.state.may_deliver}
    on_their_way: set[CityDay] = set()
    groups: dict[tuple[str, CityDayState], _Group] = {}
    for alike in missing:
        decision = decide(alike.record, live, now)
        state = decision.state
        if decision.step is Step.STAY_ON_THE_WAY:
            on_their_way.update(alike.city_days)
        is_early = state is CityDayState.NOT_REQUESTED and alike.date > requested_until
        if decision.step not in _WRONG or is_early:
            continue
        plan = plan_for(alike.date, decision.step, outlook)
        job = _find_blamed(alike.record, jobs)
        for subject, cities in _divide(alike, job):
            group = groups.get((subject, state))
            if group is None:
                group = _Group(feed, subject, state, job.job_id if job else None)
                groups[subject, state] = group
            _add(group, cities, alike, decision, plan)
    problems = [_describe(group, outlook) for _, group in sorted(groups.items())]
    return problems, frozenset(on_their_way)


def _find_blamed(
    record: CityDayRecord | None, jobs: Mapping[int, VendorJob]
) -> VendorJob | None:
    if record is None or record.state not in OF_A_JOB:
        return None
    return jobs.get(record.job_ref or 0)


def _divide(
    alike: Missing, job: VendorJob | None
) -> Iterable[tuple[str, Collection[str]]]:
    """Return subjects with their cities: the job to blame, else each city."""
    if job is not None:
        return [(job.name, alike.cities)]
    return [(city, (city,)) for city in alike.cities]


def _add(
    group: _Group,
    cities: Collection[str],
    alike: Missing,
    decision: Decision,
    plan: Plan,
) -> None:
    for city in cities:
        group.days[city].append(alike.date)
    group.plans[plan] += len(cities)
    if plan is Plan.WAIT and decision.until is not None:
        group.until = min(group.until or decision.until, decision.until)
    record = alike.record
    if record is not None:
        group.since = min(group.since or record.updated_at, record.updated_at)
        if record.reason:
            group.details[record.reason] += len(cities)


def _describe(group: _Group, outlook: Outlook) -> Problem:
    what = _WHAT[group.state]
    if group.details:
        detail, count = min(group.details.items(), key=lambda item: (-item[1], item[0]))
        more = "" if len(group.details) == 1 else f" ({count} of {group.plans.total()})"
        what = f"{what}: {detail}{more}"
    return Problem(
        feed=group.feed,
        kind=Kind.DAYS,
        subject=group.subject,
        reason=group.state.value,
        what=what,
        by_itself=foretell(group.plans, outlook, group.until),
        by_person=advise(group.state, group.plans, group.job_id),
        since=group.since,
        days=to_spans(group.days),
    )
