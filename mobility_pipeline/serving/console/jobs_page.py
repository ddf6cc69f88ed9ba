"""The vendor jobs of the last 90 days: their state, how long the vendor took, and cancel."""

import asyncio
from datetime import datetime, timedelta
from functools import partial

from nicegui import ui

from mobility_pipeline.errors import MobilityError, UsageError
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.dialogs import confirm
from mobility_pipeline.serving.console.layout import frame, say
from mobility_pipeline.serving.console.who import attempt, complain, page, user_of
from mobility_pipeline.vendor.cancellation import cancel_job
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.vendor.records import VendorJob
from mobility_pipeline.wording import number_of

_DAYS = 90
_COLUMNS = ("State", "From", "To", "Cities", "Feed", "Asked", "Wait", "Vendor job", "")


def add_jobs_page(desk: Desk) -> None:
    """Give the console the page of vendor jobs."""

    @page("/jobs")
    async def show_jobs() -> None:
        user = user_of()
        now = desk.now()
        since = now - timedelta(days=_DAYS)
        jobs = await asyncio.to_thread(desk.ledger.jobs, since)
        use = await asyncio.to_thread(read_month, desk.ledger, desk.monthly_jobs, now)
        left = "not limited" if use.jobs_left is None else f"{use.jobs_left} left"
        with frame("Vendor jobs", "/jobs", user):
            text = f"In {_DAYS} days: {len(jobs):,}. This month: {use.jobs_used} used, "
            ui.label(f"{text}{left}.").classes("quiet")
            say([use.warning] if use.warning else [], "doubt")
            with ui.column().classes("card"):
                _draw(desk, user, jobs[::-1], now)


def _draw(desk: Desk, user: str, jobs: list[VendorJob], now: datetime) -> None:
    if not jobs:
        ui.label("None yet.").classes("quiet")
        return
    with (
        ui.element("div").classes("wide"),
        ui.element("table").classes("plain"),
    ):
        with ui.element("thead"), ui.element("tr"):
            for column in _COLUMNS:
                with ui.element("th"):
                    ui.label(column)
        with ui.element("tbody"):
            for job in jobs:
                _draw_job(desk, user, job, now)


def _draw_job(desk: Desk, user: str, job: VendorJob, now: datetime) -> None:
    cells = (
        job.state.value,
        str(job.start),
        str(job.end),
        str(len(job.areas)),
        job.feed,
        f"{job.planned_at:%Y-%m-%d %H:%M}",
        write_wait(job, now),
        job.job_id or "not sent",
    )
    with ui.element("tr"):
        for cell in cells:
            with ui.element("td"):
                ui.label(cell)
        with ui.element("td").classes("wrap"):
            if job.error:
                ui.label(job.error)
            if job.state.is_open and job.job_id:
                ui.button("Cancel", on_click=partial(_confirm, desk, user, job)).props(
                    "outline dense no-caps color=negative"
                )


async def _confirm(desk: Desk, user: str, job: VendorJob) -> None:
    text = (
        f"{number_of(len(job.areas), 'city', 'cities')}, {job.start} to {job.end}, "
        "will not be delivered by it; whoever waits for it is told."
    )
    title, yes = f"Cancel {job.name}?", "Cancel the job"
    if not await confirm(title, [text], yes=yes, no="Keep it", is_grave=True):
        return
    ended = await attempt(lambda: _cancel(desk, user, job.ref))
    if isinstance(ended, MobilityError):
        complain(str(ended))
    else:
        ui.navigate.reload()


def _cancel(desk: Desk, user: str, ref: int) -> VendorJob:
    job = desk.ledger.job(ref)
    if not job.state.is_open:
        raise UsageError(f"{job.name} is not open any more: it is {job.state}")
    reason = f"{job.name} was cancelled by {user} in the console"
    return cancel_job(desk.ledger, desk.make_vendor_client(), job, reason, now=desk.now)


def write_wait(job: VendorJob, now: datetime) -> str:
    """Write how long the vendor took, or takes until now; empty where it was not sent."""
    if job.submitted_at is None:
        return ""
    minutes = int(((job.finished_at or now) - job.submitted_at).total_seconds()) // 60
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"{hours}{minutes % 60} min"
