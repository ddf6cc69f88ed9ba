"""From settings to the clients of the rooms; plain Python, so that commands start fast."""

from datetime import date, datetime, timedelta
from time import sleep

from obstore.auth.boto3 import Boto3CredentialProvider

from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.aws import make_s3_client, make_session
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.planner import Limits


def open_registry(settings: Settings) -> Registry:
    """Open the registry at MOBILITY_CITIES, a folder or an `s3://` prefix.

    Raises:
        ConfigurationError: it is not there.
    """
    location = settings.mobility_cities
    credentials = None
    if location.startswith("s3://"):
        role_arn = settings.lake_role_arn or settings.veraset_role_arn
        # Below the ten minutes before their end when botocore renews credentials.
        credentials = Boto3CredentialProvider(
            make_session(settings, role_arn), ttl=timedelta(minutes=5)
        )
    store = open_store(
        location,
        endpoint_url=settings.aws_endpoint_url,
        region=settings.region,
        credentials=credentials,
    )
    return Registry(store)


def make_vendor_client(settings: Settings) -> VerasetClient:
    """Make a client for the vendor's API."""
    return VerasetClient(
        settings.veraset_api_url, settings.require_api_key(), sleep=sleep
    )


def make_lake(settings: Settings, feed: Feed) -> Lake:
    """Open the lake of one feed with the role that may write it."""
    role_arn = settings.lake_role_arn or settings.veraset_role_arn
    bucket = settings.bucket_of(feed.bucket_words)
    return Lake(make_s3_client(settings, role_arn), bucket)


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
