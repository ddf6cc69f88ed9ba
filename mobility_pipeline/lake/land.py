"""Land one vendor job's delivery, dates side by side, and record what became of each."""

import logging
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import (
    Executor,
    Future,
    ThreadPoolExecutor,
    as_completed,
)
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    DeliveryRejectedError,
    LandingInterruptedError,
    MobilityError,
)
from mobility_pipeline.lake.land_date import DateTask, LandedDate, OpenLake, land_date
from mobility_pipeline.lake.publish import Published
from mobility_pipeline.lake.workers import open_workers, prepare_workers
from mobility_pipeline.landing.delivery import Delivery, list_delivery
from mobility_pipeline.landing.split import Means
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, VendorJob

_LOG = logging.getLogger(__name__)

_MEMORY_BYTES = 512 * 2**20
"""Budget of the splitters of all processes together. With windows, uploads and what is being
encoded, seen: 0.5 to 0.9 GiB in all, and 1.1 on a date of 60 M rows."""
_SMALL_FILES, _SMALL_BYTES = 500, 16 * 2**20
"""A delivery below both is landed faster here than a process starts."""
_MANY_CITY_DAYS = 100
"""A delivery of so many is hardly small: processes may start while it is listed."""


@dataclass(frozen=True)
class LandingSite:
    """Where a job's delivery comes from and goes to. Can be sent to another process."""

    open_deliveries: OpenBucket
    open_lake: OpenLake
    folder: Path
    """On a disk that holds a date's rows several times over."""
    cores: int
    """Processes to use at most, and threads of them together."""


def land_job(
    job: VendorJob,
    dates: Collection[date],
    *,
    ledger: Ledger,
    site: LandingSite,
    now: Callable[[], datetime],
) -> Generator[Published]:
    """Land the city-days that wait for a successful job, and settle them in the ledger.

    Who does not iterate to the end closes it: left to the garbage collector, its processes
    would be waited for wherever a collection happens to run, for ever in a thread's start.

    Every city that waits for a date is landed with it, whoever asked, so that the files
    of a date are read once. A date that was not delivered, or cannot be trusted, is
    recorded and does not stop the others.

    Args:
        job: with its S3 location.
        dates: land these only.
        ledger: settled after a date is published; a crash between the two repeats at most
            a look at what stands.
        site: where from and where to.
        now: the present instant.

    Yields:
        Each city-day as it stands in the lake.

    Raises:
        StorageError: S3 failed; what was published stays, the rest stays open.
        StorageForbiddenError: the role may not read or write.
        LandingInterruptedError: a process was killed from outside; the same holds.
    """
    pending = [day for day in ledger.pending(job.ref) if day.date in dates]
    if not pending:
        return
    waiting = {day.date for day in pending}
    workers_call = [land_date, site.open_deliveries, site.open_lake]
    if len(pending) >= _MANY_CITY_DAYS:
        prepare_workers(workers_call)
    bucket = site.open_deliveries(job.bucket or "")
    delivery = list_delivery(bucket, job.folder_path or "")
    if delivery.unplaced:
        _LOG.warning(
            "%s: %d files outside any date=YYYY-MM-DD folder are not read, such as %s",
            job.name,
            len(delivery.unplaced),
            delivery.unplaced[0],
        )
    lander = _Lander(job, delivery, ledger, site, now)
    processes = _count_processes(delivery, waiting, site.cores)
    side_by_side = max(processes, 1)
    means = Means(
        _MEMORY_BYTES // side_by_side, max(site.cores // side_by_side, 1), site.folder
    )
    with (
        ThreadPoolExecutor(side_by_side, "land") as threads,
        open_workers(processes, workers_call) as pool,
    ):
        results = [
            threads.submit(lander.land, day, pool, means) for day in sorted(waiting)
        ]
        yield from _collect(results)


def _collect(results: Sequence[Future[tuple[Published, ...]]]) -> Iterator[Published]:
    """Yield what dates become; after a failure let those under way end, then raise it."""
    failures: list[MobilityError] = []
    for result in as_completed(results):
        if result.cancelled():
            continue
        try:
            yield from result.result()
        except MobilityError as error:
            failures.append(error)
            for other in results:
                other.cancel()
    if failures:
        raise failures[0]


class _Lander:
    """Lands dates of one job; each in a thread of its own, which waits for a process."""

    def __init__(
        self,
        job: VendorJob,
        delivery: Delivery,
        ledger: Ledger,
        site: LandingSite,
        now: Callable[[], datetime],
    ) -> None:
        self._job = job
        self._delivery = delivery
        self._ledger = ledger
        self._site = site
        self._now = now

    def land(self, day: date, pool: Executor, means: Means) -> tuple[Published, ...]:
        """Land one date; return its city-days that now stand in the lake."""
        with self._ledger.landing_lock(self._job.feed, day):
            # Another run may have landed it while this one waited, or a newer job may.
            cities = self._find_waiting(day)
            if not cities:
                return ()
            if day not in self._delivery.dates:
                reason = f"vendor job {self._job.job_id} did not deliver it"
                self._settle(day, cities, CityDayState.NOT_DELIVERED, reason)
                return ()
            try:
                landed = self._run(day, cities, pool, means)
            except DeliveryRejectedError as error:
                landed = LandedDate((), error)
            return self._record(day, cities, landed)

    def _find_waiting(self, day: date) -> frozenset[str]:
        pending = self._ledger.pending(self._job.ref)
        return frozenset(waiting.city for waiting in pending if waiting.date == day)

    def _run(
        self, day: date, cities: frozenset[str], pool: Executor, means: Means
    ) -> LandedDate:
        files = {day: self._delivery.dates[day]}
        task = DateTask(
            self._job,
            replace(self._delivery, dates=files, unplaced=()),
            day,
            cities,
            self._site.open_deliveries,
            self._site.open_lake,
            means,
        )
        try:
            return pool.submit(land_date, task).result()
        except BrokenProcessPool as error:
            raise LandingInterruptedError(
                f"a process landing {self._job.name} died ({day} was under way); what was "
                "published stays, run it again"
            ) from error

    def _record(
        self, day: date, cities: Collection[str], landed: LandedDate
    ) -> tuple[Published, ...]:
        states = {
            published.manifest.city_day: (CityDayState(published.manifest.state), "")
            for published in landed.published
        }
        self._ledger.settle(self._job.ref, states, self._now())
        if isinstance(landed.failure, DeliveryRejectedError):
            left = set(cities) - {city_day.city for city_day in states}
            self._settle(day, left, CityDayState.REJECTED, str(landed.failure))
        elif landed.failure is not None:
            raise landed.failure
        return landed.published

    def _settle(
        self, day: date, cities: Collection[str], state: CityDayState, reason: str
    ) -> None:
        states = {CityDay(city, day): (state, reason) for city in cities}
        self._ledger.settle(self._job.ref, states, self._now())


def _count_processes(delivery: Delivery, waiting: Collection[date], cores: int) -> int:
    """Return in how many processes to land dates; 0 = in this one."""
    files = [file for day in waiting for file in delivery.dates.get(day, ())]
    if len(files) < _SMALL_FILES and sum(file.size for file in files) < _SMALL_BYTES:
        return 0
    return min(cores, len(waiting))
