"""From settings to the profiles of people."""

from functools import partial

import polars as pl

from mobility_pipeline.analytics.profiles import read_profiles
from mobility_pipeline.errors import ProfilesRefusedError
from mobility_pipeline.resources.clients import lake_buckets
from mobility_pipeline.settings import Settings


def open_profiles(settings: Settings) -> pl.DataFrame | None:
    """Read the file of ANALYTICS_PROFILES; None where that is not set.

    On S3 it is read with the role that writes the lake.

    Raises:
        ProfilesRefusedError: it is not there, or does not hold; see `read_profiles`.
        StorageError: S3 failed.
        StorageForbiddenError: S3 refused.
    """
    if settings.analytics_profiles is None:
        return None
    return read_profiles(settings.analytics_profiles, partial(_read_object, settings))


def _read_object(settings: Settings, uri: str) -> bytes:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not (bucket and key):
        raise ProfilesRefusedError([f"{uri} names no file: s3://bucket/folder/file"])
    content = lake_buckets(settings)(bucket).get(key, f"reading {uri}")
    if content is None:
        raise ProfilesRefusedError([f"{uri} is not there"])
    return bytes(content)
