"""From settings to what derives tables, and to the derived tables."""

import hashlib
from dataclasses import dataclass
from functools import partial

import pyarrow as pa

from mobility_pipeline.analytics.derivation import Derivation, Profiles, Source
from mobility_pipeline.analytics.events import to_pings
from mobility_pipeline.analytics.ingestion import Ingestion
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.lake.derived_manifest import Input
from mobility_pipeline.lake.paths import ANALYTICS_FOLDER
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.clients import (
    EVENTS_SOURCE,
    open_analytics_bucket,
    source_feed,
)
from mobility_pipeline.resources.derived import rejected_lines_folder
from mobility_pipeline.resources.lakes import make_lake
from mobility_pipeline.resources.profiles import open_profiles
from mobility_pipeline.resources.regions import find_cells, open_region_map
from mobility_pipeline.schemas.events import EVENTS
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import open_ledger


@dataclass(frozen=True)
class FeedSource:
    """The city-days of one feed."""

    lake: Lake

    def find(self, city_day: CityDay) -> Input | None:
        """Return what is there of a city-day; None = nothing."""
        manifest = self.lake.read_manifest(city_day)
        if manifest is None:
            return None
        return Input(uri=self.lake.uri(city_day), sha256=manifest.sha256)

    def read(self, city_day: CityDay) -> pa.Table:
        """Return its pings."""
        return self.lake.read(city_day)


@dataclass(frozen=True)
class EventSource:
    """The events that were ingested."""

    tables: DerivedTables

    def find(self, city_day: CityDay) -> Input | None:
        """Return what is there of a city-day; None = nothing."""
        manifest = self.tables.read_manifest(EVENTS, city_day)
        if manifest is None:
            return None
        uri = self.tables.uri(EVENTS, city_day)
        return Input(uri=uri, sha256=manifest.sha256)

    def read(self, city_day: CityDay) -> pa.Table:
        """Return its events as pings."""
        return to_pings(self.tables.read(EVENTS, city_day))


def open_derived_tables(settings: Settings) -> DerivedTables:
    """Open the derived tables.

    Raises:
        ConfigurationError: no bucket is set.
    """
    return DerivedTables(open_analytics_bucket(settings))


def open_derivation(settings: Settings) -> Derivation:
    """Open all that tables are derived with.

    Raises:
        ConfigurationError: ANALYTICS_SOURCE is no feed, or no bucket is set.
        ProfilesRefusedError: ANALYTICS_PROFILES cannot be used.
        StorageError: S3 failed, where the profiles are there.
        LedgerError: the database of its locks is locked or gone.
    """
    return Derivation(
        source=_open_source(settings),
        tables=open_derived_tables(settings),
        open_regions=partial(open_region_map, settings),
        profiles=_open_profiles(settings),
        hold=partial(open_ledger(settings.ledger_url).landing_lock, ANALYTICS_FOLDER),
    )


def open_ingestion(settings: Settings, city: City) -> Ingestion:
    """Open what ingests events of a city.

    Raises:
        ConfigurationError: no bucket is set, or the city's region layer is none it has.
        LedgerError: the database of its locks is locked or gone.
    """
    return Ingestion(
        city=city,
        tables=open_derived_tables(settings),
        cells=find_cells(settings, city),
        folder=rejected_lines_folder(settings),
        hold=partial(open_ledger(settings.ledger_url).landing_lock, EVENTS.name),
    )


def _open_source(settings: Settings) -> Source:
    if settings.analytics_source == EVENTS_SOURCE:
        return EventSource(open_derived_tables(settings))
    return FeedSource(make_lake(settings, source_feed(settings)))


def _open_profiles(settings: Settings) -> Profiles | None:
    rows = open_profiles(settings)
    if rows is None:
        return None
    digest = hashlib.sha256(rows.write_csv().encode()).hexdigest()
    return Profiles(rows, Input(uri=str(settings.analytics_profiles), sha256=digest))
