"""Channels from settings: what is configured, and what is wrong with it."""

import pytest

from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.alerting import find_channels, find_remote_channels
from mobility_pipeline.settings import read_settings

MAIL = {
    "ALERT_MAIL_TO": "a@example.org, b@example.org",
    "ALERT_MAIL_FROM": "us@example.org",
    "SMTP_HOST": "smtp.example.org",
}
SNS = {"ALERT_SNS_TOPIC_ARN": "arn:aws:sns:us-west-2:123456789012:alerts"}
WEBHOOK = {
    "ALERT_WEBHOOK_URL": "https://hooks.example.org/t0ken?key=s3cret",
    "ALERT_WEBHOOK_SECRET": "whsec_c3ludGhldGlj",
}


def test_only_the_log_is_on_by_itself() -> None:
    """A bare laptop tells nobody else."""
    assert [*find_channels(read_settings({}), print)] == ["log"]


def test_each_channel_has_its_own_settings() -> None:
    """Each address is a channel; none shows a secret."""
    channels = find_remote_channels(read_settings({**MAIL, **SNS, **WEBHOOK}))
    assert {name: open_channel().target for name, open_channel in channels.items()} == {
        "mail a@example.org": "a@example.org by smtp.example.org:587 (starttls)",
        "mail b@example.org": "b@example.org by smtp.example.org:587 (starttls)",
        "sns": SNS["ALERT_SNS_TOPIC_ARN"],
        "webhook": "https://hooks.example.org",
    }


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"SMTP_HOST": "h"}, "ALERT_MAIL_TO must be"),
        (MAIL | {"ALERT_MAIL_TO": "nobody"}, "ALERT_MAIL_TO must be"),
        (MAIL | {"ALERT_MAIL_TO": "a@b\nBcc: c@d"}, "ALERT_MAIL_TO must be"),
        (MAIL | {"ALERT_MAIL_FROM": "us"}, "ALERT_MAIL_FROM must be"),
        ({"ALERT_MAIL_TO": "a@b", "ALERT_MAIL_FROM": "a@b"}, "SMTP_HOST is not set"),
        (MAIL | {"SMTP_USER": "u"}, "SMTP_USER and SMTP_PASSWORD"),
        (MAIL | {"SMTP_PASSWORD": "s3cret"}, "SMTP_USER and SMTP_PASSWORD"),
        (
            MAIL
            | {"SMTP_USER": "u", "SMTP_PASSWORD": "s3cret", "SMTP_SECURITY": "none"},
            "in the clear",
        ),
        ({"ALERT_SNS_TOPIC_ARN": "alerts"}, "ALERT_SNS_TOPIC_ARN must be like"),
        ({"ALERT_WEBHOOK_SECRET": "s3cret"}, "set both, or none"),
        ({"ALERT_WEBHOOK_URL": "https://x/s3cret"}, "set both, or none"),
        (
            WEBHOOK | {"ALERT_WEBHOOK_URL": "http://example.org/s3cret"},
            "https://…: http",
        ),
        (WEBHOOK | {"ALERT_WEBHOOK_URL": "ftp://example.org/s3cret"}, "https://…"),
        (WEBHOOK | {"ALERT_WEBHOOK_URL": "https://h:s3cret/"}, "https://…"),
        (WEBHOOK | {"ALERT_WEBHOOK_SECRET": "s3cret!"}, "must be base64"),
        (WEBHOOK | {"ALERT_WEBHOOK_SECRET": "whsec_"}, "must be base64"),
    ],
)
def test_wrong_settings_are_one_line(variables: dict[str, str], says: str) -> None:
    """It names the variable, holds no secret, and concerns that channel only."""
    channels = find_remote_channels(read_settings({**SNS, **variables}))
    with pytest.raises(ConfigurationError) as caught:
        [open_channel() for open_channel in channels.values()]
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_may_be_reached_without_tls(host: str) -> None:
    """Tests, and a relay beside us."""
    url = WEBHOOK | {"ALERT_WEBHOOK_URL": f"http://{host}:8080/"}
    assert find_remote_channels(read_settings(url))["webhook"]().target
