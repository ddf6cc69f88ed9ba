"""Judge a feed as a whole by what the ledger knows now."""

from datetime import datetime

from mobility_pipeline.checks.feed import FeedFindings, judge_feed
from mobility_pipeline.cities.days import first_days
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.resources.clients import newest_day
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import Ledger


def judge_from_ledger(
    feed: Feed, ledger: Ledger, known: Cities, settings: Settings, now: datetime
) -> FeedFindings:
    """Judge every active city's days from its first one to the newest available.

    Args:
        feed: which.
        ledger: what it knows of the feed's city-days is judged.
        known: the registry.
        settings: for the first and the newest day.
        now: the present instant.
    """
    newest = newest_day(settings, now)
    expected = first_days(known.active.values(), settings.mobility_start_date)
    start = min([*expected.values(), newest])
    states = ledger.coverage(feed.name, start, newest)
    return judge_feed(feed.name, states, expected, start, newest)
