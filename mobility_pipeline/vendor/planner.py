"""From wanted city-days to the vendor jobs that cover them. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from mobility_pipeline.cities.city import CityDay

DaysByCity = dict[str, list[date]]
"""City key -> its wanted days, ascending."""


@dataclass(frozen=True)
class PlannedJob:
    """One vendor job: a rectangle of cities and days."""

    cities: tuple[str, ...]
    """City keys, sorted."""
    start: date
    end: date
    """Inclusive."""

    @property
    def city_days(self) -> int:
        """Number of city-days it buys, wanted or not."""
        return len(self.cities) * ((self.end - self.start).days + 1)


@dataclass(frozen=True)
class Limits:
    """What one vendor job may hold, by contract, and what is paid for."""

    max_areas: int = 200
    max_days: int = 31
    cost_model: Literal["jobs", "area_days"] = "jobs"
    """`jobs`: fewest jobs, surplus city-days allowed; `area_days`: exact cover."""


def plan_jobs(wanted: Collection[CityDay], limits: Limits) -> list[PlannedJob]:
    """Cover every wanted city-day exactly once, within the limits.

    For `jobs`, windows of `max_days` are placed greedily from the earliest wanted day,
    and all cities with a wanted day in a window share its jobs. Where the areas do not
    fit one job and the cities' days differ, filling jobs with cities first can need
    fewer; the smaller plan is taken, so it is never above windows placed city by city.

    Returns:
        Jobs by first day, then by city; empty when nothing is wanted.
    """
    days_by_city = _days_by_city(wanted)
    if limits.cost_model == "area_days":
        planned = _plan_exact(days_by_city, limits)
    else:
        planned = min(
            _plan_windows_first(days_by_city, limits),
            _plan_cities_first(days_by_city, limits),
            key=len,
        )
    return sorted(planned, key=lambda job: (job.start, job.end, job.cities))


def surplus(planned: Collection[PlannedJob], wanted: Collection[CityDay]) -> int:
    """Count the city-days that a plan for `wanted` buys beyond it."""
    return sum(job.city_days for job in planned) - len(set(wanted))


def _days_by_city(wanted: Collection[CityDay]) -> DaysByCity:
    days_by_city: dict[str, set[date]] = {}
    for city_day in wanted:
        days_by_city.setdefault(city_day.city, set()).add(city_day.date)
    return {city: sorted(days_by_city[city]) for city in sorted(days_by_city)}


def _plan_windows_first(days_by_city: DaysByCity, limits: Limits) -> list[PlannedJob]:
    """Place windows over the days of all cities, then cut each window's cities."""
    planned: list[PlannedJob] = []
    for window in _split_into_windows(days_by_city, limits.max_days):
        for chunk in _chunks(sorted(window), limits.max_areas):
            planned.append(_trimmed(chunk, window))
    return planned


def _plan_cities_first(days_by_city: DaysByCity, limits: Limits) -> list[PlannedJob]:
    """Cut the cities, like days together, then place windows over each cut."""
    alike = sorted(
        days_by_city,
        key=lambda city: (days_by_city[city][0], days_by_city[city][-1], city),
    )
    planned: list[PlannedJob] = []
    for chunk in _chunks(alike, limits.max_areas):
        own_days = {city: days_by_city[city] for city in chunk}
        for window in _split_into_windows(own_days, limits.max_days):
            planned.append(_trimmed(sorted(window), window))
    return planned


def _plan_exact(days_by_city: DaysByCity, limits: Limits) -> list[PlannedJob]:
    """Cut each city's days into unbroken runs; cities with the same run share jobs."""
    cities_by_run: dict[tuple[date, date], list[str]] = {}
    for city, days in days_by_city.items():
        for run in _runs(days, limits.max_days):
            cities_by_run.setdefault(run, []).append(city)
    return [
        PlannedJob(tuple(chunk), start, end)
        for (start, end), cities in cities_by_run.items()
        for chunk in _chunks(cities, limits.max_areas)
    ]


def _split_into_windows(days_by_city: DaysByCity, max_days: int) -> list[DaysByCity]:
    """Assign each city's days to greedy windows; each holds only its cities."""
    windows: list[DaysByCity] = []
    window_of: dict[date, DaysByCity] = {}
    limit = date.min
    for day in sorted({day for days in days_by_city.values() for day in days}):
        if not windows or day > limit:
            windows.append({})
            limit = day + timedelta(days=max_days - 1)
        window_of[day] = windows[-1]
    for city, days in days_by_city.items():
        for day in days:
            window_of[day].setdefault(city, []).append(day)
    return windows


def _trimmed(cities: Sequence[str], window: DaysByCity) -> PlannedJob:
    start = min(window[city][0] for city in cities)
    end = max(window[city][-1] for city in cities)
    return PlannedJob(tuple(cities), start, end)


def _runs(days: Sequence[date], max_days: int) -> Iterator[tuple[date, date]]:
    start = end = days[0]
    for day in days[1:]:
        if (day - end).days > 1 or (day - start).days >= max_days:
            yield start, end
            start = day
        end = day
    yield start, end


def _chunks(cities: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for first in range(0, len(cities), size):
        yield cities[first : first + size]
