"""`mobility alerts`, and what `doctor` says of channels; SNS over the sandbox's wire."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mobility_pipeline.alerts.episodes import follow
from mobility_pipeline.alerts.message import write_notification
from mobility_pipeline.alerts.problems import Assessment
from mobility_pipeline.alerts.store import open_alert_store
from mobility_pipeline.sandbox.launch import Sandbox
from mobility_pipeline_tests.alerts.made import NOW, make_problem
from mobility_pipeline_tests.alerts.post_office import open_post_office
from mobility_pipeline_tests.alerts.receiver import SECRET, Receiver
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.sandbox.vendor_calls import customer_client


@pytest.fixture
def topic(sandbox: Sandbox) -> str:
    """A topic in the sandbox."""
    client: Any = customer_client(sandbox.s3_url, "sns")
    return client.create_topic(Name="alerts")["TopicArn"]


def _variables(topic: str, webhook: str, smtp_port: int) -> dict[str, str]:
    return {
        "ALERT_MAIL_TO": "you@example.org",
        "ALERT_MAIL_FROM": "us@example.org",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": str(smtp_port),
        "SMTP_SECURITY": "none",
        "ALERT_SNS_TOPIC_ARN": topic,
        "ALERT_WEBHOOK_URL": webhook,
        "ALERT_WEBHOOK_SECRET": SECRET,
    }


def _told(document: Any) -> dict[str, bool]:
    return {trial["channel"]: trial["ok"] for trial in document["channels"]}


def test_a_test_reaches_every_channel(
    sandbox: Sandbox, workplace: Workplace, topic: str
) -> None:
    """Mail, SNS and webhook each get it once; SNS hands it to its subscriber."""
    client: Any = customer_client(sandbox.s3_url, "sns")
    with Receiver() as receiver, Receiver() as subscriber, open_post_office() as office:
        client.subscribe(TopicArn=topic, Protocol="http", Endpoint=subscriber.url)
        variables = _variables(topic, receiver.url, office.port)
        answer = workplace.run("alerts", "test", "--json", **variables)
        told = {"log": True, "mail you@example.org": True, "sns": True, "webhook": True}
        assert (answer.code, _told(answer.document)) == (0, told)
        checks = workplace.run("doctor", "--json", **variables).document["checks"]
    assert "s3cret" not in answer.stdout + answer.stderr
    assert [mail["Subject"] for mail in office.taken] == ["Mobility alerts: a test"]
    assert [post["type"] for post in receiver.taken] == ["mobility.test"]
    # Signed by Amazon's own way, so not by ours.
    assert subscriber.forged == 1
    found = {
        check["subject"]: check["message"] for check in checks if check["ok"] is None
    }
    assert found.keys() == {"alerts by mail", "alerts by sns", "alerts by webhook"}
    assert found["alerts by sns"].startswith(topic)
    assert found["alerts by mail"].startswith("you@example.org by 127.0.0.1")


def test_what_fails_is_said_and_the_others_are_told(
    sandbox: Sandbox, workplace: Workplace, topic: str
) -> None:
    """A topic that is forbidden or missing, a receiver that answers 500, no server."""
    with Receiver([500] * 3) as receiver, open_post_office() as office:
        variables = _variables(topic, receiver.url, office.port)
        sandbox.set_s3_faults(deny_sns=True)
        answer = workplace.run("alerts", "test", "--json", **variables)
        sandbox.set_s3_faults(deny_sns=False)
        missing = variables | {"ALERT_SNS_TOPIC_ARN": f"{topic}-not"}
        second = workplace.run("alerts", "test", **missing)
    assert (answer.code, second.code) == (1, 1)
    told = _told(answer.document)
    assert told == {
        "log": True,
        "mail you@example.org": True,
        "sns": False,
        "webhook": False,
    }
    messages = " ".join(trial["message"] for trial in answer.document["channels"])
    assert "not ours to publish to (AuthorizationError)" in messages
    assert "the receiver answers 500, 3 times" in messages
    assert "no such topic (NotFound)" in " ".join(second.stdout.split())
    assert "Traceback" not in second.stderr + answer.stderr
    assert "s3cret" not in second.stdout + answer.stdout


def test_without_channels_it_says_that_nobody_is_told(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """The log works, which is no news to anybody: what was asked for is not there."""
    answer = make_workplace({}).run("alerts", "test")
    assert answer.code == 1
    assert "nobody is told" in answer.stdout


def test_alerts_are_listed_with_who_was_told(
    make_workplace: Callable[[dict[str, str]], Workplace],
) -> None:
    """Open ones, with --all also those that are over."""
    place = make_workplace({})
    store = open_alert_store(f"sqlite:///{place.home / 'home' / 'ledger.sqlite'}")
    problems = (make_problem("c/a", 3), make_problem("c/b", 4, 5))
    changes = follow((), Assessment(problems), NOW)
    note = write_notification(changes, "uid", NOW)
    store.record(changes, note, ["log", "webhook"], NOW)
    (log, _) = store.pending()
    store.mark(log, "delivered", "", NOW)
    later = NOW + timedelta(hours=1)
    over = follow(store.open_alerts(), Assessment(problems[:1]), later)
    store.record(over, write_notification(over, "uid-2", later), ["log"], later)
    document = place.run("alerts", "list", "--json").document
    (alert,) = document["alerts"]
    assert (alert["subject"], alert["city_days"]) == ("c/a", 1)
    assert alert["days"] == [{"city": "c/a", "from": "2025-03-10", "to": "2025-03-10"}]
    assert alert["channels"] == {"log": "delivered", "webhook": "pending"}
    both = place.run("alerts", "list", "--all", "--json").document["alerts"]
    assert [found["closed_at"] for found in both] == [later.isoformat(), None]
    human = place.run("alerts", "list", "--all")
    # Nobody has evaluated them here.
    assert "not evaluated yet" in human.stdout
    store.mark_evaluated(later)
    store.mark_evaluated(later + timedelta(minutes=5))
    found = place.run("alerts", "list", "--json").document
    assert found["evaluated_at"] == (later + timedelta(minutes=5)).isoformat()
    assert "1 open alert, as of" in place.run("alerts", "list").stdout
    assert human.stderr.splitlines() == ["log: pending", "webhook: pending"]
