"""What a recovery does not ask for, by its rules or by a limit of jobs."""

from collections.abc import Collection, Mapping
from datetime import datetime

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.known import Known
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.recovery import Reason, choose_city_days


def find_left_alone(
    known: Known,
    cities: Mapping[str, City],
    wanted: Collection[CityDay],
    now: datetime,
) -> dict[CityDay, Reason]:
    """Return the missing city-days that recovery does not ask for, nor waits for."""
    live = {job.ref: job for job in known.live_jobs if job.state.may_deliver}
    records = known.records
    recovery = choose_city_days(wanted, records, live.keys(), now)
    left_alone = recovery.left_alone
    for city_day, (state, _) in recovery.on_their_way.items():
        city = cities.get(city_day.city)
        area = live[records[city_day].job_ref or 0].area_of(city_day.city)
        # An explicit request would buy the new area at once, beside the open job.
        if city is not None and area is not None and area.area_id != city.area_id:
            detail = "its vendor job is open, for an older boundary of the city"
            left_alone[city_day] = (state, detail)
    return left_alone


def count_jobs_left(
    ledger: Ledger, feed: Feed, max_jobs: int | None, asked_since: datetime | None
) -> int | None:
    """Return how many jobs may still be bought for a wish, without its earlier runs'."""
    if max_jobs is None or asked_since is None:
        return max_jobs
    earlier = ledger.jobs(since=asked_since, feed=feed.name)
    return max(max_jobs - sum(job.job_id is not None for job in earlier), 0)


def explain_left_over(
    known: Known, days: Collection[CityDay], max_jobs: int | None
) -> dict[CityDay, Reason]:
    """Say of city-days left over by a limit of jobs where they stand, and why."""
    detail = f"left over: at most {max_jobs} vendor jobs were to be bought"
    records = known.records
    return {
        day: (records[day].settled_state, detail)
        if day in records
        else (CityDayState.NOT_REQUESTED, detail)
        for day in days
    }
