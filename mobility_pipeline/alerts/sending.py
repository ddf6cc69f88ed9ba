"""One evaluation: compare, record, and send what channels have not had yet."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from mobility_pipeline.alerts.channels import Channels
from mobility_pipeline.alerts.episodes import Changes, follow
from mobility_pipeline.alerts.message import write_notification
from mobility_pipeline.alerts.problems import Assessment
from mobility_pipeline.alerts.store import (
    DELIVERED,
    GIVEN_UP,
    PENDING,
    AlertStore,
    Pending,
)
from mobility_pipeline.errors import MobilityError

_KEEP_TRYING = timedelta(days=7)
"""After this a notification is old news: the reminders of each day say what counts."""


@dataclass(frozen=True)
class Evaluation:
    """What one evaluation did."""

    changes: Changes
    sent: int
    """Notifications that a channel took, each channel counted."""
    undelivered: tuple[str, ...]
    """What channels refused, one line each."""


def evaluate(
    store: AlertStore,
    assess: Callable[[datetime], Assessment],
    channels: Channels,
    *,
    now: Callable[[], datetime],
    make_uid: Callable[[], str],
) -> Evaluation:
    """Evaluate once; others that evaluate at the same time wait, and find it done.

    Args:
        store: the record.
        assess: says what is wrong at an instant.
        channels: those configured.
        now: the clock, in UTC.
        make_uid: makes an id that nobody else makes.

    Raises:
        LedgerError: the ledger cannot be read; nothing changed.
    """
    with store.lock():
        at = now()
        before = store.open_alerts()
        changes = follow(before, assess(at), at)
        told = write_notification(changes, make_uid(), at) if changes.told else None
        known = {alert.id: alert for alert in before}
        moved = tuple(alert for alert in changes.kept if alert != known[alert.id])
        if told or moved:
            changed = replace(changes, kept=moved)
            store.record(changed, told, channels.keys(), at)
        store.mark_evaluated(at)
        sent, undelivered = _send_pending(store, channels, now)
    return Evaluation(changes, sent, tuple(undelivered))


def _send_pending(
    store: AlertStore, channels: Channels, now: Callable[[], datetime]
) -> tuple[int, list[str]]:
    waiting = sorted(store.pending(), key=attrgetter("channel", "number"))
    by_channel = {
        name: [*found] for name, found in groupby(waiting, key=attrgetter("channel"))
    }
    if not by_channel:
        return 0, []

    def send(name: str) -> tuple[int, str]:
        return _send_to(store, channels, name, by_channel[name], now)

    # Side by side: a receiver that hangs does not keep the others waiting.
    with ThreadPoolExecutor(len(by_channel), "alerts") as threads:
        results = [*threads.map(send, by_channel)]
    return sum(sent for sent, _ in results), [error for _, error in results if error]


def _send_to(
    store: AlertStore,
    channels: Channels,
    name: str,
    waiting: Iterable[Pending],
    now: Callable[[], datetime],
) -> tuple[int, str]:
    """Send in order until one is refused; returns how many were taken, and the error."""
    sent = 0
    for pending in waiting:
        if now() - pending.created_at > _KEEP_TRYING:
            store.mark(pending, GIVEN_UP, "not delivered within 7 days", now())
        elif name in channels:
            try:
                channels[name]().send(pending.notification)
            except MobilityError as error:
                store.mark(pending, PENDING, str(error), now())
                return sent, str(error)
            store.mark(pending, DELIVERED, "", now())
            sent += 1
    return sent, ""
