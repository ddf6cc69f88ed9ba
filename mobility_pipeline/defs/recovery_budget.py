"""How many vendor jobs the recovery schedule spent: each of its runs carries a number.

A run begins with what it may buy, and states what it bought once it has asked. One that
was killed in between counts in full: the budget is never passed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import dagster as dg

from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.ledger import Ledger

JOBS_TAG = "mobility/recovery_jobs"
BUDGET_TAGS = {"mobility/budget": "recovery"}
_WEEK = timedelta(days=7)


def count_spent(instance: dg.DagsterInstance, now: datetime) -> int:
    """Count the vendor jobs that runs of the last 7 days bought, or still may."""
    filters = dg.RunsFilter(tags=BUDGET_TAGS, created_after=now - _WEEK)
    return sum(int(run.tags.get(JOBS_TAG, "0")) for run in instance.get_runs(filters))


@contextmanager
def state_spent(
    context: dg.OpExecutionContext, ledger: Ledger, feed: Feed, now: datetime
) -> Iterator[None]:
    """State on a run of the schedule what was bought for its feed meanwhile."""
    try:
        yield
    finally:
        if JOBS_TAG in context.run.tags:
            bought = [
                job
                for job in ledger.jobs(since=now, feed=feed.name)
                if job.submitted_at is not None
            ]
            tags = {JOBS_TAG: str(len(bought))}
            context.instance.add_run_tags(context.run_id, tags)
