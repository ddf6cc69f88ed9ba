"""What each wanted city-day needs: nothing, an open job, or a new one. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState, VendorJob


@dataclass(frozen=True)
class Standing:
    """Wanted city-days, each in exactly one place; those of jobs by the job's `ref`."""

    done: set[CityDay] = field(default_factory=set[CityDay])
    """In the lake already."""
    refused: dict[CityDay, tuple[CityDayState, str]] = field(
        default_factory=dict[CityDay, tuple[CityDayState, str]]
    )
    """Not to be asked for: erased, or this wish has had its answer already."""
    waiting: dict[int, set[CityDay]] = field(default_factory=dict[int, set[CityDay]])
    """Asked for; the job is open, or finished and not landed."""
    joining: dict[int, set[CityDay]] = field(default_factory=dict[int, set[CityDay]])
    """Not asked for, but an open job covers them with the same area."""
    to_ask: set[CityDay] = field(default_factory=set[CityDay])
    """Have to be bought."""
    outdated: dict[int, set[CityDay]] = field(default_factory=dict[int, set[CityDay]])
    """Also in `done`, `joining` or `to_ask`: asked for in vain, because the city's
    boundary changed since, or the job gives nothing more."""


def judge_city_days(
    wanted: Collection[CityDay],
    records: Mapping[CityDay, CityDayRecord],
    live_jobs: Collection[VendorJob],
    area_ids: Mapping[str, str],
    *,
    refresh: bool,
    asked_since: datetime | None = None,
) -> Standing:
    """Say what each wanted city-day needs.

    Args:
        wanted: of one feed.
        records: what the ledger knows of them.
        live_jobs: the feed's jobs that are open or not landed.
        area_ids: city key -> area id of its boundary today.
        refresh: ask again for what is in the lake.
        asked_since: outcomes recorded from then on answer this very wish, and are not
            asked for again; null = none do.
    """
    standing = Standing()
    may_deliver = {job.ref for job in live_jobs if job.state.may_deliver}
    bought = {
        (job.ref, area.city): area.area_id for job in live_jobs for area in job.areas
    }
    open_by_city = _open_jobs_by_city(live_jobs, area_ids)
    for city_day in wanted:
        record = records.get(city_day)
        state = record.state if record else CityDayState.NOT_REQUESTED
        if record is not None and state is CityDayState.REQUESTED:
            ref = record.job_ref or 0
            if (
                ref in may_deliver
                and bought.get((ref, city_day.city)) == area_ids[city_day.city]
            ):
                standing.waiting.setdefault(ref, set()).add(city_day)
                continue
            standing.outdated.setdefault(ref, set()).add(city_day)
            state = record.settled_state
        is_answered = (
            record is not None
            and asked_since is not None
            and record.updated_at >= asked_since
            and record.state not in (CityDayState.NOT_REQUESTED, CityDayState.REQUESTED)
        )
        if state.is_present and (is_answered or not refresh):
            standing.done.add(city_day)
        elif record is not None and (is_answered or state is CityDayState.ERASED):
            standing.refused[city_day] = (state, record.reason)
        else:
            _ask(standing, city_day, open_by_city.get(city_day.city, ()))
    return standing


def _ask(standing: Standing, city_day: CityDay, open_jobs: Iterable[VendorJob]) -> None:
    for job in open_jobs:
        if job.start <= city_day.date <= job.end:
            standing.joining.setdefault(job.ref, set()).add(city_day)
            return
    standing.to_ask.add(city_day)


def _open_jobs_by_city(
    jobs: Iterable[VendorJob], area_ids: Mapping[str, str]
) -> dict[str, list[VendorJob]]:
    """Return the open jobs that buy each city's boundary of today."""
    by_city: dict[str, list[VendorJob]] = {}
    for job in jobs:
        if job.state.is_open:
            for area in job.areas:
                if area_ids.get(area.city) == area.area_id:
                    by_city.setdefault(area.city, []).append(job)
    return by_city
