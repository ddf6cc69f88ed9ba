"""A lake with a few city-days that were really published, and the ledger that knows them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.audit import Rebuilt, check_lake, rebuild_index
from mobility_pipeline.lake.paths import MANIFEST_NAME, city_day_prefix
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.lake.tables import FEED, SOURCE, make_pings
from mobility_pipeline_tests.vendor.world import FULL, make_cities

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FIRST = date(2024, 5, 1)
THEN = datetime(2024, 6, 1, tzinfo=UTC)
"""When the ledger learned what it knows."""
NOW = THEN + timedelta(days=1)


def day_of(city: str, offset: int = 0) -> CityDay:
    """Return a city-day of `country/<city>`, counted from FIRST."""
    return CityDay(f"country/{city}", FIRST + timedelta(offset))


@dataclass(frozen=True)
class Holdings:
    """One feed's bucket and the ledger."""

    s3: "S3Client"
    """Not ours: to set up and to look."""
    bucket: Bucket
    ledger: Ledger

    def publish(self, day: CityDay, *devices: str, feed: str = FEED) -> str:
        """Publish a city-day; returns the name of its part, empty where it has none."""
        chunks = [make_pings(*devices)] if devices else []
        manifest = Lake(self.bucket).publish(feed, day, chunks, SOURCE).manifest
        return manifest.files[0].name if manifest.files else ""

    def request(self, *days: CityDay, job_id: str = "job-1") -> int:
        """Record city-days as waiting for a bought job; returns its `ref`."""
        cities = tuple(make_cities(4).values())
        dates = [day.date for day in days]
        request = JobRequest(FULL, min(dates), max(dates), cities)
        ref = self.ledger.add_planned(request, days, THEN).ref
        self.ledger.mark_submitting(ref, THEN)
        self.ledger.mark_submitted(ref, job_id, THEN)
        return ref

    def settle(
        self, state: CityDayState, *days: CityDay, job_id: str = "job-1"
    ) -> None:
        """Record how city-days ended."""
        ref = self.request(*days, job_id=job_id)
        self.ledger.settle(ref, dict.fromkeys(days, (state, "")), THEN)

    def put(self, day: CityDay, name: str, data: bytes) -> None:
        """Store an object in a city-day's folder, past our code."""
        key = city_day_prefix(day) + name
        self.s3.put_object(Bucket=self.bucket.name, Key=key, Body=data)

    def get(self, day: CityDay, name: str = MANIFEST_NAME) -> bytes:
        """Read an object of a city-day's folder, past our code."""
        key = city_day_prefix(day) + name
        return self.s3.get_object(Bucket=self.bucket.name, Key=key)["Body"].read()

    def delete(self, day: CityDay, name: str = MANIFEST_NAME) -> None:
        """Delete an object of a city-day's folder, past our code."""
        self.s3.delete_object(Bucket=self.bucket.name, Key=city_day_prefix(day) + name)

    def drift(self, *, deep: bool = False) -> list[tuple[CityDay | None, str]]:
        """Return city-day and kind of each contradiction."""
        found = check_lake(FEED, self.bucket, self.ledger, deep=deep)
        return [(drift.city_day, drift.kind) for drift in found]

    def rebuild(self, *, accept_empty: bool = False) -> Rebuilt:
        """Rebuild the index, a day after the ledger learned anything."""
        return rebuild_index(
            FEED,
            self.bucket,
            self.ledger,
            started_at=NOW,
            accept_empty=accept_empty,
        )

    def states(self, days: Iterable[CityDay] | None = None) -> dict[CityDay, str]:
        """Return the ledger's state of each city-day it knows."""
        records = self.ledger.all_city_days(FEED)
        return {day: records[day].state.value for day in days or records}
