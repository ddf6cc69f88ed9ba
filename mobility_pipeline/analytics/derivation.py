"""Derive tables of a city and day: read what is in the lake, call analytics, write.

What stands already and was made from the same inputs by the same method is left as it is:
deriving twice costs a few small reads.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Protocol

import polars as pl
import pyarrow as pa

from mobility_pipeline.analytics.derived_days import DerivedDays
from mobility_pipeline.analytics.device_days import measure_device_days
from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.dwell import measure_dwell
from mobility_pipeline.analytics.flows import count_flows
from mobility_pipeline.analytics.home_regions import find_home_regions
from mobility_pipeline.analytics.local_time import hours_of, utc_dates_of
from mobility_pipeline.analytics.od import count_od
from mobility_pipeline.analytics.positionfixes import make_positionfixes
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.analytics.regions import RegionMap
from mobility_pipeline.analytics.staypoints import detect_staypoints
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.lake.derived import DerivedPublished, DerivedTables
from mobility_pipeline.lake.derived_manifest import (
    DerivedManifest,
    Input,
    Origin,
    RegionSource,
)
from mobility_pipeline.schemas.derived import (
    DEVICE_DAYS,
    DEVICE_HOURS,
    DWELL,
    FLOWS,
    HOME_REGIONS,
    HOME_WINDOW_DAYS,
    OD,
    POSITIONFIXES,
    PRESENCE,
    STAYPOINTS,
    DerivedTable,
)

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_UTC_HOURS = 24

Made = Mapping[DerivedTable, DerivedPublished]


class Source(Protocol):
    """Where the pings of positionfixes come from."""

    def find(self, city_day: CityDay) -> Input | None:
        """Return what is there of a city-day; None = nothing."""
        ...

    def read(self, city_day: CityDay) -> pa.Table:
        """Return its pings."""
        ...


@dataclass(frozen=True)
class Profiles:
    """The profiles of people, and where they came from."""

    rows: pl.DataFrame
    origin: Input


@dataclass
class Derivation:
    """Derives tables, one city and day at a time."""

    source: Source
    tables: DerivedTables
    open_regions: Callable[[City], RegionMap]
    profiles: Profiles | None
    hold: Callable[[date], AbstractContextManager[None]]
    """Keeps other processes from deriving the same day, which would mix their parts."""
    _regions: dict[str, RegionMap] = field(default_factory=dict[str, RegionMap])

    def derive_positionfixes(self, city: City, day: date) -> Made | None:
        """Derive the positionfixes of a UTC day; None = its pings are not in the lake."""
        city_day = CityDay(city.key, day)
        origin = self.source.find(city_day)
        if origin is None:
            return None
        current = self._find_current(city, city_day, [POSITIONFIXES], [origin])
        if current is not None:
            return current
        made = make_positionfixes(
            self.source.read(city_day), city, self._region_map(city)
        )
        # A UTC day's own hours: a city's may start half past, and 25 of them overlap it.
        hours = made.table["at"].dt.truncate("1h").unique().sort().to_list()
        about = Origin(
            [origin], self._region_source(city), hours, _UTC_HOURS, made.dropped
        )
        written = self.tables.write(POSITIONFIXES, city_day, made.table, about)
        return {POSITIONFIXES: written}

    def derive_day(
        self, city: City, day: date, wanted: Collection[DerivedTable]
    ) -> Made | None:
        """Derive tables of a local day that rest on its positionfixes alone.

        Args:
            city: the city.
            day: in its own time.
            wanted: some of `DAY_TABLES`.

        Returns:
            What stands there now; None = no UTC day that overlaps it has positionfixes.
        """
        utc_dates = utc_dates_of(day, city.time_zone)
        fixes = DerivedDays.find(self.tables, POSITIONFIXES, city.key, utc_dates)
        if not fixes.dates:
            return None
        city_day, inputs = CityDay(city.key, day), self._with_profiles(fixes.inputs)
        current = self._find_current(city, city_day, wanted, inputs)
        if current is not None:
            return current
        rows = fixes.read().filter(pl.col("local_date") == day)
        hours = _observed(rows["hour_at"].unique().sort().to_list(), fixes.dates)
        expected = len(hours_of(day, city.time_zone))
        origin = Origin(inputs, self._region_source(city), hours, expected)
        make = self._make_day(city, rows, day)
        return {
            table: self.tables.write(table, city_day, make[table](), origin)
            for table in wanted
        }

    def derive_flows(self, city: City, day: date) -> Made | None:
        """Derive the flows of a local day; None = it has no device-hours."""
        before = day - _DAY
        days = DerivedDays.find(self.tables, DEVICE_HOURS, city.key, [before, day])
        if day not in days.dates:
            return None
        city_day, inputs = CityDay(city.key, day), self._with_profiles(days.inputs)
        current = self._find_current(city, city_day, [FLOWS], inputs)
        if current is not None:
            return current
        flows = count_flows(
            days.read(day),
            days.read(before) if before in days.dates else None,
            self._people,
            days.observed_hours,
            city.time_zone,
        )
        return self._write_as(days.manifests[day], FLOWS, flows, inputs)

    def derive_home_regions(self, city: City, day: date) -> Made | None:
        """Derive the home regions known by a local day; None = it has no device-hours."""
        window = [day - n * _DAY for n in range(HOME_WINDOW_DAYS)]
        days = DerivedDays.find(self.tables, DEVICE_HOURS, city.key, window)
        if day not in days.dates:
            return None
        city_day = CityDay(city.key, day)
        current = self._find_current(city, city_day, [HOME_REGIONS], days.inputs)
        if current is not None:
            return current
        homes = find_home_regions(days.read(), day, days.observed_hours, city.time_zone)
        return self._write_as(days.manifests[day], HOME_REGIONS, homes, days.inputs)

    def _make_day(
        self, city: City, rows: pl.DataFrame, day: date
    ) -> Mapping[DerivedTable, Callable[[], pl.DataFrame]]:
        """Say how each table is made of the day's positionfixes."""
        regions = self._region_map(city)
        device_hours = cache(partial(make_device_hours, rows, day))
        return {
            DEVICE_HOURS: device_hours,
            PRESENCE: lambda: count_presence(device_hours(), self._people),
            OD: partial(count_od, rows, day),
            STAYPOINTS: partial(detect_staypoints, rows, regions),
            DWELL: partial(measure_dwell, rows),
            DEVICE_DAYS: partial(measure_device_days, rows),
        }

    @property
    def _people(self) -> pl.DataFrame | None:
        return self.profiles.rows if self.profiles else None

    def _with_profiles(self, inputs: Sequence[Input]) -> list[Input]:
        return [*inputs, *([self.profiles.origin] if self.profiles else [])]

    def _find_current(
        self,
        city: City,
        city_day: CityDay,
        wanted: Collection[DerivedTable],
        inputs: Sequence[Input],
    ) -> Made | None:
        """Return what stands there, where all of it was made from these inputs."""
        made: dict[DerivedTable, DerivedPublished] = {}
        for table in wanted:
            found = self.tables.find(table, city_day)
            if found is None or not found.manifest.is_made_from(
                table, inputs, self._region_source(city)
            ):
                return None
            made[table] = found
        return made

    def _write_as(
        self,
        day: DerivedManifest,
        table: DerivedTable,
        rows: pl.DataFrame,
        inputs: Sequence[Input],
    ) -> Made:
        """Write rows that know of the hours of another table's day."""
        origin = Origin(
            inputs, day.regions, day.observed_hours, day.expected_hours_count
        )
        city_day = CityDay(day.city, day.date)
        return {table: self.tables.write(table, city_day, rows, origin)}

    def _region_map(self, city: City) -> RegionMap:
        if city.key not in self._regions:
            self._regions[city.key] = self.open_regions(city)
        return self._regions[city.key]

    def _region_source(self, city: City) -> RegionSource:
        regions = self._region_map(city)
        return RegionSource(layer=regions.layer, sha256=regions.sha256)


def _observed(hours: Sequence[datetime], utc_dates: Collection[date]) -> list[datetime]:
    """Return the hours that lie wholly in UTC days that are there."""
    last = _HOUR - timedelta(microseconds=1)
    return [
        hour
        for hour in hours
        if hour.date() in utc_dates and (hour + last).date() in utc_dates
    ]
