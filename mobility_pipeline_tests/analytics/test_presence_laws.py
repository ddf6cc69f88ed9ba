"""Presence, flows and OD against sets in plain Python, on drawn positionfixes."""

from collections import Counter
from datetime import UTC, datetime
from itertools import groupby, pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.flows import count_flows, flow_between, flow_over
from mobility_pipeline.analytics.od import count_od
from mobility_pipeline.analytics.portrait import portrait
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.lake.derived import empty_rows
from mobility_pipeline.schemas.derived import (
    DEVICE_HOURS,
    FLOWS,
    OD,
    PRESENCE,
    DerivedTable,
)
from mobility_pipeline_tests.analytics.fixes import (
    Fix,
    Person,
    make_fixes,
    make_profiles,
)
from mobility_pipeline_tests.analytics.sets import (
    BEFORE,
    DAY,
    HOUR,
    REGIONS,
    Step,
    drawn_fixes,
    drawn_people,
    hours_of,
    members,
    step,
    who_was,
    zones,
)

COUNTS = ["inflow_count", "outflow_count", "stay_count"]


@given(drawn_fixes, drawn_people, zones)
def test_presence_is_the_size_of_a_set(
    fixes: list[Fix], people: list[Person], zone: str
) -> None:
    """Presence counts the devices of each hour, region and portrait; nobody = no row."""
    expected = {
        (hour, region, portrait_id): len(here & members(people, portrait_id))
        for hour in hours_of(DAY, zone)
        for region in REGIONS
        if (here := who_was(fixes, region, hour))
        for portrait_id in range(7)
    }
    device_hours = make_device_hours(make_fixes(fixes, zone), DAY)
    presence = count_presence(device_hours, make_profiles(people))
    keys = presence.select(PRESENCE.key).rows()
    assert dict(zip(keys, presence["devices_count"], strict=True)) == expected
    assert device_hours["fixes_count"].sum() == len(
        {
            fix
            for fix in fixes
            if fix[2] and fix[1].astimezone(ZoneInfo(zone)).date() == DAY
        }
    )


@given(drawn_fixes, drawn_people)
def test_portraits_add_up(fixes: list[Fix], people: list[Person]) -> None:
    """Everybody is male, female or unknown; at most everybody is in an age band."""
    device_hours = make_device_hours(make_fixes(fixes, "UTC"), DAY)
    presence = count_presence(device_hours, make_profiles(people))
    for _, rows in presence.group_by("hour_at", "region_id", maintain_order=True):
        everybody, male, female, *bands, unknown = rows["devices_count"]
        assert everybody == male + female + unknown
        assert sum(bands) <= everybody


@given(drawn_fixes, drawn_people)
def test_a_portrait_counts_each_person_once(
    fixes: list[Fix], people: list[Person]
) -> None:
    """Over all hours of a day, a portrait is the size of the union of the hours."""
    device_hours = make_device_hours(make_fixes(fixes, "UTC"), DAY)
    for region in REGIONS:
        here = {d for d, at, where in fixes if where == region and at.date() == DAY}
        expected = [
            (number, len(here & members(people, number))) for number in range(7) if here
        ]
        assert (
            portrait(device_hours, region, None, make_profiles(people)).rows()
            == expected
        )


@given(drawn_fixes, drawn_people, zones, st.sets(st.integers(-3, 23)), st.booleans())
def test_flows_are_differences_of_sets(
    fixes: list[Fix],
    people: list[Person],
    zone: str,
    unobserved: set[int],
    has_before: bool,
) -> None:
    """Each hour's flows are set differences to the hour before, null if unobserved."""
    positions, profiles = make_fixes(fixes, zone), make_profiles(people)
    hours = hours_of(DAY, zone)
    observed = {hours[0] + number * HOUR for number in {*range(-24, 24)} - unobserved}
    device_hours = make_device_hours(positions, DAY)
    seen = {*device_hours["hour_at"]}
    known = observed if has_before else observed & {*hours}
    expected: dict[tuple[datetime, str, int], Step | tuple[None, None, None]] = {}
    for hour in hours:
        for region in REGIONS:
            now = who_was(fixes, region, hour)
            was = who_was(fixes, region, hour - HOUR)
            if hour == hours[0] and not has_before:
                was = set[str]()
            if hour in observed | seen and (was or now):
                for number in range(7):
                    expected[hour, region, number] = (
                        step(was, now, members(people, number))
                        if {hour, hour - HOUR} <= known
                        else (None, None, None)
                    )
    before = make_device_hours(positions, BEFORE) if has_before else None
    flows = count_flows(device_hours, before, profiles, observed, zone)
    keys, counts = flows.select(FLOWS.key).rows(), flows.select(COUNTS).rows()
    assert dict(zip(keys, counts, strict=True)) == expected


