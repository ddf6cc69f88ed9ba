"""What lies beside a city's pings: derived tables, ingested events and rejected lines."""

from datetime import date
from pathlib import Path

from mobility_pipeline.lake.erase import DerivedStock, find_derived
from mobility_pipeline.resources.clients import open_analytics_bucket, source_feed
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings


def find_derived_of(
    settings: Settings, feed: Feed, city: str, start: date, end: date
) -> tuple[DerivedStock, ...]:
    """List what goes with a city's days of the source feed: derived tables, and events.

    Events go whatever ANALYTICS_SOURCE says: who asks for a city-day to be erased means all
    that is known of its people.

    Args:
        settings: say which feed is the source (of events the first), and the bucket.
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
    from mobility_pipeline.schemas.events import EVENTS

    bucket = open_analytics_bucket(settings)
    tables = (EVENTS, *DERIVED_TABLES.values())
    return tuple(find_derived(bucket, tables, city, start, end))


def rejected_lines_folder(settings: Settings) -> Path:
    """Return where the rejected lines of events are, in a folder for each city."""
    return settings.mobility_home / "quarantine" / "events"


def erase_rejected_lines(settings: Settings, city: str) -> int:
    """Delete the rejected lines of a city's events: they name devices; returns the files."""
    files = [*(rejected_lines_folder(settings) / city).glob("*.tsv")]
    for file in files:
        file.unlink()
    return len(files)
