"""Episodes: a problem opens one alert, which is repeated daily until it is over. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mobility_pipeline.alerts.problems import (
    Assessment,
    Kind,
    Problem,
    to_city_days,
    to_days,
)

_REST = timedelta(hours=12)
"""What was told late in the evening is not repeated right after midnight."""


@dataclass(frozen=True)
class Alert:
    """One episode of a problem. Times are UTC."""

    id: int | None
    """Null until it is stored."""
    problem: Problem
    """As last seen; with the earliest `since` that was known of it."""
    opened_at: datetime
    notified_at: datetime
    """When it was last told."""
    closed_at: datetime | None = None

    @property
    def since(self) -> datetime:
        """When the problem began, as far as is known."""
        return self.problem.since or self.opened_at


@dataclass(frozen=True)
class Changes:
    """What one evaluation makes of the open alerts; each alert is in one of the four."""

    opened: tuple[Alert, ...] = ()
    reminded: tuple[Alert, ...] = ()
    """Still open, and told again."""
    closed: tuple[Alert, ...] = ()
    kept: tuple[Alert, ...] = ()
    """Still open, nothing is told."""

    @property
    def told(self) -> tuple[Alert, ...]:
        """Alerts that people are told of."""
        return (*self.opened, *self.reminded, *self.closed)

    @property
    def open(self) -> tuple[Alert, ...]:
        """Alerts that are open afterwards."""
        return (*self.opened, *self.reminded, *self.kept)


def follow(
    open_alerts: Iterable[Alert], assessment: Assessment, now: datetime
) -> Changes:
    """Compare the open alerts with what is wrong now.

    An alert is repeated once a UTC day, all of them at that day's first evaluation, so
    that a day brings one notification; one told within the last 12 hours waits that long.

    Args:
        open_alerts: no two with one key.
        assessment: what is wrong.
        now: the present instant, in UTC.
    """
    before = {alert.problem.key: alert for alert in open_alerts}
    opened: list[Alert] = []
    lasting: list[Alert] = []
    for problem in assessment.problems:
        alert = before.pop(problem.key, None)
        if alert is None:
            since = problem.since or now
            seen = replace(problem, since=since)
            opened.append(Alert(None, seen, now, now))
        else:
            since = min(alert.since, problem.since or now)
            seen = replace(_keep_awaited(problem, alert, assessment), since=since)
            lasting.append(replace(alert, problem=seen))
    closed: list[Alert] = []
    for alert in before.values():
        if _is_unjudged(alert.problem, assessment):
            lasting.append(alert)
        elif awaited := _awaited(alert.problem, assessment):
            lasting.append(replace(alert, problem=awaited))
        else:
            closed.append(replace(alert, notified_at=now, closed_at=now))
    reminded = [
        replace(alert, notified_at=now)
        for alert in lasting
        if _is_due(alert.notified_at, now)
    ]
    kept = [alert for alert in lasting if not _is_due(alert.notified_at, now)]
    return Changes(tuple(opened), tuple(reminded), tuple(closed), tuple(kept))


def _is_due(told_at: datetime, now: datetime) -> bool:
    return now.date() > told_at.date() and now - told_at >= _REST


def _is_unjudged(problem: Problem, assessment: Assessment) -> bool:
    if problem.kind is Kind.RUN:
        return (problem.feed, problem.subject) not in assessment.got_through
    if problem.feed in assessment.unjudged_feeds:
        return True
    return any(city in assessment.unjudged_cities for city in problem.days)


def _awaited(problem: Problem, assessment: Assessment) -> Problem | None:
    """Return what is left of a problem whose days were asked for again; null = nothing."""
    on_their_way = assessment.on_their_way.get(problem.feed)
    awaited = to_city_days(problem.days) & on_their_way if on_their_way else None
    if not awaited:
        return None
    text = "They are asked for again, and wait for their vendor job."
    return replace(
        problem,
        days=to_days(awaited),
        by_itself=text,
        by_person="Nothing yet. To see it: `mobility jobs list`. To ask anyway:",
    )


def _keep_awaited(seen: Problem, before: Alert, assessment: Assessment) -> Problem:
    """Return a problem with those of its earlier days that were asked for again."""
    awaited = _awaited(before.problem, assessment)
    if awaited is None:
        return seen
    days = to_city_days(seen.days) | to_city_days(awaited.days)
    return replace(seen, days=to_days(days))
