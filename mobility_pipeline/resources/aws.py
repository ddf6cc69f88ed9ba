"""Buckets of S3, opened with an identity's credentials."""

import threading
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import requests

from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.resources.identity import Identity, to_obstore
from mobility_pipeline.s3 import make_s3_store
from mobility_pipeline.settings import Settings

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from obstore.store import S3Store


@dataclass(frozen=True)
class Buckets:
    """Opens buckets for one identity (an `OpenBucket`); can be sent to other processes.

    All buckets of one process share connections and credentials, whoever opens them. A
    process that was forked from one that used S3 must not: obstore waits for ever there.
    """

    settings: Settings
    role_arn: str | None

    def __call__(self, name: str) -> Bucket:
        """Open a bucket; nothing is asked yet."""
        return Bucket(name, partial(_connections(self).connect, name))

    @property
    def identity(self) -> Identity:
        """Who opens them."""
        return _connections(self).identity


class _Connections:
    """One store per bucket, renewed with the credentials it signs with."""

    def __init__(self, settings: Settings, identity: Identity) -> None:
        self.identity = identity
        self._settings = settings
        self._lock = threading.Lock()
        self._stores: dict[str, tuple[ReadOnlyCredentials, S3Store]] = {}

    def connect(self, bucket: str, expired: "S3Store | None") -> "S3Store":
        credentials, store = self._stores.get(bucket, (None, None))
        if (
            store is not None
            and store is not expired
            and credentials == self.identity.credentials()
        ):
            return store
        with self._lock:
            return self._renew(bucket, expired)

    def _renew(self, bucket: str, expired: "S3Store | None") -> "S3Store":
        credentials, store = self._stores.get(bucket, (None, None))
        if credentials is not None and store is expired:
            self.identity.forget(credentials)
        now = self.identity.credentials()
        if store is None or credentials != now:  # unless another thread was faster
            store = self._open(bucket, now)
            self._stores[bucket] = now, store
        return store

    def _open(self, bucket: str, credentials: "ReadOnlyCredentials") -> "S3Store":
        settings = self._settings
        region = settings.region
        if settings.aws_endpoint_url is None:
            region = find_region(f"https://s3.{region}.amazonaws.com", bucket, region)
        return make_s3_store(
            bucket,
            endpoint_url=settings.aws_endpoint_url,
            region=region,
            credentials=lambda: to_obstore(credentials, None),
            max_attempts=settings.aws_max_attempts,
        )


@lru_cache(maxsize=16)
def _connections(buckets: Buckets) -> _Connections:
    identity = Identity(buckets.settings, buckets.role_arn)
    return _Connections(buckets.settings, identity)


def find_region(s3_url: str, bucket: str, default: str) -> str:
    """Return where a bucket lies, as S3 tells anybody; the default where it does not.

    Args:
        s3_url: of S3 in the default region.
        bucket: e.g. the vendor's, which need not be in the region of our own.
        default: AWS region.
    """
    try:
        answer = requests.head(f"{s3_url}/{bucket}", timeout=10)
    except requests.RequestException:
        return default
    return answer.headers.get("x-amz-bucket-region", default)
