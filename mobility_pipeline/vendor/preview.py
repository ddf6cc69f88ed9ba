"""The vendor jobs that a request or a recovery would take, without asking for any."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.known import read_known, read_missing
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.left_alone import explain_left_over, find_left_alone
from mobility_pipeline.vendor.planner import Limits, PlannedJob, plan_jobs
from mobility_pipeline.vendor.recovery import Reason, keep_largest


@dataclass(frozen=True)
class Preview:
    """What `submission.request_city_days` would buy now."""

    wanted: frozenset[CityDay]
    """City-days neither held nor on their way, which the jobs cover."""
    jobs: tuple[PlannedJob, ...]
    on_their_way: frozenset[CityDay]
    """City-days that need no job of their own: an open one delivers them."""
    left_alone: Mapping[CityDay, Reason]
    """As `submission.Submitted` says."""


def preview_jobs(
    ledger: Ledger,
    feed: Feed,
    cities: Mapping[str, City],
    wanted: Collection[CityDay],
    limits: Limits,
    *,
    refresh: bool = False,
    recover_at: datetime | None = None,
    max_jobs: int | None = None,
) -> Preview:
    """Plan what `submission.request_city_days` would buy now; send and change nothing.

    Args:
        ledger: what is known.
        feed: the product.
        cities: by key; at least those of `wanted`.
        wanted: city-days.
        limits: of one job.
        refresh: plan also for what is in the lake.
        recover_at: the present instant, where a recovery is to be planned.
        max_jobs: plan no more jobs; null = as many as it takes.

    Raises:
        UnknownCityError: a wanted city is not among `cities`.
    """
    left_alone: dict[CityDay, Reason] = {}
    if recover_at is None:
        chosen, known = {*wanted}, read_known(ledger, feed, wanted)
    else:
        chosen, known = read_missing(ledger, feed, wanted)
        left_alone = find_left_alone(known, cities, chosen, recover_at)
        chosen -= left_alone.keys()
    standing = known.judge(cities, chosen, refresh=refresh)
    planned = plan_jobs(standing.to_ask, limits)
    jobs, left_over = keep_largest(planned, standing.to_ask, max_jobs)
    left_alone |= explain_left_over(known, left_over, max_jobs)
    by_job = (*standing.waiting.values(), *standing.joining.values())
    return Preview(
        wanted=frozenset(standing.to_ask - left_over),
        jobs=tuple(jobs),
        on_their_way=frozenset(day for days in by_job for day in days),
        left_alone=left_alone,
    )
