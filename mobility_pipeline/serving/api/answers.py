"""What is so in a city, by hour: rows that may be published, and what they rest on.

Absence is never zero: an hour that was not observed has no answer, but a reason.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import NoDataError
from mobility_pipeline.lake.coverage import NOT_REQUESTED
from mobility_pipeline.lake.derived_manifest import DerivedManifest
from mobility_pipeline.schemas.derived import DEVICE_HOURS, PRESENCE, DerivedTable
from mobility_pipeline.serving.api.days import Day, Days
from mobility_pipeline.serving.api.hours import (
    LocalHour,
    read_hour,
    utc_days,
)
from mobility_pipeline.serving.api.memory import about_to_read
from mobility_pipeline.serving.api.places import Place, Places
from mobility_pipeline.serving.api.provenance import Provenance

NOT_DERIVED = "not_derived"
"""The lake holds the pings, and analytics has not made the table of them."""
OTHER_REGIONS = "other_regions"
"""The table was made with another region layer than the city has now."""
NO_PINGS = "no_pings"
"""The day was delivered, and nothing of it is in that hour."""
_LOOK_BACK_DAYS = 60
_DELIVERED = "delivered"


States = Callable[[str, date, date], Mapping[date, str]]
"""City key, first and last UTC day -> the ledger's state of each that it knows."""


@dataclass(frozen=True)
class Found:
    """Rows of one region and hour, and what they rest on."""

    place: Place
    hour: LocalHour
    rows: pl.DataFrame
    provenance: Provenance


@dataclass(frozen=True)
class Answers:
    """Answers questions from the derived tables; safe to use from several threads.

    Every method raises besides what it says:
        ManifestError: what stands in the lake is not readable.
        StorageError: S3 failed.
        StorageForbiddenError: S3 refused.
    """

    places: Places
    days: Days
    states: States
    profiles: Callable[[], pl.DataFrame | None]
    """Gives the table of `read_profiles`; null = nobody has one."""
    min_devices: int
    """Counts of fewer distinct devices are hidden."""
    now: Callable[[], datetime]

    def hour_of(self, place: Place, produce_hour: str | None, fold: int) -> LocalHour:
        """Return the hour that is asked for; none = the newest observed one.

        Raises:
            QuestionRefusedError: it is no hour of the city.
            NoDataError: none is asked for, and nothing was observed lately.
        """
        if produce_hour is not None:
            return read_hour(produce_hour, place.city.time_zone, fold)
        zone = place.city.time_zone
        today = self.now().astimezone(ZoneInfo(zone)).date()
        for age in range(_LOOK_BACK_DAYS):
            day = today - timedelta(days=age)
            manifest = self.days.manifest(PRESENCE, CityDay(place.city.key, day))
            if manifest and manifest.observed_hours and _is_of(manifest, place):
                return LocalHour(day, manifest.observed_hours[-1], zone)
        raise NoDataError(
            f"nothing of {place.city.key} was observed in the last {_LOOK_BACK_DAYS} days",
            city=place.city.key,
            reason=NOT_DERIVED,
        )

    def presence(
        self, region_id: str, produce_hour: str | None, city: str | None, fold: int = 0
    ) -> Found:
        """Return how many people of which portrait were in a region in an hour.

        Returns:
            Rows of `PRESENCE` and `suppressed`; none where nobody was there.

        Raises:
            UnknownPlaceError: no such city or region.
            QuestionRefusedError: several cities have it, or it is no hour.
            NoDataError: the hour was not observed; with the reason.
        """
        place = self.places.find_by_region(region_id, city)
        hour = self.hour_of(place, produce_hour, fold)
        day = self.require(PRESENCE, place, hour)
        rows = day.find(hour.hour_at, region_id)
        return Found(place, hour, rows, self.rest_on(PRESENCE, place, day.manifest))

    def device_hours(self, place: Place, hour: LocalHour) -> tuple[pl.DataFrame, Day]:
        """Return who was where in an hour: exact rows, which are not for publishing."""
        day = self.require(DEVICE_HOURS, place, hour)
        return day.rows.filter(pl.col("hour_at") == hour.hour_at), day

    def require(self, table: DerivedTable, place: Place, hour: LocalHour) -> Day:
        """Return the city-day of an hour that was observed.

        Raises:
            NoDataError: it was not; with the reason.
        """
        day = self.days.read(table, CityDay(place.city.key, hour.local_date))
        if day is None or hour.hour_at not in day.manifest.observed_hours:
            reason = self._explain(place, hour, day)
        elif not _is_of(day.manifest, place):
            reason = OTHER_REGIONS
        else:
            return day
        raise NoDataError(
            f"no data of {place.city.key} for the hour {hour.label}: {reason}",
            city=place.city.key,
            produce_hour=hour.label,
            reason=reason,
        )

    def missing_reason(
        self, table: DerivedTable, place: Place, day: date
    ) -> str | None:
        """Return why a local day has no rows; null = it has a manifest."""
        manifest = self.days.manifest(table, CityDay(place.city.key, day))
        if manifest is None:
            return (
                self._state(place, utc_days(day, place.city.time_zone)) or NOT_DERIVED
            )
        return None if _is_of(manifest, place) else OTHER_REGIONS

    def rest_on(
        self,
        table: DerivedTable,
        place: Place,
        *manifests: DerivedManifest,
        missing: Mapping[date, str] | None = None,
    ) -> Provenance:
        """Say what an answer rests on."""
        key = place.city.key
        return Provenance(table, key, manifests, self.min_devices, missing or {})

    def _explain(self, place: Place, hour: LocalHour, day: Day | None) -> str:
        length = timedelta(minutes=59)
        dates = {at.date() for at in (hour.hour_at, hour.hour_at + length)}
        state = self._state(place, sorted(dates))
        return state or (NOT_DERIVED if day is None else NO_PINGS)

    def _state(self, place: Place, dates: Sequence[date]) -> str | None:
        """Return why UTC days are not there, by the ledger; null = they are."""
        about_to_read()
        known = self.states(place.city.key, dates[0], dates[-1])
        states = [known.get(day, NOT_REQUESTED) for day in dates]
        return next((state for state in states if state != _DELIVERED), None)


def _is_of(manifest: DerivedManifest, place: Place) -> bool:
    regions = manifest.regions
    return regions is not None and regions.sha256 == place.regions.sha256