@given(drawn_fixes, drawn_people, st.integers(0, 15), st.integers(0, 15))
def test_flows_between_any_two_hours(
    fixes: list[Fix], people: list[Person], first: int, second: int
) -> None:
    """Between any two hours, |B| = |A| + inflow - outflow and inflow + stay = |B|."""
    hours = hours_of(DAY, "UTC")
    hour_a, hour_b = hours[first], hours[second]
    device_hours = make_device_hours(make_fixes(fixes, "UTC"), DAY)
    is_known = {hour_a, hour_b} <= {*device_hours["hour_at"]}
    for region in REGIONS:
        was, now = who_was(fixes, region, hour_a), who_was(fixes, region, hour_b)
        flow = flow_between(device_hours, region, hour_a, hour_b, make_profiles(people))
        assert flow["portrait_id"].to_list() == [*range(7 if was or now else 0)]
        for number, inflow, outflow, stay in flow.rows():
            who = members(people, number)
            if not is_known:
                assert (inflow, outflow, stay) == (None, None, None)
                continue
            assert (inflow, outflow, stay) == step(was, now, who)
            assert len(now & who) == len(was & who) + inflow - outflow
            assert len(now & who) == inflow + stay


@given(drawn_fixes, drawn_people, st.integers(0, 20), st.integers(1, 3))
def test_flows_over_some_hours(
    fixes: list[Fix], people: list[Person], first: int, steps: int
) -> None:
    """Over a range, who ever came, who ever left, and who was there in every hour."""
    # Everywhere somebody, so that each hour is observed.
    hours = hours_of(DAY, "UTC")
    fixes = [*fixes, *(("d0", hour, "elsewhere") for hour in hours)]
    device_hours = make_device_hours(make_fixes(fixes, "UTC"), DAY)
    span = hours[first : first + steps + 1]
    profiles = make_profiles(people)
    for region in REGIONS if len(span) > 1 else []:
        sets = [who_was(fixes, region, hour) for hour in span]
        came = set[str]().union(*(now - was for was, now in pairwise(sets)))
        left = set[str]().union(*(was - now for was, now in pairwise(sets)))
        stayed = set.intersection(*sets)
        flow = flow_over(device_hours, region, span[0], span[-1], profiles)
        assert flow.rows() == [
            (number, len(came & who), len(left & who), len(stayed & who))
            for number in range(7)
            if set[str]().union(*sets)
            for who in [members(people, number)]
        ]
        if len(span) == 2:
            between = flow_between(device_hours, region, span[0], span[1], profiles)
            assert flow.equals(between)


@given(drawn_fixes, zones)
def test_od_is_first_and_last_and_every_change(fixes: list[Fix], zone: str) -> None:
    """OD agrees with walking along each device's fixes; each device is in it once."""
    trips: dict[str, list[tuple[str, str, str]]] = {"first_last": [], "consecutive": []}
    steps = sorted(
        (device, at, region)
        for device, at, region in fixes
        if region and at.astimezone(ZoneInfo(zone)).date() == DAY
    )
    for device, group in groupby(steps, key=lambda each: each[0]):
        regions = [region for _, _, region in group]
        trips["first_last"].append((device, regions[0], regions[-1]))
        trips["consecutive"] += [
            (device, was, now) for was, now in pairwise(regions) if was != now
        ]
    expected = [
        (kind, *pair, len({trip for trip in trips[kind] if trip[1:] == pair}), count)
        for kind in sorted(trips)
        for pair, count in sorted(Counter(trip[1:] for trip in trips[kind]).items())
    ]
    od = count_od(make_fixes(fixes, zone), DAY)
    assert od.rows() == expected
    ends = od.filter(kind="first_last")
    assert ends["devices_count"].sum() == len({device for device, _, _ in steps})
    assert ends["devices_count"].equals(ends["trips_count"], check_names=False)


@given(drawn_fixes, drawn_people, st.data())
def test_replay_and_order_change_nothing(
    fixes: list[Fix], people: list[Person], data: st.DataObject
) -> None:
    """Rows that come twice, and rows in another order, give the very same tables."""
    again = data.draw(st.lists(st.sampled_from(fixes), max_size=9)) if fixes else []
    shuffled = data.draw(st.permutations([*fixes, *again]))
    profiles = make_profiles(people)
    mixed_up = profiles.sample(fraction=1, shuffle=True, seed=1)
    for left, right in zip(
        _all_tables(fixes, profiles), _all_tables(shuffled, mixed_up), strict=True
    ):
        assert left.equals(right)


def _all_tables(fixes: list[Fix], profiles: pl.DataFrame) -> list[pl.DataFrame]:
    table = make_fixes(fixes, "UTC")
    device_hours, before = (make_device_hours(table, day) for day in (DAY, BEFORE))
    observed = [*hours_of(BEFORE, "UTC"), *hours_of(DAY, "UTC")]
    return [
        device_hours,
        count_presence(device_hours, profiles),
        count_flows(device_hours, before, profiles, observed, "UTC"),
        count_od(table, DAY),
    ]


@pytest.mark.parametrize("has_rows", [False, True])
def test_tables_are_those_of_the_schema(has_rows: bool) -> None:
    """With and without rows, tables have the declared columns, types and order."""
    at = datetime(2025, 6, 11, 5, tzinfo=UTC)
    fixes: list[Fix] = [("d1", at, "R1"), ("d0", at + HOUR, "R2"), ("d1", at, "R0")]
    made = _all_tables(fixes if has_rows else [], make_profiles([]))
    tables: list[DerivedTable] = [DEVICE_HOURS, PRESENCE, FLOWS, OD]
    for frame, table in zip(made, tables, strict=True):
        assert frame.schema == empty_rows(table).schema
        assert frame.equals(frame.sort(table.key))
        assert frame.select(table.key).is_unique().all()
        assert frame.is_empty() is not has_rows
