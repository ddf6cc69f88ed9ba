"""Land one vendor job's delivery: read, split and publish it date by date, and record it."""

import logging
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import DeliveryRejectedError
from mobility_pipeline.lake.publish import Lake, Published, publish_city
from mobility_pipeline.landing.delivery import Delivery, list_delivery
from mobility_pipeline.landing.split import split_date
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState, VendorJob

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_LOG = logging.getLogger(__name__)


def land_job(
    job: VendorJob,
    dates: Collection[date],
    *,
    ledger: Ledger,
    deliveries: "S3Client",
    lake: Lake,
    now: Callable[[], datetime],
) -> Iterator[Published]:
    """Land the city-days that wait for a successful job, and settle them in the ledger.

    Every city that waits for a date is landed with it, whoever asked, so that the files
    of a date are read once. A date that was not delivered, or cannot be trusted, is
    recorded and does not stop the others.

    Args:
        job: with its S3 location.
        dates: land these only.
        ledger: settled after each publish; a crash between the two repeats the publish,
            which changes nothing.
        deliveries: may read the vendor's bucket.
        lake: of the job's feed.
        now: the present instant.

    Yields:
        Each city-day as it stands in the lake.

    Raises:
        StorageError: S3 failed; what was published stays, the rest stays open.
        StorageForbiddenError: the role may not read or write.
    """
    waiting = {day for day in ledger.pending(job.ref) if day.date in dates}
    if not waiting:
        return
    delivery = list_delivery(deliveries, job.bucket or "", job.folder_path or "")
    if delivery.unplaced:
        _LOG.warning(
            "%s: %d files outside any date=YYYY-MM-DD folder are not read, such as %s",
            job.name,
            len(delivery.unplaced),
            delivery.unplaced[0],
        )
    for day in sorted({city_day.date for city_day in waiting}):
        cities = {city_day.city for city_day in waiting if city_day.date == day}
        if day not in delivery.dates:
            reason = f"vendor job {job.job_id} delivered no {day}"
            _settle_date(
                ledger, job, day, cities, CityDayState.NOT_DELIVERED, reason, now()
            )
            continue
        try:
            yield from _land_date(
                job, delivery, day, cities, ledger, deliveries, lake, now
            )
        except DeliveryRejectedError as error:
            _settle_date(
                ledger, job, day, cities, CityDayState.REJECTED, str(error), now()
            )


def _land_date(
    job: VendorJob,
    delivery: Delivery,
    day: date,
    cities: Collection[str],
    ledger: Ledger,
    deliveries: "S3Client",
    lake: Lake,
    now: Callable[[], datetime],
) -> Iterator[Published]:
    split = split_date(deliveries, delivery, day, job.feed, job.areas, cities)
    for city in split.tables:
        city_day = CityDay(city, day)
        # Splitting took a while: another run may have landed it, or a newer job may.
        if not _is_waiting(ledger, job, city_day):
            continue
        published = publish_city(lake, split, city, job)
        state = CityDayState(published.manifest.state)
        ledger.settle(job.ref, {city_day: (state, "")}, now())
        yield published


def _is_waiting(ledger: Ledger, job: VendorJob, city_day: CityDay) -> bool:
    record = ledger.records_of(job.feed, [city_day]).get(city_day)
    return (
        record is not None
        and record.state is CityDayState.REQUESTED
        and record.job_ref == job.ref
    )


def _settle_date(
    ledger: Ledger,
    job: VendorJob,
    day: date,
    cities: Collection[str],
    state: CityDayState,
    reason: str,
    at: datetime,
) -> None:
    ledger.settle(job.ref, {CityDay(city, day): (state, reason) for city in cities}, at)
