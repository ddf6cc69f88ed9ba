"""Evaluations on both storages: what is recorded, sent, and sent again."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from mobility_pipeline.alerts.channels import Channel, LogChannel
from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.alerts.problems import Assessment, Problem
from mobility_pipeline.alerts.sending import Evaluation, evaluate
from mobility_pipeline.alerts.store import AlertStore
from mobility_pipeline.errors import (
    AlertUndeliveredError,
    ConfigurationError,
    LedgerError,
)
from mobility_pipeline_tests.alerts.evaluators import evaluate_at_once
from mobility_pipeline_tests.alerts.made import NOW, make_problem


class FakeChannel:
    """Keeps what it takes; refuses while it is down."""

    def __init__(self, *, is_down: bool = False) -> None:
        self.is_down = is_down
        self.taken: list[Notification] = []
        self.target = "nowhere"

    def send(self, notification: Notification) -> None:
        """Take it, or not."""
        if self.is_down:
            raise AlertUndeliveredError("it is down")
        self.taken.append(notification)

    @property
    def titles(self) -> list[str]:
        """Titles of what it took."""
        return [note.title.removeprefix("Mobility alerts: ") for note in self.taken]


def _evaluate(
    store: AlertStore,
    hours: float,
    problems: tuple[Problem, ...],
    **channels: FakeChannel,
) -> Evaluation:
    def open_channel(channel: FakeChannel) -> Callable[[], Channel]:
        return lambda: channel

    return evaluate(
        store,
        lambda _: Assessment(problems),
        {name: open_channel(channel) for name, channel in channels.items()},
        now=lambda: NOW + timedelta(hours=hours),
        make_uid=lambda: uuid4().hex,
    )


PROBLEMS = (make_problem("c/a", 3), make_problem("c/b", 4))


def test_an_episode_is_opened_repeated_daily_and_closed(store: AlertStore) -> None:
    """Evaluated every 6 hours for two days: opened, told twice again, closed, silence."""
    mail = FakeChannel()
    for hours in range(0, 54, 6):
        _evaluate(store, hours, PROBLEMS, mail=mail)
    for hours in range(54, 90, 6):
        _evaluate(store, hours, (), mail=mail)
    assert mail.titles == ["2 opened", "2 still open", "2 still open", "2 closed"]
    assert len({note.uid for note in mail.taken}) == 4
    assert store.open_alerts() == []
    assert len(store.recorded(with_closed=True)) == 2


def test_a_problem_that_comes_back_is_a_new_episode(store: AlertStore) -> None:
    """Its key is free again once the first one is closed."""
    mail = FakeChannel()
    for hours, problems in enumerate([PROBLEMS, (), PROBLEMS, PROBLEMS]):
        _evaluate(store, hours, problems, mail=mail)
    assert mail.titles == ["2 opened", "2 closed", "2 opened"]
    assert len(store.recorded(with_closed=True)) == 4


def test_what_is_stored_reads_back_as_it_was(store: AlertStore) -> None:
    """Days, times and texts survive the database; an unchanged alert stays the same."""
    evaluation = _evaluate(store, 0, PROBLEMS)
    stored = store.open_alerts()
    assert [alert.problem for alert in stored] == [
        alert.problem for alert in evaluation.changes.opened
    ]
    assert [alert.opened_at for alert in stored] == [NOW, NOW]
    _evaluate(store, 1, PROBLEMS)
    assert store.open_alerts() == stored
    more = make_problem("c/a", 3, 9)
    _evaluate(store, 2, (more, PROBLEMS[1]))
    assert store.open_alerts()[0].problem.days == more.days


def test_a_channel_that_fails_gets_it_later_and_the_others_once(
    store: AlertStore,
) -> None:
    """Down for two evaluations, then everything arrives there in order, once."""
    mail, webhook = FakeChannel(is_down=True), FakeChannel()
    first = _evaluate(store, 0, PROBLEMS, mail=mail, webhook=webhook)
    assert first.undelivered == ("it is down",)
    (record, _) = store.recorded(with_closed=False)
    assert record.channels == {"mail": "pending: it is down", "webhook": "delivered"}
    _evaluate(store, 1, PROBLEMS[:1], mail=mail, webhook=webhook)
    mail.is_down = False
    last = _evaluate(store, 2, PROBLEMS[:1], mail=mail, webhook=webhook)
    assert (last.sent, last.undelivered) == (2, ())
    assert mail.titles == webhook.titles == ["2 opened", "1 closed"]
    assert _evaluate(store, 3, PROBLEMS[:1], mail=mail, webhook=webhook).sent == 0


def test_a_channel_that_is_set_up_wrongly_waits_for_its_correction(
    store: AlertStore,
) -> None:
    """It counts as undelivered, the others are told."""

    def refuse() -> Channel:
        raise ConfigurationError("SMTP_HOST is not set")

    texts: list[str] = []
    evaluation = evaluate(
        store,
        lambda _: Assessment(PROBLEMS),
        {"mail": refuse, "log": lambda: LogChannel(texts.append)},
        now=lambda: NOW,
        make_uid=lambda: uuid4().hex,
    )
    assert evaluation.undelivered == ("SMTP_HOST is not set",)
    assert len(texts) == 1
    mail = FakeChannel()
    _evaluate(store, 1, PROBLEMS, mail=mail)
    assert mail.titles == ["2 opened"]


def test_what_is_old_news_is_given_up(store: AlertStore) -> None:
    """After 8 days without delivery only what is younger than 7 arrives."""
    mail = FakeChannel(is_down=True)
    for day in range(9):
        _evaluate(store, 24 * day, PROBLEMS, mail=mail)
    mail.is_down = False
    _evaluate(store, 24 * 8 + 1, PROBLEMS, mail=mail)
    assert mail.titles == ["2 still open"] * 7


def test_nothing_is_recorded_where_nothing_can_be_judged(store: AlertStore) -> None:
    """A ledger that fails leaves the alerts as they are, and lets the next one in."""

    def fail(now: datetime) -> Assessment:
        raise LedgerError(f"gone at {now}")

    _evaluate(store, 0, PROBLEMS)
    with pytest.raises(LedgerError):
        evaluate(store, fail, {}, now=lambda: NOW, make_uid=lambda: uuid4().hex)
    assert len(store.open_alerts()) == 2
    assert _evaluate(store, 1, ()).changes.closed


@pytest.mark.processes
def test_two_evaluators_at_once_tell_it_once(ledger_url: str, tmp_path: Path) -> None:
    """Three processes see the same problem at the same moment."""
    told = tmp_path / "told"
    assert evaluate_at_once(ledger_url, told, 3) == [0, 0, 0]
    assert told.read_text() == "Mobility alerts: 1 opened\n"
