"""Alerts as plain mail, handed to an SMTP server.

Source: RFC 5321 (SMTP), RFC 3207 (STARTTLS).
"""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from typing import Literal

from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.errors import AlertUndeliveredError

_TIMEOUT_S = 10.0

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class MailChannel:
    """Sends to one address: of several, each is told, and tried again, alone."""

    host: str
    port: int
    security: Security
    sender: str
    recipient: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    """Null with `user`: no login."""
    timeout_s: float = _TIMEOUT_S

    @property
    def target(self) -> str:
        """Where it leads."""
        return f"{self.recipient} by {self.host}:{self.port} ({self.security})"

    def send(self, notification: Notification) -> None:
        """Hand the mail to the server.

        Raises:
            AlertUndeliveredError: the server is not reached, or refuses login, sender or
                address.
        """
        where = f"mail to {self.target}"
        try:
            with self._connect() as server:
                server.send_message(self._write(notification))
        except smtplib.SMTPAuthenticationError as error:
            raise AlertUndeliveredError(
                f"{where}: the login is refused ({error.smtp_code}); check SMTP_USER and "
                "SMTP_PASSWORD"
            ) from None  # the server's answer may repeat what was sent
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise AlertUndeliveredError(f"{where}: {_explain(error)}") from None

    def _connect(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self.security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                self.host, self.port, timeout=self.timeout_s, context=context
            )
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=self.timeout_s)
        try:
            if self.security == "starttls":
                server.starttls(context=context)
            if self.user is not None and self.password is not None:
                server.login(self.user, self.password)
        except BaseException:
            server.close()
            raise
        return server

    def _write(self, notification: Notification) -> EmailMessage:
        mail = EmailMessage(policy=SMTP_POLICY)
        mail["Subject"] = notification.title
        mail["From"] = self.sender
        mail["To"] = self.recipient
        # The same on every attempt: mail programs show a repeated one once.
        mail["Message-ID"] = f"<{notification.uid}@{self.sender.rpartition('@')[2]}>"
        mail.set_content(notification.text)
        return mail


def _explain(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "the address is refused; check ALERT_MAIL_TO"
    if isinstance(error, smtplib.SMTPSenderRefused):
        return f"the sender is refused ({error.smtp_code}); check ALERT_MAIL_FROM"
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return "the server lacks what is asked of it; check SMTP_SECURITY and SMTP_USER"
    if isinstance(error, (TimeoutError, smtplib.SMTPServerDisconnected)):
        return "no answer in time, or it hung up; check SMTP_HOST and SMTP_PORT"
    if isinstance(error, smtplib.SMTPResponseException):
        return f"the server answers {error.smtp_code}"
    if isinstance(error, ssl.SSLError):
        return f"no trusted TLS ({error.reason}); check SMTP_PORT and SMTP_SECURITY"
    if isinstance(error, OSError):
        said = error.strerror or type(error).__name__
        return f"not reached ({said}); check SMTP_HOST and SMTP_PORT"
    return f"not sent ({type(error).__name__})"
