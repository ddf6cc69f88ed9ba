"""From settings to what the HTTP API answers from."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import polars as pl
from limits import parse

from mobility_pipeline.analytics.pseudonyms import make_pseudonyms
from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.resources.clients import (
    EVENTS_SOURCE,
    open_api_keys,
    open_registry,
    source_feed,
)
from mobility_pipeline.resources.profiles import open_profiles
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.serving.api.answers import Answers, States
from mobility_pipeline.serving.api.app import make_app
from mobility_pipeline.serving.api.days import Days
from mobility_pipeline.serving.api.places import Places
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import Ledger

if TYPE_CHECKING:
    from fastapi import FastAPI

_SECRET_LENGTH = 32


def open_api(settings: Settings, ledger: Ledger) -> "FastAPI":
    """Open the HTTP API.

    Raises:
        ConfigurationError: a setting is missing or wrong.
        ProfilesRefusedError: ANALYTICS_PROFILES cannot be used.
        StorageError: S3 failed, where the profiles are there.
    """
    try:
        limit = parse(settings.api_rate_limit)
    except ValueError:
        raise ConfigurationError("API_RATE_LIMIT: write it like 600/minute") from None
    answers = _open_answers(settings, ledger)
    answers.places.cities()  # fails with words, before anybody asks
    keys = open_api_keys(settings)
    keys.list_all()
    pseudonymize = _open_pseudonyms(settings)
    return make_app(answers, keys, limit, _now, pseudonymize)


def _open_answers(settings: Settings, ledger: Ledger) -> Answers:
    profiles = open_profiles(settings)
    return Answers(
        places=Places(
            partial(_load_cities, settings), partial(open_region_map, settings), _now_s
        ),
        days=Days(
            open_derived_tables(settings), settings.analytics_min_devices, _now_s
        ),
        states=_open_states(settings, ledger),
        profiles=lambda: profiles,
        min_devices=settings.analytics_min_devices,
        now=_now,
    )


def _open_pseudonyms(settings: Settings) -> Callable[[pl.Series], pl.Series] | None:
    if not settings.analytics_device_lists:
        return None
    secret = settings.analytics_pseudonym_secret
    if secret is None or len(secret.get_secret_value()) < _SECRET_LENGTH:
        raise ConfigurationError(
            "ANALYTICS_DEVICE_LISTS needs ANALYTICS_PSEUDONYM_SECRET, "
            f"{_SECRET_LENGTH} characters at least, e.g. of `openssl rand -base64 32`"
        )
    return partial(make_pseudonyms, secret=secret.get_secret_value().encode())


def _load_cities(settings: Settings) -> Mapping[str, City]:
    return open_registry(settings).load().active


def _open_states(settings: Settings, ledger: Ledger) -> States:
    if settings.analytics_source == EVENTS_SOURCE:
        return _expect_events
    return partial(_read_states, ledger, source_feed(settings).name)


def _expect_events(city: str, start: date, end: date) -> Mapping[date, str]:
    """Say that nobody has to ask for events: what was ingested is there."""
    del city
    length = (end - start).days + 1
    days = (start + timedelta(days=number) for number in range(length))
    return dict.fromkeys(days, "delivered")


def _read_states(
    ledger: Ledger, feed: str, city: str, start: date, end: date
) -> Mapping[date, str]:
    found = ledger.city_days(feed, start, end, [city])
    return {day.date: str(record.state) for day, record in found.items()}


def _now() -> datetime:
    return datetime.now(UTC)


def _now_s() -> float:
    return _now().timestamp()
