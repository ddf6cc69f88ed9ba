"""What the vendor delivered for one job: the parquet files of every UTC date.

Source: `s3://<bucket>/<folder path>/date=YYYY-MM-DD/*.parquet`, written once by Spark
when the vendor job ends. Marker files such as `_SUCCESS` lie beside.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mobility_pipeline.landing.storage import Bucket


@dataclass(frozen=True)
class DeliveredFile:
    """One parquet file as listed; nothing of it has been read."""

    key: str
    size: int
    """Bytes; zero means that the vendor's writer broke off."""


@dataclass(frozen=True)
class Delivery:
    """The files of one vendor job by UTC date."""

    bucket: str
    prefix: str
    """Ends with `/`, does not start with one."""
    dates: Mapping[date, tuple[DeliveredFile, ...]]
    """Files sorted by key. A date without any was not delivered: it is absent."""
    unplaced: tuple[str, ...] = ()
    """Keys of parquet files outside every `date=` folder: of no city-day."""


_PART = re.compile(r"(?:.*/)?[^/_.][^/]*\.parquet")
_DATED = re.compile(r"date=(\d{4}-\d{2}-\d{2})/[^/]+")


def list_delivery(bucket: "Bucket", folder_path: str) -> Delivery:
    """List what a finished vendor job delivered.

    Args:
        bucket: the one that the job's `s3_location` names.
        folder_path: as the job's `s3_location` names it, slashes at its ends or not.

    Returns:
        The delivery; without dates where nothing is there.

    Raises:
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: no such bucket, or not allowed to list it.
    """
    prefix = folder_path.strip("/") + "/"
    dates: dict[date, list[DeliveredFile]] = {}
    unplaced: list[str] = []
    doing = f"listing the delivery s3://{bucket.name}/{prefix}"
    for key, size in bucket.list_files(prefix, doing):
        if not _PART.fullmatch(key):
            continue
        day = _date_of(key.removeprefix(prefix))
        if day is None:
            unplaced.append(key)
        else:
            dates.setdefault(day, []).append(DeliveredFile(key, size))
    by_key = {
        day: tuple(sorted(dates[day], key=lambda file: file.key))
        for day in sorted(dates)
    }
    return Delivery(bucket.name, prefix, by_key, tuple(sorted(unplaced)))


def _date_of(path: str) -> date | None:
    dated = _DATED.fullmatch(path)
    if dated is None:
        return None
    try:
        return date.fromisoformat(dated[1])
    except ValueError:
        return None
