"""From wanted city-days to vendor jobs, without paying for a city-day twice."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.known import Known, read_known
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.left_alone import (
    count_jobs_left,
    explain_left_over,
    find_left_alone,
)
from mobility_pipeline.vendor.planner import Limits, PlannedJob, plan_jobs
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import VendorJob
from mobility_pipeline.vendor.recovery import Reason, cover, keep_largest
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline.vendor.sending import Sender
from mobility_pipeline.vendor.standing import Standing
from mobility_pipeline.vendor.submit_round import Progress, submit_all


@dataclass(frozen=True)
class Submitted:
    """What became of the wanted city-days: each is in exactly one place."""

    jobs: tuple[VendorJob, ...]
    """Jobs that wanted city-days wait for, new or already there, by `ref`."""
    done: frozenset[CityDay]
    """In the lake already."""
    deferred: frozenset[CityDay]
    """Not asked for: the quota is used up."""
    refused: Mapping[CityDay, Reason]
    """Not asked for: refused by the vendor (`job_failed`), `erased`, or ended badly in
    an earlier run of the same wish."""
    left_alone: Mapping[CityDay, Reason]
    """Not asked for by a recovery: they wait, are given up, or did not fit `max_jobs`."""


def request_city_days(
    ledger: Ledger,
    client: VerasetClient,
    feed: Feed,
    cities: Mapping[str, City],
    wanted: Collection[CityDay],
    limits: Limits,
    monthly_jobs: int | None,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], None],
    refresh: bool = False,
    asked_since: datetime | None = None,
    recover: bool = False,
    max_jobs: int | None = None,
) -> Submitted:
    """Buy what is wanted and neither held nor on its way; wait for nothing.

    Args:
        ledger: where everything is recorded, before and after it is sent.
        client: the vendor.
        feed: the product.
        cities: by key; at least those of `wanted`.
        wanted: city-days; an explicit wish, so earlier failures do not matter, unless
            `recover`.
        limits: of one job.
        monthly_jobs: jobs a calendar month (UTC); null = unlimited.
        now: the time, UTC.
        sleep: waits that many seconds between attempts.
        refresh: ask again for what is in the lake.
        asked_since: when this wish was first uttered, where an earlier run did that:
            what was recorded since is its outcome.
        recover: ask only for what the rules of `recovery.py` choose now.
        max_jobs: buy no more jobs for this wish, and those that cover most of it; null =
            as many as it takes.

    Raises:
        UnknownCityError: a wanted city is not among `cities`; nothing was sent.
        VendorAuthenticationError: wrong key; jobs bought before stay recorded.
        VendorTransientError: the vendor does not answer; what was bought stays
            recorded, what may have been is looked up by the next call.
    """
    sender = Sender(ledger, client, now, sleep)
    with ledger.submission_lock():
        sender.resolve_interrupted()
        # Read under the lock: what others ask for meanwhile is on its way by now.
        known = read_known(ledger, feed, wanted)
        left_alone: dict[CityDay, Reason] = {}
        if recover:
            left_alone = find_left_alone(known, cities, wanted, now())
        standing = _settle_standing(
            ledger,
            known,
            cities,
            set(wanted) - left_alone.keys(),
            now,
            refresh=refresh,
            asked_since=asked_since,
            by_recovery=recover,
        )
        planned, left_over = keep_largest(
            plan_jobs(standing.to_ask, limits),
            standing.to_ask,
            count_jobs_left(ledger, feed, max_jobs, asked_since),
        )
        left_alone |= explain_left_over(known, left_over, max_jobs)
        progress = Progress(
            queue=_requests(feed, cities, planned, standing.to_ask, limits),
            quota_left=read_month(ledger, monthly_jobs, now()).jobs_left,
            by_recovery=recover,
        )
        submit_all(sender, progress)
    waited_for = standing.waiting.keys() | standing.joining.keys()
    jobs = [*ledger.jobs_of(waited_for), *progress.bought]
    return Submitted(
        jobs=tuple(sorted(jobs, key=lambda job: job.ref)),
        done=frozenset(standing.done),
        deferred=frozenset(progress.deferred),
        refused={**standing.refused, **progress.refused},
        left_alone=left_alone,
    )


def _settle_standing(
    ledger: Ledger,
    known: Known,
    cities: Mapping[str, City],
    wanted: Collection[CityDay],
    now: Callable[[], datetime],
    *,
    refresh: bool,
    asked_since: datetime | None,
    by_recovery: bool,
) -> Standing:
    """Release and attach what needs no buying; return what each city-day needs then."""
    while True:
        standing = known.judge(cities, wanted, refresh=refresh, asked_since=asked_since)
        for ref, days in standing.outdated.items():
            ledger.release(ref, days, "asked for in vain before", now())
        attached = [
            ledger.attach(ref, days, now(), by_recovery=by_recovery)
            for ref, days in standing.joining.items()
        ]
        if all(attached):
            return standing
        # A job ended since it was judged, and is not open in the next round.
        known = read_known(ledger, known.feed, wanted)


def _requests(
    feed: Feed,
    cities: Mapping[str, City],
    planned: Collection[PlannedJob],
    to_ask: set[CityDay],
    limits: Limits,
) -> list[tuple[JobRequest, frozenset[CityDay]]]:
    requests: list[tuple[JobRequest, frozenset[CityDay]]] = []
    for job in reversed([*planned]):
        chosen = tuple(cities[key] for key in job.cities)
        request = JobRequest(feed, job.start, job.end, chosen)
        request.check_limits(limits)
        requests.append((request, cover(job, to_ask)))
    return requests
