"""Tests of `vendor.quota`."""

from datetime import UTC, datetime, timedelta

import pytest

from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.quota import MonthlyUse, read_month
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline_tests.vendor.world import FIRST, FULL, days_of, make_cities

NOW = datetime(2025, 3, 20, 12, 0, tzinfo=UTC)
CITIES = make_cities(2)


def buy(ledger: Ledger, cities: int, days: int, at: datetime, job_id: str) -> None:
    """Buy one job of the first cities, from FIRST on."""
    end = FIRST + timedelta(days=days - 1)
    request = JobRequest(FULL, FIRST, end, tuple([*CITIES.values()][:cities]))
    waits = days_of("c0", len(ledger.jobs()))
    job = ledger.add_planned(request, waits, at)
    ledger.mark_submitted(job.ref, job_id, at)


def test_month_is_summed_by_feed_and_city(ledger: Ledger) -> None:
    """2 cities × 31 days and 1 city × 4 days are 35 and 31 area-days.

    Last month's job, and one that was never bought, are not among them.
    """
    buy(ledger, 2, 31, NOW, "j1")
    buy(ledger, 1, 4, datetime(2025, 3, 1, tzinfo=UTC), "j2")
    buy(ledger, 2, 10, datetime(2025, 2, 28, 23, 59, tzinfo=UTC), "j3")
    request = JobRequest(FULL, FIRST, FIRST, (CITIES["country/c1"],))
    ledger.add_planned(request, days_of("c1", 0), NOW)
    use = read_month(ledger, 12, NOW)
    assert (use.month, use.jobs_used, use.jobs_left) == ("2025-03", 2, 10)
    assert use.area_days == {
        (FULL.name, "country/c0"): 35,
        (FULL.name, "country/c1"): 31,
    }


@pytest.mark.parametrize(
    ("used", "allowed", "warns"),
    [(7, 10, False), (8, 10, True), (4, 5, True), (3, 5, False), (9, None, False)],
)
def test_warning_comes_at_80_per_cent(
    ledger: Ledger, used: int, allowed: int | None, warns: bool
) -> None:
    """8 of 10 and 4 of 5 warn; less does not, nor does a month without a quota."""
    for number in range(used):
        buy(ledger, 1, 1, NOW, f"j{number}")
    use = read_month(ledger, allowed, NOW)
    assert bool(use.warning) is warns
    assert not warns or f"{used} of {allowed} vendor jobs of 2025-03" in str(
        use.warning
    )


def test_quota_lowered_below_what_was_used_leaves_nothing(ledger: Ledger) -> None:
    """Never less than no job."""
    buy(ledger, 1, 1, NOW, "j1")
    use = read_month(ledger, 0, NOW)
    assert (use.jobs_left, bool(use.warning)) == (0, True)


@pytest.mark.parametrize(
    ("used", "planned", "allowed", "says"),
    [
        (0, 7, 10, None),
        (1, 7, 10, "to 8 of 10 vendor jobs: 2 left"),
        (0, 10, 10, "to 10 of 10 vendor jobs: 0 left"),
        (1, 10, 10, "takes 10 vendor jobs, and 2025-03 has 9 left of 10"),
        (8, 0, 10, "8 of 10 vendor jobs of 2025-03 are used"),
        (3, 99, None, None),
    ],
)
def test_plan_is_warned_of_before_it_is_bought(
    used: int, planned: int, allowed: int | None, says: str | None
) -> None:
    """From 80 % of the month on, the plan included, and where it is more than is left."""
    warning = MonthlyUse("2025-03", used, allowed, {}).warn_of(planned)
    assert (warning is None) is (says is None)
    assert says is None or says in str(warning)
