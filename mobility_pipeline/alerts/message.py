"""What a notification says: a title, plain text for people, and data for programs. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mobility_pipeline.alerts.episodes import Alert, Changes
from mobility_pipeline.alerts.problems import (
    Days,
    Kind,
    Problem,
    Span,
    ask_command,
    to_city_days,
)
from mobility_pipeline.cities.city import CityDay

_NAMED_SPANS = 10
_MAX_CHARACTERS = 60_000
"""Amazon SNS takes 256 KiB, and a character may take 4 bytes."""


@dataclass(frozen=True)
class Notification:
    """One message to people, the same on every channel."""

    uid: str
    """Unique for ever: receivers tell a repeated message by it."""
    title: str
    """One line."""
    text: str
    data: Mapping[str, Any]
    """The same for programs, as JSON."""


@dataclass(frozen=True)
class _Block:
    """Alerts that say the same of several cities, told together."""

    alerts: list[Alert]
    days: dict[str, tuple[Span, ...]]


def write_notification(changes: Changes, uid: str, now: datetime) -> Notification:
    """Write what opened, what is still open and what is over, in that order.

    Args:
        changes: with at least one alert to be told.
        uid: of the new notification.
        now: the present instant.
    """
    parts = [
        ("opened", changes.opened),
        ("still open", changes.reminded),
        ("closed", changes.closed),
    ]
    counts = [f"{len(alerts)} {name}" for name, alerts in parts if alerts]
    title = f"Mobility alerts: {', '.join(counts)}"
    moved = _find_moved(changes)
    lines = [title, ""]
    for name, alerts in parts:
        for block in _group(alerts):
            lines += [*_write_block(name, block, moved), ""]
    lines.append("All open alerts: `mobility alerts list`")
    data = {
        "type": "mobility.alerts",
        "timestamp": now.isoformat(),
        "data": {
            name.replace(" ", "_"): [describe_alert(alert) for alert in alerts]
            for name, alerts in parts
        },
    }
    return Notification(uid, title, _cut("\n".join(lines)), data)


def write_test(uid: str, now: datetime) -> Notification:
    """Write a notification that only shows that a channel works."""
    text = (
        "This is a test by `mobility alerts test`: alerts arrive here.\n"
        "Nothing is wrong, and nothing is to be done."
    )
    data: dict[str, Any] = {"type": "mobility.test", "timestamp": now.isoformat()}
    return Notification(uid, "Mobility alerts: a test", text, data)


def describe_alert(alert: Alert) -> dict[str, Any]:
    """Return an alert as JSON."""
    problem = alert.problem
    return {
        "feed": problem.feed,
        "kind": problem.kind.value,
        "subject": problem.subject,
        "reason": problem.reason,
        "what": problem.what,
        "by_itself": problem.by_itself,
        "by_person": _write_advice(problem, problem.days),
        "since": alert.since.isoformat(),
        "opened_at": alert.opened_at.isoformat(),
        "closed_at": alert.closed_at.isoformat() if alert.closed_at else None,
        "city_days": problem.city_days,
        "days": [
            {"city": city, "from": start.isoformat(), "to": end.isoformat()}
            for city, spans in problem.days.items()
            for start, end in spans
        ],
    }


def write_spans(spans: Sequence[Span]) -> str:
    """Write ranges of days; of many only the first, with the number of the others."""
    texts = [
        str(start) if start == end else f"{start} to {end}"
        for start, end in spans[:_NAMED_SPANS]
    ]
    more = len(spans) - len(texts)
    return ", ".join(texts) + (f", and {more} more ranges" if more > 0 else "")


def _group(alerts: Iterable[Alert]) -> list[_Block]:
    """Put cities together of which everything else is the same."""
    blocks: dict[object, _Block] = {}
    for alert in alerts:
        problem = alert.problem
        says = (
            problem.feed,
            problem.kind,
            problem.reason,
            problem.what,
            problem.by_itself,
            problem.by_person,
            tuple(problem.days.values()),
            alert.since,
        )
        # One of a vendor job or a run stands for itself.
        is_of_city = [*problem.days] == [problem.subject]
        key = says if is_of_city else (says, problem.subject)
        block = blocks.setdefault(key, _Block([], {}))
        block.alerts.append(alert)
        block.days.update(problem.days)
    return [*blocks.values()]


def _write_block(
    change: str, block: _Block, moved: Mapping[CityDay, Alert]
) -> Iterator[str]:
    alert = block.alerts[0]
    problem = alert.problem
    feed = problem.feed or "every feed"
    many = len(block.alerts) > 1
    subject = f"{len(block.alerts)} cities" if many else problem.subject
    yield f"{change.upper()}: {feed}, {subject}: {problem.what}"
    yield f"  since:      {alert.since:%F %R} UTC"
    if problem.kind is Kind.DAYS:
        yield from _write_days(problem, block)
    if alert.closed_at is not None:
        yield f"  closed:     {_say_end(block, moved)}"
        return
    yield f"  by itself:  {problem.by_itself}"
    yield f"  to do:      {_write_advice(problem, block.days)}"


def _write_days(problem: Problem, block: _Block) -> Iterator[str]:
    count = sum(alert.problem.city_days for alert in block.alerts)
    by_spans: dict[tuple[Span, ...], list[str]] = {}
    for city, spans in block.days.items():
        by_spans.setdefault(spans, []).append(city)
    cities = "1 city" if len(block.days) == 1 else f"{len(block.days)} cities"
    yield f"  missing:    {count} city-days of {cities}"
    for spans, keys in by_spans.items():
        yield f"  days:       {write_spans(spans)}"
        if keys != [problem.subject]:
            yield f"  cities:     {', '.join(keys)}"


def _write_advice(problem: Problem, days: Days) -> str:
    if problem.kind is not Kind.DAYS:
        return problem.by_person
    return f"{problem.by_person} `{ask_command(problem.feed, problem.reason, days)}`"


def _find_moved(changes: Changes) -> dict[CityDay, Alert]:
    """Return the missing city-days of open alerts, where any is closed."""
    if not any(alert.problem.days for alert in changes.closed):
        return {}
    return {
        city_day: alert
        for alert in changes.open
        for city_day in to_city_days(alert.problem.days)
    }


def _say_end(block: _Block, moved: Mapping[CityDay, Alert]) -> str:
    problem = block.alerts[0].problem
    if problem.kind is not Kind.DAYS:
        return "It works again."
    days = to_city_days(block.days)
    feed = problem.feed
    still = {
        day: moved[day]
        for day in days
        if day in moved and moved[day].problem.feed == feed
    }
    if not still:
        return "Nothing of it is missing any more."
    others = sorted(
        {f"{a.problem.subject} ({a.problem.reason})" for a in still.values()}
    )
    return f"{len(still)} of its city-days are still missing, see {', '.join(others)}."


def _cut(text: str) -> str:
    if len(text) <= _MAX_CHARACTERS:
        return text
    end = "\n… cut here: `mobility alerts list` shows all"
    return text[: _MAX_CHARACTERS - len(end)] + end
