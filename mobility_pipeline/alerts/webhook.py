"""Alerts to a webhook: signed JSON by POST.

Source: https://www.standardwebhooks.com (headers `webhook-id`, `-timestamp`, `-signature`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import requests
from standardwebhooks import Webhook
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
)

from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.errors import AlertUndeliveredError

_TIMEOUT_S = 10.0
_TRIES = 3
_LATER = frozenset({408, 425, 429})


class _AskAgainError(Exception):
    """An answer, or none, after which the next attempt may succeed."""


@dataclass(frozen=True)
class WebhookChannel:
    """Posts each notification to one URL."""

    url: str = field(repr=False)
    """May hold a token: never shown whole."""
    secret: str = field(repr=False)
    """Base64, with or without `whsec_`."""
    now: Callable[[], datetime]
    """Receivers refuse what was signed more than 5 minutes ago."""
    sleep: Callable[[float], None]
    timeout_s: float = _TIMEOUT_S

    @property
    def target(self) -> str:
        """Where it leads, without path and query."""
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}"

    def send(self, notification: Notification) -> None:
        """Post it, three times at most; a redirect is not followed.

        Raises:
            AlertUndeliveredError: no attempt was answered with 2xx.
        """
        tries = Retrying(
            stop=stop_after_attempt(_TRIES),
            wait=wait_exponential(multiplier=0.5, max=2),
            retry=retry_if_exception_type(_AskAgainError),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            tries(self._post, notification)
        except _AskAgainError as error:
            raise AlertUndeliveredError(
                f"webhook {self.target}: {error}, {_TRIES} times"
            ) from None

    def _post(self, notification: Notification) -> None:
        body = json.dumps(
            {
                **notification.data,
                "title": notification.title,
                "text": notification.text,
            },
            ensure_ascii=False,
        )
        at = self.now()
        signature = Webhook(self.secret).sign(notification.uid, at, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": notification.uid,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        try:
            # Streamed: what the receiver says after the status is nobody's business.
            with requests.post(
                self.url,
                data=body.encode(),
                headers=headers,
                timeout=self.timeout_s,
                allow_redirects=False,
                stream=True,
            ) as answer:
                status = answer.status_code
        except requests.Timeout:
            raise _AskAgainError("no answer in time") from None
        except requests.exceptions.SSLError:
            raise _AskAgainError("no trusted TLS") from None
        except requests.ConnectionError:
            raise _AskAgainError("not reached") from None
        except (requests.RequestException, ValueError) as error:
            raise AlertUndeliveredError(
                f"webhook {self.target}: not sent ({type(error).__name__}); check "
                "ALERT_WEBHOOK_URL"
            ) from None
        self._judge(status)

    def _judge(self, status: int) -> None:
        if status in _LATER or status >= requests.codes.server_error:
            raise _AskAgainError(f"the receiver answers {status}")
        if not requests.codes.ok <= status < requests.codes.multiple_choices:
            raise AlertUndeliveredError(
                f"webhook {self.target}: the receiver answers {status}; check "
                "ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET"
            )
