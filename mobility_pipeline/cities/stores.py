"""Where a registry is kept: a folder or an S3 prefix, and what its failures mean."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
from filelock import FileLock, Timeout
from obstore.exceptions import AlreadyExistsError, PreconditionError
from obstore.store import LocalStore

from mobility_pipeline.errors import (
    CityChangedError,
    ConfigurationError,
    StorageError,
    StorageForbiddenError,
)
from mobility_pipeline.s3 import S3_ERRORS, make_s3_store, read_failure

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3CredentialProvider, S3Store

_PATIENCE_S = 60
"""Seconds of waiting for another process that changes the registry."""


def open_store(
    location: str,
    *,
    endpoint_url: str | None,
    region: str,
    credentials: "S3CredentialProvider | None" = None,
) -> "ObjectStore":
    """Open the place MOBILITY_CITIES names.

    Args:
        location: a folder's path or `s3://bucket/prefix`.
        endpoint_url: of any S3-compatible store; None = AWS.
        region: AWS region of the bucket.
        credentials: e.g. `obstore.auth.boto3.Boto3CredentialProvider(session)`, with a
            `ttl` below the session's refresh margin (10 minutes); None = what obstore
            finds itself (environment, web identity, instance role).

    Raises:
        ConfigurationError: there is no such folder, or the location is neither.
    """
    if location.startswith("s3://"):
        return _open_s3(location, endpoint_url, region, credentials)
    if "://" in location:
        raise ConfigurationError(
            f"MOBILITY_CITIES is {location!r}: it must be a folder or s3://bucket/prefix"
        )
    folder = Path(location).expanduser()
    _require_folder(folder)
    return LocalStore(prefix=folder)


def list_paths(store: "ObjectStore") -> list[str]:
    """List every file of a store, relative to it, in no order.

    Raises:
        ConfigurationError: the folder or bucket is not there. (obstore lists a missing
            folder as empty, and no city at all would be taken at its word.)
        StorageError: S3 failed after retries.
        StorageForbiddenError: S3 or the file system refused.
    """
    if isinstance(store, LocalStore) and store.prefix is not None:
        _require_folder(store.prefix)
    with translated_errors("listing the cities"):
        pages = obstore.list(store)  # pyright: ignore[reportUnknownMemberType]
        return [item["path"] for page in pages for item in page]


@contextmanager
def translated_errors(action: str, setting: str = "MOBILITY_CITIES") -> Generator[None]:
    """Turn a store's failure into one clear line of ours.

    Args:
        action: what is being done, e.g. `reading city chile/santiago`.
        setting: the variable that names the store.
    """
    try:
        yield
    except PreconditionError as error:
        raise CityChangedError(
            f"{action}: somebody else changed it meanwhile; look at it and try again"
        ) from error
    except AlreadyExistsError:
        raise  # an answer, for whoever asked to create
    except S3_ERRORS as error:
        raise _interpret(action, error, setting) from error


@contextmanager
def hold_file(path: Path) -> Generator[None]:
    """Hold a lock that the system lets go when this process dies, however it dies.

    Raises:
        StorageError: another process held it for a minute.
        StorageForbiddenError: the file may not be made.
    """
    lock = FileLock(path)
    with translated_errors("locking the registry of cities"):
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout as error:
            raise StorageError(
                "another process has been changing the registry of cities for "
                f"{_PATIENCE_S} s; try again"
            ) from error
    try:
        yield
    finally:
        lock.release()


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        raise ConfigurationError(
            f"MOBILITY_CITIES is {str(folder)!r}: there is no such folder"
        )


def _open_s3(
    location: str,
    endpoint_url: str | None,
    region: str,
    credentials: "S3CredentialProvider | None",
) -> "S3Store":
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    if not bucket:
        raise ConfigurationError(f"MOBILITY_CITIES is {location!r}: no bucket in it")
    return make_s3_store(
        bucket,
        endpoint_url=endpoint_url,
        region=region,
        credentials=credentials,
        prefix=prefix.strip("/") or None,
    )


def _interpret(
    action: str, error: Exception, setting: str
) -> ConfigurationError | StorageForbiddenError | StorageError:
    failure = read_failure(error)
    if failure.code == "NoSuchBucket":
        return ConfigurationError(f"{action}: {setting} names no existing bucket")
    if failure.is_bad_name:
        return ConfigurationError(
            f"{action}: rename or remove that file: {failure.reason}"
        )
    if failure.is_forbidden:
        return StorageForbiddenError(
            f"{action}: not allowed; check the credentials and {setting} "
            f"({failure.reason})"
        )
    return StorageError(f"{action}: {failure.reason}")
