"""What is read of city-days at once is what a row-by-row reading of them says."""

import random
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState
from mobility_pipeline.vendor.tables import city_days, vendor_jobs
from mobility_pipeline_tests.vendor.world import FIRST, FULL

CITIES = [f"country/c{number}" for number in range(6)]
DATES = [FIRST + timedelta(days=offset) for offset in range(9)]
NOW = datetime(2025, 3, 20, 12, 0, 0, 250_000, tzinfo=UTC)
PRESENT = {"delivered", "empty"}
STATES = [state.value for state in CityDayState]


class Filled(NamedTuple):
    """A ledger, and its rows of one feed as they were written."""

    ledger: Ledger
    rows: dict[CityDay, dict[str, Any]]
    dice: random.Random

    def records(self, day: CityDay) -> CityDayRecord | None:
        """Return what the row of a city-day says; null where there is none."""
        row = self.rows.get(day)
        if row is None:
            return None
        before = row["previous_state"]
        return CityDayRecord(
            state=CityDayState(row["state"]),
            reason=row["reason"],
            job_ref=row["job_ref"],
            updated_at=row["updated_at"],
            attempts=row["attempts"],
            previous_state=CityDayState(before) if before else None,
        )


@pytest.fixture(params=range(4))
def filled(request: pytest.FixtureRequest, ledger: Ledger, ledger_url: str) -> Filled:
    """A ledger of random rows in two feeds; seven of ten city-days have one."""
    dice = random.Random(request.param)
    values = [
        {"feed": feed, "city": city, "date": day, **_row(dice)}
        for feed, city, day in product((FULL.name, "other"), CITIES, DATES)
        if dice.random() < 0.7
    ]
    engine = sa.create_engine(ledger_url)
    with engine.begin() as connection:
        connection.execute(sa.insert(vendor_jobs), [_job(ref) for ref in (1, 2)])
        connection.execute(sa.insert(city_days), values)
    engine.dispose()
    rows = {
        CityDay(row["city"], row["date"]): row
        for row in values
        if row["feed"] == FULL.name
    }
    return Filled(ledger, rows, dice)


def _row(dice: random.Random) -> dict[str, Any]:
    """Return few different values, so that many city-days are alike, and some are not."""
    state = dice.choice(STATES)
    return {
        "state": state,
        "reason": dice.choice(["", "why, in words"]),
        "job_ref": dice.choice([None, 1, 2]),
        "attempts": dice.choice([0, 1]),
        "updated_at": NOW - timedelta(days=dice.choice([0, 3])),
        "previous_state": dice.choice([None, *STATES])
        if state == "requested"
        else None,
    }


def _job(ref: int) -> dict[str, Any]:
    return {
        "ref": ref,
        "feed": FULL.name,
        "endpoint": FULL.endpoint,
        "start_date": DATES[0],
        "end_date": DATES[-1],
        "request_sha256": "",
        "body": {},
        "state": "SUCCESS",
        "planned_at": NOW,
    }


def _is_held(row: dict[str, Any] | None) -> bool:
    return row is not None and (
        row["state"] in PRESENT or row["previous_state"] in PRESENT
    )


def test_records_are_the_rows(filled: Filled) -> None:
    """Within the days and the cities asked for, and of this feed alone."""
    found = filled.ledger.city_days(FULL.name, DATES[2], DATES[6], CITIES[:4])
    assert found == {
        day: filled.records(day)
        for day in filled.rows
        if DATES[2] <= day.date <= DATES[6] and day.city in CITIES[:4]
    }


def test_coverage_is_what_the_lake_holds_or_why_not(filled: Filled) -> None:
    """An older delivery that is asked for anew counts as that delivery."""
    found = filled.ledger.coverage(FULL.name, DATES[1], DATES[7])
    assert found == {
        day: row["previous_state"] if row["previous_state"] in PRESENT else row["state"]
        for day, row in filled.rows.items()
        if DATES[1] <= day.date <= DATES[7]
    }


def test_what_is_missing_is_wanted_and_not_held(filled: Filled) -> None:
    """Each wanted city-day that the lake lacks stands once, with all that is known."""
    everything = [CityDay(city, day) for city, day in product(CITIES, DATES)]
    stranger = CityDay("country/new", DATES[3] - timedelta(days=400))
    wanted = {*filled.dice.sample(everything, 40), stranger}
    found = filled.ledger.missing(FULL.name, wanted)
    listed = [(day, missing.record) for missing in found for day in missing.city_days]
    assert len(listed) == len(dict(listed))
    assert dict(listed) == {
        day: filled.records(day) for day in wanted if not _is_held(filled.rows.get(day))
    }


def test_nothing_wanted_is_nothing_missing(ledger: Ledger) -> None:
    """And an empty ledger lacks what is wanted, as never asked for."""
    assert ledger.missing(FULL.name, ()) == []
    wanted = CityDay(CITIES[0], FIRST)
    (missing,) = ledger.missing(FULL.name, [wanted])
    assert ([*missing.city_days], missing.record) == ([wanted], None)
