"""Vendor jobs with a delivery on a real S3 server, and lakes to land them in."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.land import LandingSite
from mobility_pipeline.lake.land_date import DateTask
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.split import Means
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import JobState, VendorJob
from mobility_pipeline.vendor.request import Area, JobRequest
from mobility_pipeline_tests.lake.lakes import open_lake
from mobility_pipeline_tests.landing.store import AREAS, CITIES, JOB_PREFIX
from mobility_pipeline_tests.vendor.world import FULL, make_cities

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FEED = FULL.name
DAY = date(2024, 5, 1)
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def make_place(s3: "S3Client", open_bucket: OpenBucket, folder: Path) -> "Place":
    """Make an empty delivery and an empty lake."""
    place = Place(s3, open_bucket, f"vendor-{uuid4()}", f"lake-{uuid4()}", folder)
    s3.create_bucket(Bucket=place.delivered)
    s3.create_bucket(Bucket=place.kept)
    return place


@dataclass(frozen=True)
class Place:
    """The vendor's bucket and a lake's, on one server."""

    s3: "S3Client"
    """Not ours: to set up and to look."""
    open_bucket: OpenBucket
    delivered: str
    """The vendor's bucket."""
    kept: str
    """The lake's bucket."""
    folder: Path

    @property
    def lake(self) -> Lake:
        """The lake, for this process."""
        return open_lake(self.open_bucket, self.kept, self.folder)

    def make_site(self, cores: int = 1) -> LandingSite:
        """Say where from and where to; other processes can be told, too."""
        opens = partial(open_lake, self.open_bucket, self.kept, self.folder)
        return LandingSite(self.open_bucket, opens, self.folder, cores)

    def deliver(self, files: Mapping[str, bytes]) -> None:
        """Store files below the job's folder, by `date=…/name`."""
        for name, data in files.items():
            self.s3.put_object(Bucket=self.delivered, Key=JOB_PREFIX + name, Body=data)

    def deliver_day(self, *files: bytes, day: date = DAY) -> None:
        """Store the files of a date."""
        names = [
            f"date={day}/part-{number:05d}.parquet" for number in range(len(files))
        ]
        self.deliver(dict(zip(names, files, strict=True)))

    def objects(self) -> dict[str, bytes]:
        """Return everything in the lake."""
        found = self.s3.list_objects_v2(Bucket=self.kept).get("Contents", [])
        return {item["Key"]: self._read(item["Key"]) for item in found}

    def make_task(
        self,
        job: VendorJob,
        cities: Collection[str] = CITIES,
        means: Means | None = None,
    ) -> DateTask:
        """Say what to land of the one date."""
        site = self.make_site()
        bucket = self.open_bucket(self.delivered)
        return DateTask(
            job,
            list_delivery(bucket, JOB_PREFIX),
            DAY,
            frozenset(cities),
            site.open_deliveries,
            site.open_lake,
            means or Means(2**30, 1, self.folder),
        )

    def _read(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=self.kept, Key=key)["Body"].read()


def make_job(job_id: str = "job-1", areas: Sequence[Area] = AREAS) -> VendorJob:
    """Make a successful vendor job that no ledger knows."""
    return VendorJob(
        ref=1,
        feed=FEED,
        endpoint="movement/job/pings",
        start=DAY,
        end=DAY,
        areas=tuple(areas),
        request_sha256="d" * 64,
        body={},
        job_id=job_id,
        state=JobState.SUCCESS,
        bucket="vendor",
        folder_path=JOB_PREFIX,
        error=None,
        planned_at=NOW,
        submitting_at=NOW,
        submitted_at=NOW,
        finished_at=NOW,
    )


def record_job(
    ledger: Ledger,
    place: Place,
    days: Sequence[date],
    city_count: int = 3,
    job_id: str = "job-1",
) -> VendorJob:
    """Record a successful vendor job for which all city-days of some cities wait."""
    cities = tuple(make_cities(city_count).values())
    request = JobRequest(FULL, days[0], days[-1], cities)
    wanted = {CityDay(city.key, day) for city in cities for day in days}
    ref = ledger.add_planned(request, wanted, NOW).ref
    ledger.mark_submitting(ref, NOW)
    ledger.mark_submitted(ref, job_id, NOW)
    ledger.mark_status(
        ref, JobState.SUCCESS, NOW, bucket=place.delivered, folder_path=JOB_PREFIX
    )
    return ledger.job(ref)


def make_pings(
    areas: Sequence[Sequence[str | None] | None],
    *,
    device: str = "a",
    day: date = DAY,
) -> pa.Table:
    """Make pings of devices a0, a1, … that name areas."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    devices = [f"{device}{number}" for number in range(len(areas))]
    return pa.table(
        {
            "ad_id": pa.array(devices, pa.string()),
            "utc_timestamp": pa.array([noon] * len(areas), pa.timestamp("us", "UTC")),
            "poi_ids": pa.array(areas, pa.list_(pa.string())),
        }
    )
