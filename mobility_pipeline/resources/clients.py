"""From settings to the clients of the rooms; plain Python, so that commands start fast."""

import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from time import sleep, time
from typing import TYPE_CHECKING

from mobility_pipeline.cities.answer_cache import AnswerCache
from mobility_pipeline.cities.cell_layers import CellLayers
from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.cities.regions import Regions
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.errors import ConfigurationError, UsageError
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.s3 import make_s3_store
from mobility_pipeline.schemas.feeds import Feed, find_feed, resolve_feeds
from mobility_pipeline.serving.api.keys import ApiKeys
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.planner import Limits

if TYPE_CHECKING:
    from obstore.store import ObjectStore, S3CredentialProvider, S3Store

    from mobility_pipeline.resources.aws import Buckets

_MAP_AGE_S = 24 * 60 * 60


def open_registry(settings: Settings, user: str | None = None) -> Registry:
    """Open the registry at MOBILITY_CITIES; see `open_city_store`.

    Args:
        settings: where it is, and where its history is kept.
        user: who changes it; None = MOBILITY_USER, else the system's user.
    """
    bucket = settings.cities_backup_bucket
    history = History(
        history_folder(settings),
        by=user or settings.user,
        now=lambda: datetime.now(UTC),
        open_backup=partial(_open_backup, settings, bucket) if bucket else None,
    )
    return Registry(open_city_store(settings), history)


def open_regions(settings: Settings) -> Regions:
    """Open the region layers beside the registry's cities; see `open_city_store`."""
    return Regions(open_city_store(settings))


def open_cell_layers(settings: Settings) -> CellLayers:
    """Open the cell layers beside the registry's cities; see `open_city_store`."""
    return CellLayers(open_city_store(settings))


def open_city_store(settings: Settings) -> "ObjectStore":
    """Open the place MOBILITY_CITIES names, a folder or an `s3://` prefix.

    Raises:
        ConfigurationError: it is not there.
        StorageForbiddenError: it is on S3, and the role is not given to us.
        StorageError: it is on S3, and STS did not answer.
    """
    location = settings.mobility_cities
    credentials = None
    if location.startswith("s3://"):
        credentials = _give_credentials(settings)
    return open_store(
        location,
        endpoint_url=settings.aws_endpoint_url,
        region=settings.region,
        credentials=credentials,
    )


def history_folder(settings: Settings) -> Path:
    """Return where this machine keeps versions of the registry at MOBILITY_CITIES."""
    location = settings.mobility_cities
    if "://" not in location:
        location = str(Path(location).expanduser().resolve())
    digest = hashlib.sha256(location.encode()).hexdigest()
    return settings.mobility_home / "cities-history" / digest[:16]


def _open_backup(settings: Settings, bucket: str) -> "S3Store":
    return make_s3_store(
        bucket,
        endpoint_url=settings.aws_endpoint_url,
        region=settings.region,
        credentials=_give_credentials(settings),
        prefix="cities-backup",
        max_attempts=settings.aws_max_attempts,
    )


def _give_credentials(settings: Settings) -> "S3CredentialProvider":
    identity = lake_buckets(settings).identity
    identity.credentials()  # obstore would make one failure of all of them
    return identity.provide


def delivery_buckets(settings: Settings) -> "Buckets":
    """Open buckets with the role that may read deliveries."""
    return _open_buckets(settings, settings.veraset_role_arn)


def lake_buckets(settings: Settings) -> "Buckets":
    """Open buckets with the role that may write the lake."""
    return _open_buckets(settings, settings.lake_role_arn or settings.veraset_role_arn)


def make_vendor_client(settings: Settings) -> VerasetClient:
    """Make a client for the vendor's API."""
    return VerasetClient(
        settings.veraset_api_url, settings.require_api_key(), sleep=sleep
    )


def make_map_servers(settings: Settings) -> MapServers:
    """Say how to ask OpenStreetMap's servers; answers are kept for a day."""
    folder = settings.mobility_home / "cache" / "osm"
    return MapServers(
        overpass_url=settings.overpass_api_url,
        nominatim_url=settings.nominatim_api_url,
        contact=settings.mobility_contact,
        cache=AnswerCache(folder, max_age_s=_MAP_AGE_S, now=time),
        sleep=sleep,
    )


def open_api_keys(settings: Settings) -> ApiKeys:
    """Open the keys of the HTTP API."""
    path = settings.api_keys_file or settings.mobility_home / "api-keys.json"
    return ApiKeys(path)


EVENTS_SOURCE = "events"
"""ANALYTICS_SOURCE where tables are derived from ingested events."""


def source_feed(settings: Settings) -> Feed:
    """Return the feed that tables are derived from; of events the first, for its bucket.

    Raises:
        ConfigurationError: ANALYTICS_SOURCE is no enabled feed.
    """
    feeds = resolve_feeds(
        settings.daily_sync_endpoints, settings.daily_sync_endpoint_configs
    )
    if settings.analytics_source in (None, EVENTS_SOURCE):
        return feeds[0]
    try:
        return find_feed(settings.analytics_source, feeds)
    except UsageError as error:
        raise ConfigurationError(f"ANALYTICS_SOURCE: {error}") from None


def open_analytics_bucket(settings: Settings) -> Bucket:
    """Open the bucket that derived tables are in.

    Raises:
        ConfigurationError: ANALYTICS_SOURCE is no enabled feed, or no bucket is set.
    """
    bucket = settings.analytics_bucket or settings.bucket_of(
        source_feed(settings).bucket_words
    )
    return lake_buckets(settings)(bucket)


def open_lake_bucket(settings: Settings, feed: Feed) -> Bucket:
    """Open the bucket that a feed's lake is in.

    Raises:
        ConfigurationError: no bucket is set for it.
    """
    return lake_buckets(settings)(settings.bucket_of(feed.bucket_words))


def make_limits(settings: Settings) -> Limits:
    """Return what one vendor job may hold."""
    return Limits(
        max_areas=settings.veraset_max_areas,
        max_days=settings.veraset_max_days,
        cost_model=settings.veraset_cost_model,
    )


def newest_day(settings: Settings, now: datetime) -> date:
    """Return the newest day worth asking for."""
    return (now - timedelta(days=settings.veraset_lag_days)).date()


def landing_folder(settings: Settings) -> Path:
    """Return where rows wait that do not fit into memory."""
    return settings.mobility_home / "landing"


def _open_buckets(settings: Settings, role_arn: str | None) -> "Buckets":
    # boto3 takes a while to load, and most commands need no bucket.
    from mobility_pipeline.resources.aws import Buckets

    return Buckets(settings, role_arn)
