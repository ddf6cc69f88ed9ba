"""Problems of missing city-days: by vendor job where one is to blame, else by city. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from mobility_pipeline.alerts.outlook import Outlook, Plan, advise, foretell, plan_for
from mobility_pipeline.alerts.problems import Kind, Problem, to_days
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState, VendorJob
from mobility_pipeline.vendor.recovery import Recovery, choose_city_days

_OF_A_JOB = frozenset({CityDayState.JOB_FAILED, CityDayState.REJECTED})
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
    days: list[CityDay] = field(default_factory=list[CityDay])
    plans: Counter[Plan] = field(default_factory=Counter[Plan])
    details: Counter[str] = field(default_factory=Counter[str])
    since: datetime | None = None
    until: datetime | None = None


def find_missing_problems(
    feed: str,
    missing: Iterable[CityDay],
    records: Mapping[CityDay, CityDayRecord],
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
        records: what the ledger knows of them.
        jobs: by `ref`, those that records name; others count as gone.
        outlook: the schedules.
        requested_until: newest day that should have been asked for by now; a later one
            that was not asked for is no problem.
        now: the present instant.

    Returns:
        The problems by key, sorted; and the city-days that are on their way. What was
        erased is in neither.
    """
    live = {ref for ref, job in jobs.items() if job.state.may_deliver}
    recovery = choose_city_days(missing, records, live, now)
    groups: dict[tuple[str, CityDayState], _Group] = {}
    for city_day in (*recovery.to_ask, *recovery.waiting, *recovery.given_up):
        record = records.get(city_day)
        state = record.settled_state if record else CityDayState.NOT_REQUESTED
        if state is CityDayState.NOT_REQUESTED and city_day.date > requested_until:
            continue
        job = jobs.get(record.job_ref or 0) if record else None
        by_job = job is not None and record is not None and record.state in _OF_A_JOB
        subject = job.name if job and by_job else city_day.city
        group = groups.setdefault(
            (subject, state),
            _Group(feed, subject, state, job.job_id if job and by_job else None),
        )
        _add(group, city_day, record, plan_for(city_day, recovery, outlook), recovery)
    problems = [_describe(group, outlook) for _, group in sorted(groups.items())]
    return problems, frozenset(recovery.on_their_way)


def _add(
    group: _Group,
    city_day: CityDay,
    record: CityDayRecord | None,
    plan: Plan,
    recovery: Recovery,
) -> None:
    group.days.append(city_day)
    group.plans[plan] += 1
    if plan is Plan.WAIT:
        until = recovery.waiting[city_day]
        group.until = min(group.until or until, until)
    if record is not None:
        group.since = min(group.since or record.updated_at, record.updated_at)
        if record.reason:
            group.details[record.reason] += 1


def _describe(group: _Group, outlook: Outlook) -> Problem:
    what = _WHAT[group.state]
    if group.details:
        detail, count = min(group.details.items(), key=lambda item: (-item[1], item[0]))
        more = "" if len(group.details) == 1 else f" ({count} of {len(group.days)})"
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
        days=to_days(group.days),
    )
