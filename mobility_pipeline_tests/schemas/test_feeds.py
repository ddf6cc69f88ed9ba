"""Feeds: what the users' old configuration means."""

import json

import pytest

from mobility_pipeline.errors import ConfigurationError, UsageError
from mobility_pipeline.schemas.feeds import FEEDS, find_feed, resolve_feeds
from mobility_pipeline.schemas.pings import PING_SCHEMAS


def test_every_feed_has_a_schema() -> None:
    """A feed without declared columns cannot exist."""
    assert set(FEEDS) == set(PING_SCHEMAS)


def test_default_is_full_pings() -> None:
    """Without configuration there is one feed."""
    assert [feed.name for feed in resolve_feeds("", "")] == ["pings_full"]


@pytest.mark.parametrize(
    "endpoints", ["", "movement/job/pings", '["/v1/movement/job/pings/"]']
)
def test_enabled_schemas_become_feeds(endpoints: str) -> None:
    """Each enabled schema is a feed, however the endpoint is written."""
    configs = {"movement/job/pings": {"enabled_schemas": ["FULL", "trips"]}}
    feeds = resolve_feeds(endpoints, json.dumps(configs))
    assert [feed.name for feed in feeds] == ["pings_full", "pings_trips"]


@pytest.mark.parametrize("name", ["movement/job/trips", "user/info"])
def test_endpoint_that_does_not_exist_is_refused_with_a_hint(name: str) -> None:
    """Names of the users' old configuration are explained."""
    with pytest.raises(ConfigurationError, match="does not exist at the vendor"):
        resolve_feeds(name, "")


@pytest.mark.parametrize(
    "configs",
    [
        "{",
        "[]",
        '{"movement/job/pings": 1}',
        '{"movement/job/pings": {"enabled_schemas": 1}}',
    ],
)
def test_malformed_configuration_names_its_variable(configs: str) -> None:
    """Whatever is wrong with the JSON, the variable is named."""
    with pytest.raises(ConfigurationError, match="DAILY_SYNC_ENDPOINT_CONFIGS"):
        resolve_feeds("", configs)


def test_unknown_schema_is_refused() -> None:
    """A schema without a table is a configuration error."""
    configs = '{"movement/job/pings": {"enabled_schemas": ["HUGE"]}}'
    with pytest.raises(ConfigurationError, match="HUGE"):
        resolve_feeds("", configs)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("movement/job/trips", "pings_trips"),
        ("pings_trips", "not enabled"),
        ("pings", "choose one of pings_full"),
    ],
)
def test_unknown_feed_says_what_to_do(name: str, hint: str) -> None:
    """Asking for a feed that is not there answers with the way to one that is."""
    with pytest.raises(UsageError, match=hint):
        find_feed(name, resolve_feeds("", ""))
