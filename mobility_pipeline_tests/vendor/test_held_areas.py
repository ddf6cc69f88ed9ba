from dataclasses import replace
from datetime import timedelta

import pytest
from shapely.geometry import Point

from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import RestoreRefusedError
from mobility_pipeline.vendor.held_areas import (
    HeldArea,
    describe_left,
    find_held_areas,
    refuse_asked,
)
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.world import FIRST, FULL, Clock, days_of, make_city

OLD = make_city("c0")
NEW = replace(OLD, geometry=Point(10, 50), radius_m=5000.0)
OTHER = make_city("c1", lon=20.0)


def buy(
    ledger: Ledger, job_id: str, city: City, states: dict[int, CityDayState]
) -> None:
    """Record a job of two cities, and how days of the first ended; null stay requested."""
    now = Clock().now()
    slug = city.key.removeprefix("country/")
    last = FIRST + timedelta(days=max(states))
    request = JobRequest(FULL, FIRST, last, (OTHER, city))
    wanted = days_of(slug, *states)
    ref = ledger.add_planned(request, wanted, now).ref
    ledger.mark_submitting(ref, now)
    ledger.mark_submitted(ref, job_id, now)
    results = {
        day: (state, "")
        for offset, state in states.items()
        for day in days_of(slug, offset)
        if state is not CityDayState.REQUESTED
    }
    ledger.settle(ref, results, now)


def test_days_are_counted_by_the_boundary_they_were_bought_for(ledger: Ledger) -> None:
    """Days known to be empty count, those that did not arrive do not."""
    delivered, empty = CityDayState.DELIVERED, CityDayState.EMPTY
    buy(ledger, "j1", OLD, {0: delivered, 1: empty, 2: CityDayState.NOT_DELIVERED})
    buy(ledger, "j2", OLD, {5: delivered})
    buy(ledger, "j3", NEW, {3: delivered, 4: CityDayState.REQUESTED})
    day = timedelta(days=1)
    assert find_held_areas(ledger, OLD.key) == (
        HeldArea("pings_full", OLD.area_id, 3, FIRST, FIRST + 5 * day),
        HeldArea("pings_full", NEW.area_id, 1, FIRST + 3 * day, FIRST + 3 * day),
    )
    assert find_held_areas(ledger, OTHER.key) == ()


def test_day_asked_for_anew_belongs_to_its_older_boundary(ledger: Ledger) -> None:
    """Until the newer delivery is there."""
    buy(ledger, "j1", OLD, {0: CityDayState.DELIVERED})
    buy(ledger, "j2", NEW, {0: CityDayState.REQUESTED})
    (held,) = find_held_areas(ledger, OLD.key)
    assert held.area_id == OLD.area_id


def test_words_name_days_and_both_boundaries() -> None:
    """One line for each older boundary."""
    held = HeldArea("pings_full", "c0-aaaaaaaa", 31, FIRST, FIRST + timedelta(days=30))
    unknown = replace(held, area_id=None, days=1)
    first, second = describe_left([held, unknown], NEW.area_id)
    for word in ("31 stored days", "c0-aaaaaaaa", "2024-05-31", NEW.area_id):
        assert word in first
    assert "unknown boundary" in second


def test_city_of_which_days_were_asked_for_is_not_removed(ledger: Ledger) -> None:
    """Also where none has arrived yet."""
    buy(ledger, "j1", OLD, {0: CityDayState.REQUESTED})
    refuse_asked(ledger, ["country/c9"])
    with pytest.raises(RestoreRefusedError, match="country/c0"):
        refuse_asked(ledger, ["country/c9", OLD.key])
