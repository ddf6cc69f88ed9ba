"""Vendor jobs and area-days spent in a calendar month."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import VendorJob

WARNING_RATIO = 0.8
"""Part of the month's jobs from which people are warned."""


@dataclass(frozen=True)
class MonthlyUse:
    """What one calendar month (UTC) took."""

    month: str
    """`YYYY-MM`."""
    jobs_used: int
    jobs_allowed: int | None
    """Null = unlimited."""
    area_days: Mapping[tuple[str, str], int]
    """(feed, city key) -> days bought of it, wanted or not; sorted."""

    @property
    def jobs_left(self) -> int | None:
        """Jobs that may still be bought, never below 0; null = unlimited."""
        if self.jobs_allowed is None:
            return None
        return max(self.jobs_allowed - self.jobs_used, 0)

    @property
    def warning(self) -> str | None:
        """One sentence when 80 % are used up, else null."""
        if (
            self.jobs_allowed is None
            or self.jobs_used < WARNING_RATIO * self.jobs_allowed
        ):
            return None
        return (
            f"{self.jobs_used} of {self.jobs_allowed} vendor jobs of {self.month} are used: "
            f"{self.jobs_left} left (VERASET_MONTHLY_JOBS)"
        )

    def warn_of(self, planned: int) -> str | None:
        """Return one sentence when a plan would pass the month's 80 %, else null.

        Args:
            planned: vendor jobs that the plan would buy.
        """
        if self.jobs_allowed is None or not planned:
            return self.warning
        after = self.jobs_used + planned
        if after > self.jobs_allowed:
            return (
                f"this plan takes {planned} vendor jobs, and {self.month} has "
                f"{self.jobs_left} left of {self.jobs_allowed} (VERASET_MONTHLY_JOBS): "
                "the rest would be deferred to next month"
            )
        if after < WARNING_RATIO * self.jobs_allowed:
            return None
        return (
            f"this plan would bring {self.month} to {after} of {self.jobs_allowed} vendor "
            f"jobs: {self.jobs_allowed - after} left (VERASET_MONTHLY_JOBS)"
        )


def month_of(now: datetime) -> tuple[datetime, datetime]:
    """Return the first instant of the calendar month (UTC), and of the next one."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first, (first + timedelta(days=32)).replace(day=1)


def read_month(ledger: Ledger, monthly_jobs: int | None, now: datetime) -> MonthlyUse:
    """Sum what the ledger knows of the present month; see `sum_month`."""
    return sum_month(ledger.bought_jobs(*month_of(now)), monthly_jobs, now)


def sum_month(
    jobs: Iterable[VendorJob], monthly_jobs: int | None, now: datetime
) -> MonthlyUse:
    """Sum what the vendor jobs submitted in the present month took.

    Args:
        jobs: of any feed and time; those without a vendor's id were not bought.
        monthly_jobs: jobs a month; null = unlimited.
        now: the present instant, UTC.
    """
    first, next_first = month_of(now)
    bought = [
        job
        for job in jobs
        if job.job_id is not None
        and job.submitted_at is not None
        and first <= job.submitted_at < next_first
    ]
    area_days: Counter[tuple[str, str]] = Counter()
    for job in bought:
        days = (job.end - job.start).days + 1
        for area in job.areas:
            area_days[job.feed, area.city] += days
    return MonthlyUse(
        month=f"{first:%Y-%m}",
        jobs_used=len(bought),
        jobs_allowed=monthly_jobs,
        area_days=dict(sorted(area_days.items())),
    )
