"""What was derived of a city's pings, wherever the settings say that it lies."""

from datetime import date

from mobility_pipeline.lake.erase import DerivedStock, find_derived
from mobility_pipeline.resources.clients import open_analytics_bucket, source_feed
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings


def find_derived_of(
    settings: Settings, feed: Feed, city: str, start: date, end: date
) -> tuple[DerivedStock, ...]:
    """List what was derived of a city's days in one feed; nothing but of the source feed.

    Args:
        settings: say which feed is the source, and the bucket.
        feed: whose pings are to go.
        city: its key.
        start: first UTC day.
        end: last UTC day, included.

    Raises:
        ConfigurationError: ANALYTICS_SOURCE is no enabled feed, or no bucket is set.
        StorageError: S3 failed after its own retries; nothing is known then.
        StorageForbiddenError: no such bucket, or not allowed to list it.
    """
    if feed != source_feed(settings):
        return ()
    # Arrow takes a while to load.
    from mobility_pipeline.schemas.derived import DERIVED_TABLES

    bucket = open_analytics_bucket(settings)
    return tuple(find_derived(bucket, DERIVED_TABLES.values(), city, start, end))
