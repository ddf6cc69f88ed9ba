"""What the ledger knows of wanted city-days at one moment, read once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.errors import UnknownCityError
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayRecord, VendorJob
from mobility_pipeline.vendor.standing import Standing, judge_city_days


@dataclass(frozen=True)
class Known:
    """Of one feed."""

    feed: Feed
    records: Mapping[CityDay, CityDayRecord]
    """At least those of the wanted city-days; never asked for = absent."""
    live_jobs: Collection[VendorJob]
    """That are open, or have city-days still to land."""

    def judge(
        self,
        cities: Mapping[str, City],
        wanted: Collection[CityDay],
        *,
        refresh: bool,
        asked_since: datetime | None = None,
    ) -> Standing:
        """Say what each wanted city-day needs; see `judge_city_days`.

        Raises:
            UnknownCityError: a wanted city is not among `cities`.
        """
        keys = {city_day.city for city_day in wanted}
        unknown = sorted(keys - cities.keys())
        if unknown:
            raise UnknownCityError(
                f"no such city: {', '.join(unknown)}; `mobility cities list` shows them"
            )
        return judge_city_days(
            wanted,
            self.records,
            self.live_jobs,
            {key: cities[key].area_id for key in keys},
            refresh=refresh,
            asked_since=asked_since,
        )


def read_missing(
    ledger: Ledger, feed: Feed, wanted: Collection[CityDay]
) -> tuple[set[CityDay], Known]:
    """Return the wanted city-days that the lake lacks, and what is known of them."""
    lacking: set[CityDay] = set()
    records: dict[CityDay, CityDayRecord] = {}
    for missing in ledger.missing(feed.name, wanted):
        lacking.update(missing.city_days)
        if missing.record is not None:
            records.update(dict.fromkeys(missing.city_days, missing.record))
    return lacking, Known(feed, records, ledger.live_jobs(feed.name))


def read_known(ledger: Ledger, feed: Feed, wanted: Collection[CityDay]) -> Known:
    """Read what the ledger knows: hundreds of thousands of city-days take seconds."""
    return Known(
        feed, ledger.records_of(feed.name, wanted), ledger.live_jobs(feed.name)
    )
