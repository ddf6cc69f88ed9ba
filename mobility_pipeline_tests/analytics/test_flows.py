from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.flows import count_flows, flow_between, flow_over
from mobility_pipeline.analytics.local_time import hours_of, local_hours
from mobility_pipeline.analytics.portrait import portrait
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.schemas.derived import DEVICE_HOURS
from mobility_pipeline_tests.analytics.fixes import Fix, make_fixes

HOUR = timedelta(hours=1)
COUNTS = ["inflow_count", "outflow_count", "stay_count"]


def hours_from(start: datetime, count: int) -> list[datetime]:
    """Return the starts of some hours in a row."""
    return [start + number * HOUR for number in range(count)]


def of_everybody(flows: pl.DataFrame) -> list[tuple[object, ...]]:
    """Return instant, local hour and counts of portrait 0."""
    rows = flows.filter(portrait_id=0).select("hour_at", "local_hour", *COUNTS)
    return rows.rows()


def test_the_first_hour_takes_the_last_of_the_day_before() -> None:
    """Who was there at 23:00 of the day before and at 0:00 stayed."""
    midnight = datetime(2025, 6, 10, 16, tzinfo=UTC)  # of June 11 in Shanghai
    fixes: list[Fix] = [("a", midnight - HOUR, "R"), ("a", midnight, "R")]
    table = make_fixes([*fixes, ("b", midnight, "R")], "Asia/Shanghai")
    today = make_device_hours(table, date(2025, 6, 11))
    before = make_device_hours(table, date(2025, 6, 10))
    observed = [midnight - HOUR, midnight]
    flows = count_flows(today, before, None, observed, "Asia/Shanghai")
    assert of_everybody(flows) == [(midnight, 0, 1, 0, 1)]
    alone = count_flows(today, None, None, observed, "Asia/Shanghai")
    assert of_everybody(alone) == [(midnight, 0, None, None, None)]


def test_an_observed_hour_without_anybody_has_outflow() -> None:
    """A region that everybody left has a row, also where nobody is in any region."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    today = make_device_hours(make_fixes([("a", at, "R")], "UTC"), date(2025, 6, 11))
    flows = count_flows(today, None, None, [at - HOUR, at, at + HOUR], "UTC")
    assert of_everybody(flows) == [(at, 10, 1, 0, 0), (at + HOUR, 11, 0, 1, 0)]


def test_everybody_left_at_midnight() -> None:
    """A day without a device still has the outflow of the evening before."""
    midnight = datetime(2025, 6, 11, tzinfo=UTC)
    table = make_fixes([("a", midnight - HOUR, "R")], "UTC")
    today, before = (make_device_hours(table, date(2025, 6, day)) for day in (11, 10))
    flows = count_flows(today, before, None, hours_from(midnight - HOUR, 2), "UTC")
    assert of_everybody(flows) == [(midnight, 0, 0, 1, 0)]


def test_an_unobserved_hour_is_not_left_by_anybody() -> None:
    """A gap in the data is no outflow, and the hour after it no inflow: null, not zero."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    table = make_fixes([("a", at, "R"), ("a", at + 2 * HOUR, "R")], "UTC")
    today = make_device_hours(table, date(2025, 6, 11))
    flows = count_flows(today, None, None, [at - HOUR, at, at + 2 * HOUR], "UTC")
    assert of_everybody(flows) == [
        (at, 10, 1, 0, 0),
        (at + 2 * HOUR, 12, None, None, None),
    ]


@pytest.mark.parametrize(
    ("day", "start", "local_hours"),
    [
        (
            date(2025, 11, 2),
            datetime(2025, 11, 2, 7, tzinfo=UTC),
            [0, 1, 1, *range(2, 24)],
        ),
        (date(2025, 3, 9), datetime(2025, 3, 9, 8, tzinfo=UTC), [0, 1, *range(3, 24)]),
    ],
    ids=["25 hours", "23 hours"],
)
def test_days_of_25_and_23_hours(
    day: date, start: datetime, local_hours: list[int]
) -> None:
    """On days when clocks change, each hour flows into the next that passed."""
    zone, hours = "America/Vancouver", hours_from(start, len(local_hours))
    around = hours_from(start - HOUR, len(local_hours) + 2)
    table = make_fixes([("a", hour, "R") for hour in around], zone)
    today = make_device_hours(table, day)
    before = make_device_hours(table, day - timedelta(days=1))
    assert today.select("hour_at", "local_hour").rows() == [
        *zip(hours, local_hours, strict=True)
    ]
    assert len(count_presence(today, None)) == 7 * len(hours)
    flows = count_flows(today, before, None, around, zone)
    assert of_everybody(flows) == [
        (hour, local, 0, 0, 1) for hour, local in zip(hours, local_hours, strict=True)
    ]


