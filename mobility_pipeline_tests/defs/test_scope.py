"""What a request is about: typed by a person, or kept in a run's config."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.defs.scope import Scope, read_scope
from mobility_pipeline.errors import CityRefusedError, UnknownCityError, UsageError
from mobility_pipeline.settings import read_settings
from mobility_pipeline_tests.conftest import CITIES, Workplace

NOW = datetime(2025, 3, 20, tzinfo=UTC)
DAY = date(2025, 3, 1)


@pytest.fixture
def place(make_workplace: Callable[[dict[str, str]], Workplace]) -> Workplace:
    """A registry of two cities."""
    return make_workplace({})


def _scope(place: Workplace, *keys: str, is_typed: bool) -> Scope:
    store = open_store(str(place.cities), endpoint_url=None, region="us-west-2")
    known = Registry(store).load()
    day = DAY.isoformat()
    return read_scope(read_settings({}), known, keys, day, day, NOW, is_typed=is_typed)


def _change(place: Workplace, key: str, **properties: str) -> None:
    path = place.cities / f"{key}.geojson"
    feature = json.loads(path.read_text())
    feature["properties"] |= properties
    path.write_text(json.dumps(feature))


def test_city_that_became_invalid_stays_expected_and_others_go_on(
    place: Workplace,
) -> None:
    """In a run's config one bad city is missing by name; typed, it is refused."""
    _change(place, CITIES[0], time_zone="Mars/Olympus")
    scope = _scope(place, *CITIES, is_typed=False)
    assert scope.expected == {CityDay(key, DAY) for key in CITIES}
    assert scope.requestable == {CityDay(CITIES[1], DAY)}
    with pytest.raises(CityRefusedError, match="Mars/Olympus"):
        _scope(place, *CITIES, is_typed=True)


def test_city_that_was_retired_is_dropped_from_a_run(place: Workplace) -> None:
    """Retiring ends what a queued run would ask; typed, it is refused."""
    _change(place, CITIES[0], status="retired")
    assert _scope(place, *CITIES, is_typed=False).expected == {CityDay(CITIES[1], DAY)}
    with pytest.raises(UsageError, match="retired"):
        _scope(place, *CITIES, is_typed=True)


@pytest.mark.parametrize("is_typed", [True, False])
def test_city_that_never_was_is_refused(place: Workplace, is_typed: bool) -> None:
    """A typing error is one in a config too."""
    with pytest.raises(UnknownCityError, match="atlantis"):
        _scope(place, "atlantis", is_typed=is_typed)
