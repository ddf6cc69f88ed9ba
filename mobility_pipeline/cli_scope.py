"""What the verbs are about: feeds and city-days, checked before anything is sent."""

from collections.abc import Sequence
from datetime import UTC, datetime

from mobility_pipeline.cli_output import warn_refused
from mobility_pipeline.defs.scope import Scope, read_scope
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.schemas.feeds import Feed, find_feed, resolve_feeds
from mobility_pipeline.settings import Settings


def choose_feeds(settings: Settings, name: str | None) -> tuple[Feed, ...]:
    """Return the feed of that name, or every enabled one.

    Raises:
        UsageError: no enabled feed has that name.
    """
    feeds = resolve_feeds(
        settings.daily_sync_endpoints, settings.daily_sync_endpoint_configs
    )
    return (find_feed(name, feeds),) if name else feeds


def read_typed_scope(
    settings: Settings, keys: Sequence[str], start: str, end: str
) -> Scope:
    """Check cities and days that were typed, and name the refused cities on stderr.

    Raises:
        UsageError: see `read_scope`.
    """
    known = open_registry(settings).load()
    warn_refused(known.refused)
    return read_scope(
        settings, known, keys, start, end, datetime.now(UTC), is_typed=True
    )
