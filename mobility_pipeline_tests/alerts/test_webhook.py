"""Webhooks to a real receiver."""

from datetime import UTC, datetime
from functools import partial

import pytest

from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.alerts.webhook import WebhookChannel
from mobility_pipeline.errors import AlertUndeliveredError
from mobility_pipeline_tests.alerts.receiver import SECRET, Receiver

NOTE = Notification("uid-1", "1 opened", "São Paulo", {"type": "mobility.alerts"})


def _channel(url: str, slept: list[float], timeout_s: float = 3) -> WebhookChannel:
    now = partial(datetime.now, UTC)
    return WebhookChannel(url, SECRET, now=now, sleep=slept.append, timeout_s=timeout_s)


def test_receiver_can_tell_our_posts() -> None:
    """The signature verifies by the library, and the document says all there is."""
    with Receiver() as receiver:
        _channel(receiver.url, []).send(NOTE)
    assert receiver.taken == [
        {"type": "mobility.alerts", "title": "1 opened", "text": "São Paulo"}
    ]
    assert receiver.ids == ["uid-1"]


@pytest.mark.parametrize("answers", [[500, 429], [503], [200]])
def test_an_attempt_that_fails_is_repeated_under_one_id(answers: list[int]) -> None:
    """Three attempts, each signed anew; a receiver that knows ids takes it once."""
    slept: list[float] = []
    with Receiver(answers) as receiver:
        _channel(receiver.url, slept).send(NOTE)
    assert len(receiver.taken) == 1
    assert set(receiver.ids) == {"uid-1"}
    assert len(slept) == len(receiver.ids) - 1


@pytest.mark.parametrize(
    ("answers", "attempts", "says"),
    [
        ([500] * 4, 3, "the receiver answers 500, 3 times"),
        ([0] * 4, 3, "no answer in time, 3 times"),
        ([401], 1, "the receiver answers 401; check ALERT_WEBHOOK_URL"),
        ([302], 1, "the receiver answers 302"),
    ],
)
def test_what_the_receiver_refuses_is_one_line(
    answers: list[int], attempts: int, says: str
) -> None:
    """Without path and token of the URL; a redirect is not followed."""
    with Receiver(answers) as receiver:
        channel = _channel(receiver.url, [], timeout_s=0.2)
        with pytest.raises(AlertUndeliveredError) as caught:
            channel.send(NOTE)
    assert len(receiver.ids) == attempts
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "hook?" not in str(caught.value)


def test_a_receiver_that_is_down_is_one_line() -> None:
    """Nobody listens on that port any more."""
    with Receiver() as receiver:
        channel = _channel(receiver.url, [])
    with pytest.raises(AlertUndeliveredError, match="not reached, 3 times"):
        channel.send(NOTE)
    assert "s3cret" not in repr(channel)
