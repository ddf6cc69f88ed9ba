"""The feeds we can subscribe to: which vendor product each is, and where it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mobility_pipeline.errors import ConfigurationError, UsageError


@dataclass(frozen=True)
class Feed:
    """One vendor product: an endpoint and a schema type."""

    name: str
    """`pings_full`: also the asset's name."""
    endpoint: str
    """`movement/job/pings`."""
    schema_type: str
    """`BASIC`, `FULL` or `TRIPS`."""
    bucket_words: str
    """`MOVEMENT_PINGS_FULL`: the end of its `S3_BUCKET_…` variable."""


_PINGS = "movement/job/pings"

FEEDS: Mapping[str, Feed] = {
    f"pings_{schema.lower()}": Feed(
        f"pings_{schema.lower()}", _PINGS, schema, f"MOVEMENT_PINGS_{schema}"
    )
    for schema in ("BASIC", "FULL", "TRIPS")
}
"""Every feed with a declared table schema."""


class _Options(BaseModel):
    """Options of one endpoint; those of the predecessor that we do not need are ignored."""

    enabled_schemas: list[str] = Field(default=["FULL"])


Parsed = TypeVar("Parsed")

_NAMES = TypeAdapter(list[str])
_CONFIGS = TypeAdapter(dict[str, _Options])

MISSING_ENDPOINTS: Mapping[str, str] = {
    "movement/job/trips": (
        "does not exist at the vendor: trips are movement/job/pings with TRIPS among its "
        "enabled_schemas (feed pings_trips)"
    ),
    "work/job/cohort_by_device": "does not exist at the vendor: remove it",
    "user/info": "does not exist at the vendor: remove it",
}
"""Endpoints users' old configuration names, though the vendor never had them: what to
say of each."""


def resolve_feeds(endpoints: str, configs: str) -> tuple[Feed, ...]:
    """Turn `DAILY_SYNC_ENDPOINTS` and `DAILY_SYNC_ENDPOINT_CONFIGS` into feeds.

    Args:
        endpoints: separated by commas or a JSON list; empty = those in `configs`, and
            where that is empty too, `movement/job/pings`.
        configs: JSON object endpoint -> `{"enabled_schemas": [...]}`; empty or without
            that key = `["FULL"]`.

    Returns:
        Feeds without repeats, in the order named.

    Raises:
        ConfigurationError: not JSON, or an endpoint or schema we have no table for.
    """
    options = _parse_configs(configs)
    names = _parse_endpoints(endpoints) or [*options] or [_PINGS]
    feeds: dict[str, Feed] = {}
    for name in names:
        for schema in options.get(name, _Options()).enabled_schemas:
            feed = _find_feed(name, schema.strip().upper())
            feeds[feed.name] = feed
    return tuple(feeds.values())


def find_feed(name: str, enabled: Sequence[Feed]) -> Feed:
    """Return the enabled feed of that name.

    Raises:
        UsageError: there is none; says what would help.
    """
    for feed in enabled:
        if feed.name == name:
            return feed
    choices = ", ".join(feed.name for feed in enabled)
    endpoint = name.strip().strip("/").removeprefix("v1/")
    if endpoint in MISSING_ENDPOINTS:
        raise UsageError(f"{endpoint} {MISSING_ENDPOINTS[endpoint]}")
    if name in FEEDS:
        raise UsageError(
            f"feed {name} is not enabled: add {FEEDS[name].schema_type} to enabled_schemas "
            f"of {FEEDS[name].endpoint} in DAILY_SYNC_ENDPOINT_CONFIGS (enabled: {choices})"
        )
    raise UsageError(f"unknown feed {name!r}: choose one of {choices}")


def _parse_endpoints(text: str) -> list[str]:
    if text.startswith("["):
        parts = _parse_json(_NAMES, text, "DAILY_SYNC_ENDPOINTS", '["endpoint"]')
    else:
        parts = text.split(",")
    return [_normalise(part) for part in parts if part.strip()]


def _parse_configs(text: str) -> dict[str, _Options]:
    if not text:
        return {}
    example = '{"movement/job/pings": {"enabled_schemas": ["FULL"]}}'
    parsed = _parse_json(_CONFIGS, text, "DAILY_SYNC_ENDPOINT_CONFIGS", example)
    return {_normalise(name): options for name, options in parsed.items()}


def _parse_json(
    shape: TypeAdapter[Parsed], text: str, variable: str, example: str
) -> Parsed:
    try:
        return shape.validate_json(text)
    except ValidationError as error:
        raise ConfigurationError(f"{variable} must be JSON like {example}") from error


def _normalise(endpoint: str) -> str:
    return endpoint.strip().strip("/").removeprefix("v1/")


def _find_feed(endpoint: str, schema: str) -> Feed:
    if endpoint in MISSING_ENDPOINTS:
        raise ConfigurationError(
            f"DAILY_SYNC_ENDPOINTS: {endpoint} {MISSING_ENDPOINTS[endpoint]}"
        )
    for feed in FEEDS.values():
        if (feed.endpoint, feed.schema_type) == (endpoint, schema):
            return feed
    known = ", ".join(f"{feed.endpoint} {feed.schema_type}" for feed in FEEDS.values())
    raise ConfigurationError(
        f"DAILY_SYNC_ENDPOINTS: no table is declared for {endpoint} {schema}; "
        f"declared are {known}"
    )
