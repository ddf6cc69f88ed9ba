"""What S3 and STS answer when they fail, as our transient and permanent errors."""

from collections.abc import Generator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from mobility_pipeline.errors import StorageError, StorageForbiddenError

_FORBIDDEN_CODES = frozenset(
    {
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "NoSuchBucket",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)
"""Answers that stay the same however often we ask. `ExpiredToken` is not one of them:
refreshable credentials are good again at the next call."""


@contextmanager
def storage_errors(doing: str) -> Generator[None]:
    """Turn botocore's errors into ours.

    Args:
        doing: what was being done, for which city and date; starts the message.

    Raises:
        StorageForbiddenError: no such bucket, no credentials, or not allowed.
        StorageError: anything else that S3 or the way to it failed with.
    """
    try:
        yield
    except ClientError as error:
        code = error_code(error)
        if code in _FORBIDDEN_CODES:
            raise StorageForbiddenError(
                f"{doing}: S3 refused with {code}; check the bucket's name and what "
                "the role may read and write"
            ) from error
        raise StorageError(f"{doing}: S3 answered {code}; run it again") from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise StorageForbiddenError(
            f"{doing}: {type(error).__name__}; check bucket and credentials"
        ) from error
    except BotoCoreError as error:
        raise StorageError(
            f"{doing}: S3 was not reached ({type(error).__name__}); run it again"
        ) from error


def error_code(error: ClientError) -> str:
    """Return S3's own word for the error, such as `NoSuchKey`."""
    return str(error.response.get("Error", {}).get("Code", "an unknown error"))
