"""From settings to the lakes that deliveries land in.

Not in `clients.py`: what lands takes a second to load, and commands should start fast.
"""

import os
from functools import partial

from mobility_pipeline.lake.land import LandingSite
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.clients import (
    delivery_buckets,
    landing_folder,
    open_lake_bucket,
)
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings


def make_lake(settings: Settings, feed: Feed) -> Lake:
    """Open the lake of one feed.

    Raises:
        ConfigurationError: no bucket is set for it.
    """
    return Lake(open_lake_bucket(settings, feed), landing_folder(settings))


def make_landing_site(settings: Settings, feed: Feed) -> LandingSite:
    """Say where deliveries of a feed come from and go to.

    Raises:
        ConfigurationError: no bucket is set for it.
    """
    settings.bucket_of(feed.bucket_words)
    return LandingSite(
        open_deliveries=delivery_buckets(settings),
        open_lake=partial(make_lake, settings, feed),
        folder=landing_folder(settings),
        cores=len(os.sched_getaffinity(0)),
    )
