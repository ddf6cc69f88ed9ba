"""S3 as obstore speaks it: how a bucket is reached, and what its failures mean.

obstore has hardly any error type of its own: S3's code and the HTTP status are in the
text of its errors. This module is the one that reads it.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from obstore.exceptions import (
    BaseError,
    GenericError,
    InvalidPathError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import S3Store

from mobility_pipeline.errors import (
    ConfigurationError,
    StorageError,
    StorageForbiddenError,
)

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config, S3CredentialProvider

S3_ERRORS = (BaseError, OSError, ValueError)
"""What obstore raises: a missing key is a FileNotFoundError, an impossible one a
ValueError."""

_FORBIDDEN = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "AuthorizationHeaderMalformed",
        "InvalidAccessKeyId",
        "InvalidBucketName",
        "NoSuchBucket",
        "PermanentRedirect",
        "SignatureDoesNotMatch",
    }
)
"""Answers that stay the same however often we ask."""
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"})
_CODE = re.compile(r"<Code>\s*([\w.-]+)\s*</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_REDIRECT = "redirect without LOCATION"
"""obstore's words for the answer of a bucket that lies in another region."""
_ANSWERED = "Error performing"
"""Starts obstore's words for a request that failed, after its own retries. Without them
the answer began well and its body broke off, which obstore does not always repeat."""
# Checked, since obstore panics where bucket and endpoint do not make a URL.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,254}", re.ASCII | re.IGNORECASE)
_HOST_NAME = re.compile(r"[a-z0-9][a-z0-9-]*", re.ASCII)
_URL = re.compile(
    r"https?://[a-z0-9.\-\[\]:]+(/[\x21-\x7e]*)?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True)
class S3Failure:
    """What one error of obstore means."""

    code: str
    """S3's own word, such as `NoSuchKey`; else the HTTP status; else empty."""
    reason: str
    """One line for the reader: the code, or what happened on the way to S3."""
    is_forbidden: bool
    """The answer will be the same however often we ask."""
    is_expired: bool
    """The credentials are over: the same request is good with new ones."""
    is_cut_off: bool
    """The answer did not arrive whole: ask at once again."""
    is_bad_name: bool
    """obstore can't address an object of such a name, such as `a//b`."""
    is_local: bool
    """A file of our own failed, such as on a full disk."""

    @property
    def is_repeatable(self) -> bool:
        """Whether asking at once again may help."""
        return self.is_expired or self.is_cut_off

    def to_error(
        self, doing: str
    ) -> StorageError | StorageForbiddenError | ConfigurationError:
        """Return it as an error of ours.

        Args:
            doing: what was being done, for which city and date; starts the message.
        """
        if self.is_bad_name:
            return ConfigurationError(
                f"{doing}: rename or remove that object: {self.reason}"
            )
        if self.is_forbidden:
            return StorageForbiddenError(
                f"{doing}: S3 refused with {self.reason}; check the bucket's name, the "
                "credentials, and what the role may read and write"
            )
        if self.is_local:
            return StorageError(f"{doing}: {self.reason}; run it again")
        if self.code:
            return StorageError(f"{doing}: S3 answered {self.reason}; run it again")
        return StorageError(
            f"{doing}: S3 was not reached ({self.reason}); run it again"
        )


def read_failure(error: Exception) -> S3Failure:
    """Say what an error of obstore means."""
    text = str(error)
    code = _find_code(text)
    is_expired = code in _EXPIRED
    is_refused = isinstance(error, (PermissionDeniedError, UnauthenticatedError))
    return S3Failure(
        code=code,
        reason=code or _last_words(text),
        is_forbidden=not is_expired
        and (is_refused or code in _FORBIDDEN or "status code: 403" in text),
        is_expired=is_expired,
        is_cut_off=isinstance(error, GenericError)
        and (_ANSWERED not in text or code == "RequestTimeout"),
        is_bad_name=isinstance(error, (InvalidPathError, ValueError)),
        is_local=isinstance(error, OSError) and not code,
    )


def make_s3_store(
    bucket: str,
    *,
    endpoint_url: str | None,
    region: str,
    credentials: "S3CredentialProvider | None",
    prefix: str | None = None,
    max_attempts: int = 6,
) -> S3Store:
    """Make a store that retries throttling, 5xx and lost connections with back-off.

    Args:
        bucket: its name.
        endpoint_url: of any S3-compatible store, which is asked by path; None = AWS.
        region: AWS region of the bucket.
        credentials: gives those to sign with; None = what obstore finds itself.
        prefix: where every path begins; None = at the bucket's top.
        max_attempts: tries of one request, the first included.

    Raises:
        StorageForbiddenError: no bucket can have that name.
        ConfigurationError: the endpoint is no URL.
    """
    if not _BUCKET.fullmatch(bucket):
        raise StorageForbiddenError(
            f"{bucket!r} is no bucket's name: check S3_BUCKET, or ask the vendor"
        )
    config: S3Config = {
        "region": region,
        # `DeleteObjects` is missing in some stores, and its answer hides errors.
        "disable_bulk_delete": True,
        # Digesting what is sent costs 0.7 CPU s a GB, and https protects it already.
        "unsigned_payload": True,
        # Set also where it is the default: obstore would read the environment.
        **_address(bucket, endpoint_url, region),
    }
    endpoint = config.get("endpoint", "")
    if not _URL.fullmatch(endpoint):
        raise ConfigurationError(
            "no address of S3 can be made of AWS_ENDPOINT_URL and AWS_REGION: check them"
        )
    client: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": timedelta(seconds=10),
        "read_timeout": timedelta(seconds=120),
        # Of a whole request with its body; obstore's 30 s cut off a slow large one.
        "timeout": timedelta(minutes=15),
    }
    return S3Store(
        bucket,
        prefix=prefix,
        config=config,
        client_options=client,
        retry_config={
            "max_retries": max_attempts - 1,
            "retry_timeout": timedelta(minutes=3),
        },
        credential_provider=credentials,
    )


def _address(bucket: str, endpoint_url: str | None, region: str) -> "S3Config":
    if endpoint_url:
        return {"endpoint": endpoint_url, "virtual_hosted_style_request": False}
    host = f"s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    # A name with a dot is outside the certificate of `*.s3.<region>.amazonaws.com`.
    if _HOST_NAME.fullmatch(bucket):
        endpoint = f"https://{bucket}.{host}"
        return {"endpoint": endpoint, "virtual_hosted_style_request": True}
    return {"endpoint": f"https://{host}", "virtual_hosted_style_request": False}


def _find_code(text: str) -> str:
    for pattern in (_CODE, _STATUS):
        if found := pattern.search(text):
            return found[1]
    return "PermanentRedirect" if _REDIRECT in text else ""


def _last_words(text: str) -> str:
    return text.partition("\n")[0].rpartition(" - ")[2]
