"""The record of alerts, in the ledger's database: episodes, and an outbox of notifications.

What is to be told is stored in the transaction that changes the alerts, for each channel;
a crash before it is sent loses nothing, one right after may send it twice.
"""

from collections.abc import Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from mobility_pipeline.alerts.episodes import Alert, Changes
from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.alerts.problems import Days, Kind, Problem
from mobility_pipeline.vendor.database import Database, open_database
from mobility_pipeline.vendor.tables import (
    alert_deliveries,
    alert_evaluations,
    alert_notifications,
    alerts,
)

_ALERTS, _SENT, _TOLD = alerts.c, alert_deliveries.c, alert_notifications.c
PENDING, DELIVERED, GIVEN_UP = "pending", "delivered", "given_up"


@dataclass(frozen=True)
class Pending:
    """A notification that one channel has not taken yet."""

    number: int
    channel: str
    created_at: datetime
    notification: Notification


@dataclass(frozen=True)
class Recorded:
    """An alert, and how its newest notification fared."""

    alert: Alert
    channels: Mapping[str, str]
    """Channel -> `delivered`, `given_up`, or `pending` with the error, of the newest
    notification that named the alert."""


def open_alert_store(url: str) -> "AlertStore":
    """Open the record of alerts; create it where needed.

    Args:
        url: of the ledger.

    Raises:
        ConfigurationError: wrong URL, or the database cannot be reached.
    """
    return AlertStore(open_database(url))


class AlertStore:
    """Alerts and what is to be told of them. Each method is one transaction.

    All methods raise LedgerError when the database is locked or gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def lock(self) -> AbstractContextManager[None]:
        """Wait until nobody else evaluates or sends, and keep others from it meanwhile."""
        return self._database.alerting_lock()

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def open_alerts(self) -> list[Alert]:
        """Return the alerts that are open, oldest first."""
        found = (
            sa.select(alerts).where(_ALERTS.closed_at.is_(None)).order_by(_ALERTS.id)
        )
        with self._database.read() as connection:
            return [_alert_of(row) for row in connection.execute(found).mappings()]

    def recorded(self, *, with_closed: bool) -> list[Recorded]:
        """Return alerts with what became of their newest notification, newest first."""
        found = sa.select(alerts).order_by(_ALERTS.id.desc())
        if not with_closed:
            found = found.where(_ALERTS.closed_at.is_(None))
        with self._database.read() as connection:
            rows = connection.execute(found).mappings().all()
            states: dict[int, dict[str, str]] = {}
            for sent in connection.execute(sa.select(alert_deliveries)).mappings():
                said = f": {sent['error']}" if sent["error"] else ""
                text = f"{sent['state']}{said}" if sent["state"] == PENDING else None
                by_channel = states.setdefault(sent["notification"], {})
                by_channel[sent["channel"]] = text or sent["state"]
        return [
            Recorded(_alert_of(row), states.get(row["notification"], {}))
            for row in rows
        ]

    def record(
        self,
        changes: Changes,
        notification: Notification | None,
        channels: Collection[str],
        now: datetime,
    ) -> None:
        """Store what an evaluation changed, and what each channel is to be told of it.

        Args:
            changes: from `follow`.
            notification: of `changes`; null where nothing is told.
            channels: names of those that are to tell it.
            now: time of the evaluation.
        """
        with self._database.write() as connection:
            number = None
            if notification is not None:
                number = _insert_notification(connection, notification, channels, now)
            told = {"notification": number}
            if opened := [_row_of(alert) | told for alert in changes.opened]:
                connection.execute(sa.insert(alerts), opened)
            _update(connection, (*changes.reminded, *changes.closed), told)
            _update(connection, changes.kept, {})

    def evaluated_at(self) -> datetime | None:
        """Return when alerts were evaluated last; null = never."""
        with self._database.read() as connection:
            return connection.scalar(sa.select(alert_evaluations.c.evaluated_at))

    def mark_evaluated(self, at: datetime) -> None:
        """Record that an evaluation came to its end."""
        with self._database.write() as connection:
            connection.execute(sa.delete(alert_evaluations))
            connection.execute(
                sa.insert(alert_evaluations).values(id=1, evaluated_at=at)
            )

    def pending(self) -> list[Pending]:
        """Return what channels have still to be told, oldest first."""
        found = (
            sa.select(alert_deliveries.c.channel, alert_notifications)
            .join(alert_notifications, _TOLD.number == _SENT.notification)
            .where(_SENT.state == PENDING)
            .order_by(_TOLD.number, _SENT.channel)
        )
        with self._database.read() as connection:
            return [
                Pending(
                    row["number"],
                    row["channel"],
                    row["created_at"],
                    Notification(row["uid"], row["title"], row["text"], row["data"]),
                )
                for row in connection.execute(found).mappings()
            ]

    def mark(self, pending: Pending, state: str, error: str, now: datetime) -> None:
        """Record how an attempt to tell one channel ended."""
        update = (
            sa.update(alert_deliveries)
            .where(
                _SENT.notification == pending.number, _SENT.channel == pending.channel
            )
            .values(state=state, error=error, changed_at=now)
        )
        with self._database.write() as connection:
            connection.execute(update)


def _insert_notification(
    connection: sa.Connection,
    notification: Notification,
    channels: Collection[str],
    now: datetime,
) -> int:
    number = connection.execute(
        sa.insert(alert_notifications)
        .values(
            uid=notification.uid,
            created_at=now,
            title=notification.title,
            text=notification.text,
            data=notification.data,
        )
        .returning(_TOLD.number)
    ).scalar_one()
    rows = [
        {
            "notification": number,
            "channel": channel,
            "state": PENDING,
            "changed_at": now,
            "error": "",
        }
        for channel in channels
    ]
    if rows:
        connection.execute(sa.insert(alert_deliveries), rows)
    return number


def _update(
    connection: sa.Connection, changed: Iterable[Alert], more: Mapping[str, Any]
) -> None:
    rows = [{**_row_of(alert), **more, "alert_id": alert.id} for alert in changed]
    if rows:
        update = sa.update(alerts).where(_ALERTS.id == sa.bindparam("alert_id"))
        connection.execute(update, rows)


def _row_of(alert: Alert) -> dict[str, Any]:
    problem = alert.problem
    return {
        "feed": problem.feed,
        "kind": problem.kind.value,
        "subject": problem.subject,
        "reason": problem.reason,
        "details": {
            "what": problem.what,
            "by_itself": problem.by_itself,
            "by_person": problem.by_person,
            "days": {
                city: [[start.isoformat(), end.isoformat()] for start, end in spans]
                for city, spans in problem.days.items()
            },
        },
        "since": alert.since,
        "opened_at": alert.opened_at,
        "notified_at": alert.notified_at,
        "closed_at": alert.closed_at,
    }


def _alert_of(row: sa.RowMapping) -> Alert:
    details = row["details"]
    problem = Problem(
        feed=row["feed"],
        kind=Kind(row["kind"]),
        subject=row["subject"],
        reason=row["reason"],
        what=details["what"],
        by_itself=details["by_itself"],
        by_person=details["by_person"],
        since=row["since"],
        days=_days_of(details["days"]),
    )
    return Alert(
        id=row["id"],
        problem=problem,
        opened_at=row["opened_at"],
        notified_at=row["notified_at"],
        closed_at=row["closed_at"],
    )


def _days_of(stored: Mapping[str, list[list[str]]]) -> Days:
    return {
        city: tuple(
            (date.fromisoformat(start), date.fromisoformat(end)) for start, end in spans
        )
        for city, spans in stored.items()
    }
