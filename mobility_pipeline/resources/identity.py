"""Who we are to S3 and STS: credentials that renew themselves."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)

from mobility_pipeline.errors import StorageError, StorageForbiddenError
from mobility_pipeline.settings import Settings

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from obstore.store import S3Credential

_REFUSALS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "ValidationError",
    }
)
_TTL = timedelta(minutes=1)
"""obstore asks again after this: far below what credentials still live when renewed."""


class Identity:
    """The ambient identity or an assumed role; thread-safe."""

    def __init__(self, settings: Settings, role_arn: str | None) -> None:
        """Note who we are; nothing is looked up yet.

        Args:
            settings: of AWS.
            role_arn: a role to assume; None = the ambient identity, from `AWS_*`, a
                profile, a container or an instance, as boto3 finds it.
        """
        self._settings = settings
        self._role_arn = role_arn
        self._lock = threading.Lock()
        self._source: Credentials | None = None
        self._given: ReadOnlyCredentials | None = None

    def credentials(self) -> "ReadOnlyCredentials":
        """Return credentials that are good now; they renew themselves by the clock.

        Raises:
            StorageForbiddenError: there are none, or the role is not given to us.
            StorageError: STS or whoever gives them did not answer.
        """
        with _credential_errors(self._role_arn):
            source = self._source or self._find()
            self._given = source.get_frozen_credentials()
            return self._given

    def forget(self, expired: "ReadOnlyCredentials") -> None:
        """Get new credentials next time, since S3 calls these expired before their time.

        A role's session can be cut short, and tokens that died in the middle of long
        copies took users down three times.
        """
        with self._lock:
            if self._given == expired:
                self._source = None

    def provide(self) -> "S3Credential":
        """Return credentials as obstore asks for them (an `S3CredentialProvider`)."""
        return to_obstore(self.credentials(), datetime.now(UTC) + _TTL)

    def _find(self) -> Credentials:
        with self._lock:
            if self._source is None:
                self._source = _find_credentials(self._settings, self._role_arn)
            return self._source


def to_obstore(
    credentials: "ReadOnlyCredentials", expires_at: datetime | None
) -> "S3Credential":
    """Return credentials as obstore takes them; without an end it does not ask again."""
    return {
        "access_key_id": credentials.access_key or "",  # stubs: may be None
        "secret_access_key": credentials.secret_key or "",
        "token": credentials.token,
        "expires_at": expires_at,
    }


def _find_credentials(settings: Settings, role_arn: str | None) -> Credentials:
    ambient = boto3.Session(
        aws_access_key_id=_plain(settings.aws_access_key_id),
        aws_secret_access_key=_plain(settings.aws_secret_access_key),
        aws_session_token=_plain(settings.aws_session_token),
        region_name=settings.region,
    )
    if role_arn is not None:
        assume = partial(_assume_role, ambient, role_arn, settings)
        # botocore's own margin of 15 minutes is all of the shortest session.
        margin_s = settings.aws_session_duration // 5
        return RefreshableCredentials.create_from_metadata(
            assume(), assume, "assume-role", margin_s, margin_s // 2
        )
    credentials = ambient.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    return credentials


def _assume_role(
    ambient: boto3.Session, role_arn: str, settings: Settings
) -> dict[str, str]:
    """Return new credentials; botocore's own fetcher would give its cached ones again."""
    sts = ambient.client(
        "sts",
        endpoint_url=settings.aws_endpoint_url,
        config=Config(
            connect_timeout=10,
            read_timeout=30,
            retries={
                "mode": "standard",
                "total_max_attempts": settings.aws_max_attempts,
            },
        ),
    )
    answer = sts.assume_role(
        RoleArn=role_arn,
        RoleSessionName="mobility-pipeline",
        DurationSeconds=settings.aws_session_duration,
    )["Credentials"]
    return {
        "access_key": answer["AccessKeyId"],
        "secret_key": answer["SecretAccessKey"],
        "token": answer["SessionToken"],
        "expiry_time": answer["Expiration"].isoformat(),
    }


@contextmanager
def _credential_errors(role_arn: str | None) -> Generator[None]:
    who = f"role {role_arn}" if role_arn else "the ambient AWS identity"
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code not in _REFUSALS:
            raise StorageError(
                f"{who} could not be assumed just now ({code}); run it again"
            ) from error
        raise StorageForbiddenError(
            f"{who} is not given to us ({code}): check VERASET_ROLE_ARN and "
            "LAKE_ROLE_ARN, the keys in AWS_*, and the role's trust policy"
        ) from error
    except (
        NoCredentialsError,
        PartialCredentialsError,
        ProfileNotFound,
        SSOError,
    ) as error:
        raise StorageForbiddenError(
            f"{who}: no AWS credentials ({type(error).__name__}); set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile that is logged in"
        ) from error
    except BotoCoreError as error:
        raise StorageError(
            f"{who} could not be assumed just now ({type(error).__name__}); run it again"
        ) from error


def _plain(secret: Any) -> str | None:
    return secret.get_secret_value() if secret else None
