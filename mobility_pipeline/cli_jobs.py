"""`mobility jobs`: the vendor jobs in the ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from mobility_pipeline.cli_output import (
    DONE,
    STDERR,
    answer,
    job_document,
    json_option,
    make_table,
    write_duration,
)
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import make_vendor_client
from mobility_pipeline.schemas.feeds import FEEDS, find_feed
from mobility_pipeline.settings import load_settings
from mobility_pipeline.vendor.cancellation import cancel_job
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import JobState, VendorJob
from mobility_pipeline.wording import number_of

_HISTORY_DAYS, _LONGEST_DAYS = 90, 36_500
_COLUMNS = ("job_id", "feed", "cities", "from", "to", "state")


@click.group(help="Vendor jobs of the last 90 days, and what the month took.")
def jobs() -> None:
    """Group the verbs."""


@jobs.command("list", help="Vendor jobs of the last 90 days, newest first.")
@click.option(
    "--days",
    type=click.IntRange(1, _LONGEST_DAYS),
    default=_HISTORY_DAYS,
    show_default=True,
    metavar="N",
    help="Those of the last N days.",
)
@click.option(
    "--state",
    type=click.Choice([state.value for state in JobState], case_sensitive=False),
    help="Only those in this state.",
)
@click.option("--feed", "feed_name", help="Only those of this feed.")
@json_option
def list_jobs(
    days: int, state: str | None, feed_name: str | None, as_json: bool
) -> int:
    """List vendor jobs."""
    now = datetime.now(UTC)
    feed = find_feed(feed_name, [*FEEDS.values()]).name if feed_name else None
    found = [
        job
        for job in reversed(_open().jobs(since=now - timedelta(days=days), feed=feed))
        if state is None or job.state == state
    ]
    documents = [job_document(job) | _times(job, now) for job in found]
    rows = [
        [
            *(document[column] or "–" for column in _COLUMNS),
            write_duration(document["age_s"]),
            write_duration(document["wait_s"]),
        ]
        for document in documents
    ]
    title = f"{number_of(len(found), 'vendor job')} in {days} days"
    table = make_table((*_COLUMNS, "age", "wait"), rows, title=title)
    answer(as_json, {"jobs": documents}, table)
    return DONE


@jobs.command(help="Vendor jobs used and left this month; area-days by feed and city.")
@json_option
def quota(as_json: bool) -> int:
    """Show what the month took."""
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    use = read_month(ledger, settings.veraset_monthly_jobs, datetime.now(UTC))
    document = {
        "month": use.month,
        "jobs_used": use.jobs_used,
        "jobs_allowed": use.jobs_allowed,
        "jobs_left": use.jobs_left,
        "area_days": [
            {"feed": feed, "city": city, "area_days": days}
            for (feed, city), days in use.area_days.items()
        ],
        "warning": use.warning,
    }
    left = "unlimited" if use.jobs_left is None else f"{use.jobs_left} left"
    table = make_table(
        ("feed", "city", "area-days"),
        [(feed, city, days) for (feed, city), days in use.area_days.items()],
        title=f"{use.month}: {number_of(use.jobs_used, 'vendor job')} used, {left}; "
        f"{sum(use.area_days.values())} area-days",
    )
    if use.warning:
        STDERR.print(use.warning, style="yellow", markup=False, soft_wrap=True)
    answer(as_json, document, table)
    return DONE


@jobs.command(help="One vendor job: its request, its times and its cities.")
@click.argument("job_id")
@json_option
def show(job_id: str, as_json: bool) -> int:
    """Show one vendor job."""
    job = _find(_open(), job_id)
    document = job_document(job) | {
        "submitted_at": _text(job.submitted_at),
        "finished_at": _text(job.finished_at),
        "error": job.error,
        "request_sha256": job.request_sha256,
        "areas": [{"city": area.city, "area_id": area.area_id} for area in job.areas],
    }
    answer(as_json, document, make_table(("", job_id), [*document.items()]))
    return DONE


@jobs.command(help="Cancel a vendor job that is still open.")
@click.argument("job_id")
@json_option
def cancel(job_id: str, as_json: bool) -> int:
    """Cancel one vendor job, at the vendor and in the ledger; say what became of it."""
    settings = load_settings()
    ledger = open_ledger(settings.ledger_url)
    job = _find(ledger, job_id)
    if not job.state.is_open:
        raise UsageError(f"vendor job {job_id} is not open: it is {job.state}")
    ended = cancel_job(
        ledger,
        make_vendor_client(settings),
        job,
        f"vendor job {job_id} was cancelled by `mobility jobs cancel`",
        now=lambda: datetime.now(UTC),
    )
    document = job_document(ended) | {"note": _explain(ended)}
    answer(as_json, document, make_table(("", job_id), [*document.items()]))
    return DONE


def _open() -> Ledger:
    return open_ledger(load_settings().ledger_url)


def _find(ledger: Ledger, job_id: str) -> VendorJob:
    job = ledger.find_job(job_id)
    if job is None:
        raise UsageError(f"no vendor job {job_id!r}: `mobility jobs list` shows them")
    return job


def _times(job: VendorJob, now: datetime) -> dict[str, Any]:
    """Return when a job was recorded, how long ago, and how long the vendor took.

    `wait_s` is null for a job that was not sent; of one still open it goes on.
    """
    wait = (job.finished_at or now) - job.submitted_at if job.submitted_at else None
    return {
        "planned_at": job.planned_at.isoformat(),
        "age_s": int((now - job.planned_at).total_seconds()),
        "wait_s": None if wait is None else int(wait.total_seconds()),
    }


def _explain(job: VendorJob) -> str:
    """Say how a job ended that was to be cancelled."""
    if job.state.may_deliver:
        return (
            "not cancelled: it succeeded before, so it is paid for; ask for its "
            "city-days again to land them"
        )
    return job.error or ""


def _text(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
