"""Alerts to an Amazon SNS topic.

Source: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from mobility_pipeline.alerts.message import Notification
from mobility_pipeline.errors import AlertUndeliveredError

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_SUBJECT_LENGTH = 100
_MISSING = frozenset({"NotFound", "NotFoundException"})
_FORBIDDEN = frozenset(
    {
        "AuthorizationError",
        "AuthorizationErrorException",
        "AccessDenied",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True)
class SnsChannel:
    """Publishes to one topic."""

    connect: "Callable[[], SNSClient]"
    """Called for each notification, so that credentials are fresh."""
    topic_arn: str

    @property
    def target(self) -> str:
        """Where it leads."""
        return self.topic_arn

    def send(self, notification: Notification) -> None:
        """Publish it.

        Raises:
            AlertUndeliveredError: the topic is not there, is not ours to publish to, or is
                not reached.
        """
        where = f"SNS topic {self.topic_arn}"
        # SNS takes one line of ASCII.
        subject = notification.title.encode("ascii", "replace").decode()
        try:
            self.connect().publish(
                TopicArn=self.topic_arn,
                Subject=subject[:_SUBJECT_LENGTH],
                Message=notification.text,
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            raise AlertUndeliveredError(f"{where}: {_explain(code)}") from None
        except BotoCoreError as error:
            raise AlertUndeliveredError(
                f"{where}: not reached ({type(error).__name__})"
            ) from None


def _explain(code: str) -> str:
    if code in _MISSING:
        return f"there is no such topic ({code}); check ALERT_SNS_TOPIC_ARN"
    if code in _FORBIDDEN:
        return f"it is not ours to publish to ({code}); allow sns:Publish for AWS_*"
    return f"SNS answers {code}"
