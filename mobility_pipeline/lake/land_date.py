"""Land one date of one vendor job's delivery: split it and publish each city's part."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from threading import Semaphore

import pyarrow as pa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.lake.publish import Lake, Published, publish_city
from mobility_pipeline.landing.delivery import Delivery
from mobility_pipeline.landing.split import CityGroup, Means, SplitDate, split_date
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline.vendor.records import VendorJob

OpenLake = Callable[[], Lake]
"""Opens the lake of the job's feed; can be sent to another process."""

_PUBLISHERS = 8
_SMALL_ROWS = 20_000
"""City-days up to this size wait in memory while others are published."""


@dataclass(frozen=True)
class DateTask:
    """What to land; can be sent to another process."""

    job: VendorJob
    delivery: Delivery
    """Of this date only."""
    date: date
    cities: frozenset[str]
    """Keys of the cities that wait for it."""
    open_deliveries: OpenBucket
    open_lake: OpenLake
    means: Means


@dataclass(frozen=True)
class LandedDate:
    """What became of a date."""

    published: tuple[Published, ...]
    """Each city-day that now stands in the lake, by city."""
    failure: MobilityError | None = None
    """Why the other waiting cities are not among them."""


def land_date(task: DateTask) -> LandedDate:
    """Split one date and publish the city-days that wait for it.

    A date that a run which died has published completely is only looked at.

    Raises:
        DeliveryRejectedError: the date can't be trusted; nothing of it is published.
        StorageError: S3 failed.
        StorageForbiddenError: the role may not read or write.
    """
    lake = task.open_lake()
    found = _find_published(lake, task)
    if found is not None:
        return LandedDate(found)
    split = split_date(
        task.open_deliveries(task.delivery.bucket),
        task.delivery,
        task.date,
        task.job.feed,
        task.job.areas,
        task.cities,
        task.means,
    )
    publisher = _Publisher(lake, split, task.job)
    failure = None
    try:
        with ThreadPoolExecutor(task.means.threads, "publish-group") as threads:
            for _ in threads.map(publisher.publish, split.groups):
                pass
    except MobilityError as error:
        failure = error
    finally:
        split.close()
    return LandedDate(publisher.published, failure)


def _find_published(lake: Lake, task: DateTask) -> tuple[Published, ...] | None:
    """Return what stands, if all of it came from this job."""
    found: list[Published] = []
    for city in sorted(task.cities):
        city_day = CityDay(city, task.date)
        manifest = lake.find_complete(city_day)
        if manifest is None or manifest.source.job_id != task.job.job_id:
            return None
        found.append(Published(manifest, changed=False, uri=lake.uri(city_day)))
    return tuple(found)


class _Publisher:
    """Publishes groups of cities, small city-days side by side."""

    def __init__(self, lake: Lake, split: SplitDate, job: VendorJob) -> None:
        self._lake = lake
        self._split = split
        self._job = job
        self._waiting = Semaphore(_PUBLISHERS)
        self._done: list[Published] = []
        self._has_failed = False

    @property
    def published(self) -> tuple[Published, ...]:
        """What was published so far, by city."""
        return tuple(sorted(self._done, key=lambda done: done.manifest.city))

    def publish(self, group: CityGroup) -> None:
        """Publish a group; after a failure no further city is begun."""
        results: list[Future[None]] = []
        with ThreadPoolExecutor(_PUBLISHERS, "publish") as threads:
            for city, chunks in self._split.read(group):
                if self._has_failed:
                    break
                if self._split.rows[city] > _SMALL_ROWS:
                    self._publish_city(city, chunks)
                    continue
                rows = [*chunks]
                self._waiting.acquire()
                results.append(threads.submit(self._publish_small, city, rows))
        for result in results:
            result.result()

    def _publish_small(self, city: str, rows: list[pa.Table]) -> None:
        try:
            self._publish_city(city, rows)
        finally:
            self._waiting.release()

    def _publish_city(self, city: str, chunks: Iterable[pa.Table]) -> None:
        try:
            done = publish_city(self._lake, self._split, city, chunks, self._job)
        except MobilityError:
            self._has_failed = True
            raise
        self._done.append(done)
