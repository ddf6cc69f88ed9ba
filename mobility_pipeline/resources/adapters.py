"""Dagster resources: each reads the settings when a run needs it and builds one client."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from time import sleep
from typing import TYPE_CHECKING

import dagster as dg

from mobility_pipeline.alerts.channels import Channels
from mobility_pipeline.alerts.store import AlertStore, open_alert_store
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.lake.land import LandingSite
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.resources.alerting import find_channels
from mobility_pipeline.resources.clients import (
    make_vendor_client,
    open_lake_bucket,
    open_registry,
)
from mobility_pipeline.resources.lakes import make_lake, make_landing_site
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger, open_ledger

if TYPE_CHECKING:
    from mobility_pipeline.analytics.derivation import Derivation
    from mobility_pipeline.schemas.derived import DerivedTable


class SettingsResource(dg.ConfigurableResource):
    """The settings of this run."""

    def load(self) -> Settings:
        """Read them now: a secret changed since the last run counts."""
        return load_settings()


class CitiesResource(dg.ConfigurableResource):
    """The registry of cities."""

    def create(self) -> Registry:
        """Open the registry at MOBILITY_CITIES."""
        return open_registry(load_settings())


class VendorResource(dg.ConfigurableResource):
    """Veraset, and our ledger of what was asked of it."""

    def create_client(self) -> VerasetClient:
        """Make a client.

        Raises:
            ConfigurationError: VERASET_API_KEY is not set.
        """
        return make_vendor_client(load_settings())

    def open_ledger(self) -> Ledger:
        """Open the ledger, at its newest schema."""
        return open_ledger(load_settings().ledger_url)


class LakeResource(dg.ConfigurableResource):
    """The lake."""

    def create(self, feed: Feed) -> Lake:
        """Open the lake of one feed.

        Raises:
            ConfigurationError: no bucket is set.
        """
        return make_lake(load_settings(), feed)

    def open_bucket(self, feed: Feed) -> Bucket:
        """Open the bucket that the lake of one feed is in.

        Raises:
            ConfigurationError: no bucket is set.
        """
        return open_lake_bucket(load_settings(), feed)

    def landing_site(self, feed: Feed) -> LandingSite:
        """Say where deliveries of a feed come from and go to.

        Raises:
            ConfigurationError: no bucket is set.
        """
        return make_landing_site(load_settings(), feed)


class AnalyticsResource(dg.ConfigurableResource):
    """What derives tables from city-days."""

    def open(self) -> "Derivation":
        """Open source, tables, regions and profiles.

        Raises:
            ConfigurationError: ANALYTICS_SOURCE is no feed, or no bucket is set.
            ProfilesRefusedError: ANALYTICS_PROFILES cannot be used.
        """
        # Polars and compiled loops take a second to load; most runs need neither.
        from mobility_pipeline.resources.analytics import open_derivation

        return open_derivation(load_settings())

    def draw(self, table: "DerivedTable", city: City, day: date) -> bytes | None:
        """Draw what was derived, as a PNG; None = there is no picture of it."""
        # Takes a second to load, too.
        from mobility_pipeline.resources.maps import draw_table

        return draw_table(load_settings(), table, city, day)


class AlertsResource(dg.ConfigurableResource):
    """The record of alerts, and the channels they leave by."""

    def open_store(self) -> AlertStore:
        """Open the record, in the ledger's database."""
        return open_alert_store(load_settings().ledger_url)

    def find_channels(self, write: Callable[[str], None]) -> Channels:
        """Return the channels that are configured; `write` is that of the log."""
        return find_channels(load_settings(), write)


class ClockResource(dg.ConfigurableResource):
    """Time, so that tests can bring their own."""

    def now(self) -> datetime:
        """Return the present instant in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Wait."""
        sleep(seconds)
