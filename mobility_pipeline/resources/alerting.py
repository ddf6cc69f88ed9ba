"""From settings to the channels that alerts leave by; each is configured on its own."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from time import sleep
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mobility_pipeline.alerts.channels import LOG, Channel, Channels, LogChannel
from mobility_pipeline.alerts.mail import MailChannel
from mobility_pipeline.alerts.sns import SnsChannel
from mobility_pipeline.alerts.webhook import WebhookChannel
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

MAIL, SNS, WEBHOOK = "mail", "sns", "webhook"
_ADDRESS = re.compile(r"[^@\s,<>\"]+@[^@\s,<>\"]+")
_TOPIC = re.compile(r"arn:aws[a-z-]*:sns:([a-z0-9-]+):\d{12}:[A-Za-z0-9_.-]{1,256}")


def find_channels(settings: Settings, write: Callable[[str], None]) -> Channels:
    """Return the channels that are configured, well or badly.

    Args:
        settings: each channel has its own.
        write: takes the text of a notification into the log, which is always on.
    """
    log: Callable[[], Channel] = partial(LogChannel, write)
    return {LOG: log, **find_remote_channels(settings)}


def find_remote_channels(settings: Settings) -> Channels:
    """Return the channels that lead out of the house: those with any setting set.

    Opening one whose settings are wrong or incomplete raises a ConfigurationError.
    """
    channels: dict[str, Callable[[], Channel]] = {}
    if settings.alert_mail_to or settings.alert_mail_from or settings.smtp_host:
        for address in _split(settings.alert_mail_to) or [""]:
            name = f"{MAIL} {address}".strip()
            channels[name] = partial(_open_mail, settings, address)
    if settings.alert_sns_topic_arn:
        channels[SNS] = partial(_open_sns, settings, settings.alert_sns_topic_arn)
    if settings.alert_webhook_url or settings.alert_webhook_secret:
        channels[WEBHOOK] = partial(_open_webhook, settings)
    return channels


def _open_mail(settings: Settings, address: str) -> MailChannel:
    if not _ADDRESS.fullmatch(address):
        raise ConfigurationError("ALERT_MAIL_TO must be mail addresses, by commas")
    if not _ADDRESS.fullmatch(settings.alert_mail_from or ""):
        raise ConfigurationError("ALERT_MAIL_FROM must be a mail address")
    if settings.smtp_host is None:
        raise ConfigurationError("SMTP_HOST is not set: mail needs a server")
    password = settings.smtp_password
    if (settings.smtp_user is None) != (password is None):
        raise ConfigurationError("SMTP_USER and SMTP_PASSWORD: set both, or none")
    if (
        password is not None
        and settings.smtp_security == "none"
        and not _is_loopback(settings.smtp_host)
    ):
        raise ConfigurationError(
            "SMTP_SECURITY=none would send SMTP_PASSWORD in the clear: use starttls or tls"
        )
    return MailChannel(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.alert_mail_from or "",
        recipient=address,
        user=settings.smtp_user,
        password=password.get_secret_value() if password else None,
    )


def _open_sns(settings: Settings, topic_arn: str) -> SnsChannel:
    found = _TOPIC.fullmatch(topic_arn)
    if not found:
        raise ConfigurationError(
            "ALERT_SNS_TOPIC_ARN must be like arn:aws:sns:us-west-2:123456789012:alerts"
        )
    return SnsChannel(partial(_connect_sns, settings, found[1]), topic_arn)


def _connect_sns(settings: Settings, region: str) -> "SNSClient":
    """Connect with the ambient identity: the vendor's role may not publish for us."""
    import boto3  # takes its time to load, and most commands send nothing
    from botocore.config import Config

    from mobility_pipeline.resources.identity import Identity

    credentials = Identity(settings, None).credentials()
    session = boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        region_name=region,
    )
    config = Config(
        connect_timeout=5,
        read_timeout=10,
        retries={"mode": "standard", "total_max_attempts": 2},
    )
    return session.client("sns", endpoint_url=settings.aws_endpoint_url, config=config)


def _open_webhook(settings: Settings) -> WebhookChannel:
    if settings.alert_webhook_url is None or settings.alert_webhook_secret is None:
        raise ConfigurationError(
            "ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET: set both, or none"
        )
    url = settings.alert_webhook_url.get_secret_value().strip()
    _check_url(url)
    secret = settings.alert_webhook_secret.get_secret_value().strip()
    try:
        is_empty = not base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        is_empty = True
    if is_empty:
        raise ConfigurationError(
            "ALERT_WEBHOOK_SECRET must be base64: make one by `openssl rand -base64 32`"
        )
    return WebhookChannel(url, secret, now=partial(datetime.now, UTC), sleep=sleep)


def _check_url(url: str) -> None:
    problem = "ALERT_WEBHOOK_URL must be https://…"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # reading the port checks it
    except ValueError:
        raise ConfigurationError(problem) from None  # the cause may repeat the URL
    if not host or parts.scheme not in ("https", "http"):
        raise ConfigurationError(problem)
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError(f"{problem}: http is for this machine only")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _split(addresses: str) -> list[str]:
    found = (address.strip() for address in addresses.split(","))
    return [*dict.fromkeys(address for address in found if address)]