def test_midnight_that_comes_twice() -> None:
    """In Santiago a day has two hours of 23; only the second flows into the next day."""
    first = datetime(2025, 4, 6, 2, tzinfo=UTC)  # 23:00 of April 5, for the first time
    table = make_fixes(
        [("a", first, "R"), ("b", first + HOUR, "R")], "America/Santiago"
    )
    april_5, april_6 = (make_device_hours(table, date(2025, 4, day)) for day in (5, 6))
    assert april_5["local_hour"].to_list() == [23, 23]
    observed = hours_from(first, 3)
    flows = count_flows(april_6, april_5, None, observed, "America/Santiago")
    assert of_everybody(flows) == [(first + 2 * HOUR, 0, 0, 1, 0)]


def test_flows_over_a_range_count_who_came_back_in_both() -> None:
    """Who left and came back is in both flows; between the ends the person stayed."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    there = [("a", at, "R"), ("a", at + HOUR, "S"), ("a", at + 2 * HOUR, "R")]
    hours = make_device_hours(make_fixes(there, "UTC"), date(2025, 6, 11))
    over = flow_over(hours, "R", at, at + 2 * HOUR, None)
    between = flow_between(hours, "R", at, at + 2 * HOUR, None)
    assert over.row(0) == (0, 1, 1, 0)
    assert between.row(0) == (0, 0, 0, 1)


def test_flows_over_a_gap_are_not_known() -> None:
    """A range with an hour in which nobody was seen anywhere has no counts."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    there = [("a", at, "R"), ("a", at + 2 * HOUR, "R")]
    hours = make_device_hours(make_fixes(there, "UTC"), date(2025, 6, 11))
    flow = flow_over(hours, "R", at, at + 2 * HOUR, None)
    assert flow.row(0) == (0, None, None, None)


@pytest.mark.parametrize("hours_later", [-1, 0])
def test_a_range_ends_after_its_start(hours_later: int) -> None:
    """A range that does not end after its start is a programmer's mistake."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    hours = make_device_hours(make_fixes([("a", at, "R")], "UTC"), date(2025, 6, 11))
    with pytest.raises(ValueError, match="later than start_hour"):
        flow_over(hours, "R", at, at + hours_later * HOUR, None)


def test_a_clock_that_moves_by_half_an_hour() -> None:
    """On Lord Howe, the half hour that comes twice is an hour between its neighbours."""
    zone, day = "Australia/Lord_Howe", date(2025, 4, 6)
    hours = hours_of(day, zone).to_list()
    first, second, third = (hours[number] for number in (1, 2, 3))
    assert [second - first, third - second] == [HOUR, HOUR / 2]
    rows = [(hour, "R", "a", 1) for hour in (first, second, third)]
    columns = ["hour_at", "region_id", "device_id", "fixes_count"]
    today = pl.DataFrame(rows, columns, orient="row").with_columns(
        local_hours(pl.Series([first, second, third]), zone)["local_hour"]
    )
    today = shape_as(today, DEVICE_HOURS)
    stays = [(hour, 0, 0, 1) for hour in (second, third)]
    flows = count_flows(today, None, None, [first, second, third], zone)
    known = flows.filter(portrait_id=0).select("hour_at", *COUNTS).drop_nulls()
    assert known.rows() == stays
    assert flow_over(today, "R", first, third, None).row(0) == (0, 0, 0, 1)


def test_without_profiles_everybody_is_unknown() -> None:
    """Without a table of profiles, portraits 0 and 6 count everybody."""
    at = datetime(2025, 6, 11, 10, tzinfo=UTC)
    hours = make_device_hours(make_fixes([("a", at, "R")], "UTC"), date(2025, 6, 11))
    assert portrait(hours, "R", at, None).rows() == [
        (number, int(number in (0, 6))) for number in range(7)
    ]
    assert portrait(hours, "S", at, None).is_empty()
