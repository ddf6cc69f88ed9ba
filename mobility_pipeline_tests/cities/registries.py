"""Registries and histories of tests."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from obstore.auth.boto3 import Boto3CredentialProvider

from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.stores import open_store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

START = datetime(2025, 3, 1, 12, tzinfo=UTC)


@dataclass
class Ticking:
    """A clock that is a minute later each time it is looked at."""

    time: datetime = START

    def __call__(self) -> datetime:
        """Return the time."""
        self.time += timedelta(minutes=1)
        return self.time


def open_s3(location: str, url: str, session: boto3.Session) -> "ObjectStore":
    """Open a prefix on that server."""
    provider = Boto3CredentialProvider(session, ttl=timedelta(minutes=5))
    return open_store(
        location, endpoint_url=url, region="us-west-2", credentials=provider
    )


def make_history(
    folder: Path,
    open_backup: "Callable[[], ObjectStore] | None" = None,
    by: str = "ada",
) -> History:
    """Make the history of one person whose clock ticks."""
    return History(folder, by=by, now=Ticking(), open_backup=open_backup)
