"""What to draw, and presence and flows of it as sets in plain Python."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from mobility_pipeline_tests.analytics.fixes import Fix, Person

Step = tuple[int, int, int]
"""inflow, outflow, stay."""

DAY = date(2025, 6, 11)
BEFORE = DAY - timedelta(days=1)
HOUR = timedelta(hours=1)
ZONES = ("Asia/Shanghai", "Asia/Kolkata", "UTC", "America/Vancouver")
DEVICES = [f"d{number}" for number in range(6)]
REGIONS = ["R1", "R2", "R3"]

# Few instants, so that ties, hours in common and midnights come often.
clocks = st.integers(-30, 30).map(
    lambda quarters: (
        datetime(2025, 6, 11, tzinfo=UTC) + quarters * timedelta(minutes=90)
    )
)
drawn_fixes = st.lists(
    st.tuples(st.sampled_from(DEVICES), clocks, st.sampled_from([*REGIONS, None])),
    max_size=60,
)
drawn_people = st.lists(
    st.tuples(
        st.sampled_from(DEVICES),
        st.sampled_from(["male", "female", None]),
        st.one_of(st.none(), st.sampled_from([0, 9, 10, 19, 20, 39, 40, 99])),
    ),
    unique_by=lambda person: person[0],
)
zones = st.sampled_from(ZONES)


def members(people: Iterable[Person], portrait_id: int) -> set[str]:
    """Return who of `DEVICES` is in a portrait, by the words of the issue."""
    genders = {device: gender for device, gender, _ in people}
    ages = {device: age for device, _, age in people if age is not None}
    return {
        0: set(DEVICES),
        1: {device for device in DEVICES if genders.get(device) == "male"},
        2: {device for device in DEVICES if genders.get(device) == "female"},
        3: {device for device, age in ages.items() if 10 <= age <= 19},
        4: {device for device, age in ages.items() if 20 <= age <= 39},
        5: {device for device, age in ages.items() if age >= 40},
        6: {device for device in DEVICES if genders.get(device) is None},
    }[portrait_id]


def who_was(fixes: Iterable[Fix], region: str, hour: datetime) -> set[str]:
    """Return the devices in a region in the hour from an instant on."""
    return {
        device
        for device, at, where in fixes
        if where == region and hour <= at < hour + HOUR
    }


def hours_of(day: date, zone: str) -> list[datetime]:
    """Return the instants at which the hours of a local day without DST change start."""
    start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    return [start.astimezone(UTC) + number * HOUR for number in range(24)]


def step(was: set[str], now: set[str], who: set[str]) -> Step:
    """Return the flows between two sets, of the members of a portrait."""
    return len((now - was) & who), len((was - now) & who), len(was & now & who)
