"""Tests of `vendor.planner`."""

import time
from collections import Counter
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.planner import Limits, PlannedJob, plan_jobs, surplus

START = date(2024, 1, 1)


def grid(cities: int, days: int) -> list[CityDay]:
    """Return every city-day of a rectangle."""
    dates = [START + timedelta(days=day) for day in range(days)]
    return [CityDay(f"x/c{city:04}", day) for city in range(cities) for day in dates]


def bought(planned: list[PlannedJob]) -> Counter[CityDay]:
    """Return how often each city-day is bought."""
    return Counter(
        CityDay(city, job.start + timedelta(days=day))
        for job in planned
        for city in job.cities
        for day in range((job.end - job.start).days + 1)
    )


def naive_count(wanted: set[CityDay], max_days: int) -> int:
    """Count greedy windows placed for each city on its own."""
    count = 0
    for city in {day.city for day in wanted}:
        limit = date.min
        for day in sorted(day.date for day in wanted if day.city == city):
            if day > limit:
                count += 1
                limit = day + timedelta(days=max_days - 1)
    return count


some_days = st.sets(
    st.builds(
        CityDay,
        st.sampled_from([f"x/c{place}" for place in range(7)]),
        st.integers(0, 40).map(lambda day: START + timedelta(days=day)),
    )
)
some_limits = st.builds(Limits, st.integers(1, 8), st.integers(1, 12))


@given(some_days, some_limits)
def test_jobs_cover_what_is_wanted_within_the_limits(
    wanted: set[CityDay], limits: Limits
) -> None:
    """Every wanted city-day is bought, no job is over the limits."""
    planned = plan_jobs(wanted, limits)
    assert wanted <= bought(planned).keys()
    for job in planned:
        assert 1 <= len(job.cities) <= limits.max_areas
        assert 0 <= (job.end - job.start).days < limits.max_days


@given(some_days, some_limits)
def test_jobs_are_never_more_than_naive(wanted: set[CityDay], limits: Limits) -> None:
    """Packing never needs more jobs than windows placed city by city."""
    assert len(plan_jobs(wanted, limits)) <= naive_count(wanted, limits.max_days)


@given(some_days, some_limits)
def test_surplus_is_what_is_bought_beyond(wanted: set[CityDay], limits: Limits) -> None:
    """The surplus is the number of city-days bought and not wanted."""
    planned = plan_jobs(wanted, limits)
    assert surplus(planned, wanted) == (bought(planned) - Counter(wanted)).total()


@given(some_days, some_limits)
def test_area_days_buys_exactly_what_is_wanted(
    wanted: set[CityDay], limits: Limits
) -> None:
    """The exact cover buys each wanted city-day once and nothing else."""
    exact = Limits(limits.max_areas, limits.max_days, "area_days")
    planned = plan_jobs(wanted, exact)
    assert bought(planned) == Counter(wanted)
    assert surplus(planned, wanted) == 0
    for job in planned:
        assert len(job.cities) <= limits.max_areas
        assert (job.end - job.start).days < limits.max_days


@given(some_days, some_limits)
@settings(max_examples=30)
def test_order_of_what_is_wanted_does_not_matter(
    wanted: set[CityDay], limits: Limits
) -> None:
    """The plan depends on the city-days only."""
    ordered = sorted(wanted)
    assert plan_jobs(ordered, limits) == plan_jobs(ordered[::-1] * 2, limits)


def test_250_cities_40_days_are_4_jobs() -> None:
    """Two windows, each in two chunks of cities."""
    planned = plan_jobs(grid(250, 40), Limits())
    shapes = [(len(job.cities), (job.end - job.start).days + 1) for job in planned]
    assert sorted(shapes) == [(50, 9), (50, 31), (200, 9), (200, 31)]


def test_200_cities_31_days_are_1_job() -> None:
    """What fits one job is one job."""
    (job,) = plan_jobs(grid(200, 31), Limits())
    assert (len(job.cities), job.start, job.end) == (200, START, date(2024, 1, 31))


def test_window_crosses_a_month_end() -> None:
    """31 days are one window, wherever they begin."""
    days = {
        CityDay("x/a", date(2024, 1, 20) + timedelta(days=day)) for day in range(31)
    }
    (job,) = plan_jobs(days, Limits())
    assert (job.start, job.end) == (date(2024, 1, 20), date(2024, 2, 19))


def test_job_ends_with_its_last_wanted_day() -> None:
    """A window is trimmed to what is wanted in it."""
    wanted = {CityDay("x/a", START), CityDay("x/b", START + timedelta(days=4))}
    (job,) = plan_jobs(wanted, Limits())
    assert (job.start, job.end) == (START, START + timedelta(days=4))
    assert surplus([job], wanted) == 8


def test_nothing_wanted_is_no_job() -> None:
    """An empty wish plans nothing."""
    assert plan_jobs([], Limits()) == []


def test_1000_cities_a_year_plan_in_time() -> None:
    """5 chunks of cities in 12 windows, in seconds."""
    wanted = grid(1000, 365)
    began = time.process_time()
    assert len(plan_jobs(wanted, Limits())) == 60
    assert time.process_time() - began < 2
