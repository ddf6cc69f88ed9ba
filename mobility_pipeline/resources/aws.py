"""Sessions and clients for S3 whose assumed-role credentials renew themselves."""

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import (
    DeferredRefreshableCredentials,
    RefreshableCredentials,
)
from botocore.exceptions import ClientError
from botocore.session import get_session

from mobility_pipeline.errors import StorageError, StorageForbiddenError
from mobility_pipeline.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
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
_MAX_RENEWALS = 3
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def make_session(settings: Settings, role_arn: str | None) -> boto3.Session:
    """Make a session for a role, or for the ambient identity where there is none."""
    ambient = boto3.Session(
        aws_access_key_id=_plain(settings.aws_access_key_id),
        aws_secret_access_key=_plain(settings.aws_secret_access_key),
        aws_session_token=_plain(settings.aws_session_token),
        region_name=settings.region,
    )
    if role_arn is None:
        return ambient
    credentials = DeferredRefreshableCredentials(
        refresh_using=partial(_assume_role, ambient, role_arn, settings),
        method="assume-role",
    )
    session = get_session()
    vars(session)["_credentials"] = credentials  # botocore has no public way
    return boto3.Session(botocore_session=session, region_name=settings.region)


def make_s3_client(settings: Settings, role_arn: str | None) -> "S3Client":
    """Make an S3 client that retries throttling and outlives its credentials."""
    session = make_session(settings, role_arn)
    client = session.client(
        "s3",
        endpoint_url=settings.aws_endpoint_url,
        config=Config(
            connect_timeout=10,
            read_timeout=60,
            max_pool_connections=32,
            retries={
                "mode": "adaptive",
                "total_max_attempts": settings.aws_max_attempts,
            },
            # Stores other than Amazon's refuse the checksums boto3 adds by itself.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path" if settings.aws_endpoint_url else "auto"},
        ),
    )
    credentials = session._session.get_credentials()
    if isinstance(credentials, RefreshableCredentials):
        renew: Any = partial(_renew_when_expired, credentials)  # stubs: returns None
        client.meta.events.register_first("needs-retry.s3", renew)
    return client


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
    try:
        answer = sts.assume_role(
            RoleArn=role_arn,
            RoleSessionName="mobility-pipeline",
            DurationSeconds=settings.aws_session_duration,
        )["Credentials"]
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if code not in _REFUSALS:
            raise StorageError(
                f"role {role_arn} could not be assumed just now ({code}); run it again"
            ) from error
        raise StorageForbiddenError(
            f"role {role_arn} is not given to us ({code}): check VERASET_ROLE_ARN and "
            "LAKE_ROLE_ARN, the keys in AWS_*, and the role's trust policy"
        ) from error
    return {
        "access_key": answer["AccessKeyId"],
        "secret_key": answer["SecretAccessKey"],
        "token": answer["SessionToken"],
        "expiry_time": answer["Expiration"].isoformat(),
    }


def _renew_when_expired(
    credentials: RefreshableCredentials, response: Any, attempts: int, **_: Any
) -> float | None:
    """Renew credentials that the store calls expired before their time, and retry.

    botocore renews by the clock alone; a role's session can be cut short, and tokens that
    died in the middle of long copies took users down three times.
    """
    if response is None or attempts > _MAX_RENEWALS:
        return None
    code = response[1].get("Error", {}).get("Code")
    if code not in _EXPIRED:
        return None
    vars(credentials)["_expiry_time"] = _LONG_AGO
    return 0.0


def _plain(secret: Any) -> str | None:
    return secret.get_secret_value() if secret else None
