"""Mail through a real SMTP server."""

import socket
from pathlib import Path

import pytest

from mobility_pipeline.alerts.mail import MailChannel, Security
from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.errors import AlertUndeliveredError
from mobility_pipeline_tests.alerts.post_office import (
    PASSWORD,
    USER,
    make_certificate,
    open_post_office,
)

NOTE = Notification("uid-1", "1 opened", "São Paulo misses 2025-03-01\nsecond line", {})


def _channel(port: int, security: Security = "none", **other: str) -> MailChannel:
    values = {"sender": "us@example.org", "recipient": "you@example.org", **other}
    return MailChannel("127.0.0.1", port, security, **values, timeout_s=3)  # type: ignore[arg-type]


def test_mail_arrives_as_plain_text() -> None:
    """Title, text, addresses, and an id that is the same on every attempt."""
    with open_post_office() as office:
        _channel(office.port).send(NOTE)
    (mail,) = office.taken
    assert office.recipients == ["you@example.org"]
    assert mail["Subject"] == "1 opened"
    assert mail["From"] == "us@example.org"
    assert mail["Message-ID"] == "<uid-1@example.org>"
    assert mail.get_content().splitlines() == NOTE.text.splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mail_goes_over_tls_after_a_login(
    security: Security, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a certificate that is trusted; one that is not is refused."""
    certificate, context = make_certificate(tmp_path)
    contexts = {"tls" if security == "tls" else "starttls": context}
    with open_post_office(**contexts) as office:
        channel = _channel(office.port, security, user=USER, password=PASSWORD)
        with pytest.raises(AlertUndeliveredError, match="no trusted TLS"):
            channel.send(NOTE)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        channel.send(NOTE)
    assert len(office.taken) == 1


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"user": USER, "password": "wrong-s3cret"}, r"login is refused \(535\)"),
        ({"recipient": "nobody@example.org"}, "address is refused"),
        ({"sender": "nobody@example.org"}, r"sender is refused \(553\)"),
        ({"security": "starttls"}, "check SMTP_SECURITY"),
        ({"security": "tls"}, "no trusted TLS"),
    ],
)
def test_what_the_server_refuses_is_one_line(other: dict[str, str], says: str) -> None:
    """Naming the setting to correct, and no password."""
    with open_post_office() as office, pytest.raises(AlertUndeliveredError) as caught:
        _channel(office.port, **other).send(NOTE)  # type: ignore[arg-type]
    caught.match(says)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert office.taken == []


def test_a_server_that_is_down_or_silent_is_one_line() -> None:
    """Nobody listens, then somebody who says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        channel = MailChannel(
            "127.0.0.1", port, "none", "us@e.org", "you@e.org", timeout_s=0.2
        )
        with pytest.raises(AlertUndeliveredError, match="no answer in time"):
            channel.send(NOTE)
    with pytest.raises(AlertUndeliveredError, match="not reached"):
        channel.send(NOTE)
