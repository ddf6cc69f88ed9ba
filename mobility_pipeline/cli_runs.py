"""Run the request job for a verb, and answer what it planned or got."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    job_document,
    make_table,
    span,
)
from mobility_pipeline.defs.scope import Scope
from mobility_pipeline.progress import show_progress
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.settings import Settings
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.planner import surplus
from mobility_pipeline.vendor.preview import Preview
from mobility_pipeline.vendor.quota import read_month
from mobility_pipeline.wording import number_of

if TYPE_CHECKING:
    from mobility_pipeline.defs.launch import RequestOutcome


def run(
    settings: Settings,
    feed: Feed,
    scope: Scope,
    ledger: Ledger,
    keys: Sequence[str] = (),
    *,
    refresh: bool = False,
    recover: bool = False,
    max_jobs: int | None = None,
) -> "RequestOutcome":
    """Run the request job on the project's Dagster instance, with progress on stderr."""
    # Dagster takes seconds to load, and the definitions read settings when imported.
    from mobility_pipeline.definitions import defs
    from mobility_pipeline.defs import launch
    from mobility_pipeline.defs.cities import sync_city_partitions

    with launch.open_instance(settings.dagster_home) as instance:
        launch.close_dead_runs(instance)
        sync_city_partitions(instance, scope.known)
        with show_progress(STDERR, ledger, feed.name, scope.expected):
            return launch.run_request(
                defs.resolve_job_def("request_city_days_job"),
                instance,
                ledger,
                feed,
                keys,
                scope.start,
                scope.end,
                refresh=refresh,
                recover=recover,
                max_jobs=max_jobs,
            )


def warn_of_expectation(scope: Scope) -> None:
    """Say on stderr when no city-day is expected at all."""
    if not scope.expected:
        STDERR.print(
            "no city-day is expected in that range: see first_date of the city"
        )


def answer_preview(
    as_json: bool,
    settings: Settings,
    ledger: Ledger,
    previews: Sequence[tuple[Feed, Preview]],
) -> int:
    """Answer the vendor jobs it would take; returns the exit code."""
    use = read_month(ledger, settings.veraset_monthly_jobs, datetime.now(UTC))
    planned = [(feed, job) for feed, preview in previews for job in preview.jobs]
    _warn(use.warn_of(len(planned)))
    wanted = sum(len(preview.wanted) for _, preview in previews)
    too_many = sum(surplus(preview.jobs, preview.wanted) for _, preview in previews)
    document = {
        "jobs": [
            {"feed": feed.name, "cities": [*job.cities], **span(job.start, job.end)}
            for feed, job in planned
        ],
        "wanted_city_days": wanted,
        "surplus_city_days": too_many,
        "quota_left": use.jobs_left,
    }
    table = make_table(
        ("feed", "cities", "from", "to", "area-days"),
        [
            (feed.name, len(job.cities), job.start, job.end, job.city_days)
            for feed, job in planned
        ],
        title=f"{number_of(len(planned), 'vendor job')} for "
        f"{number_of(wanted, 'city-day')}, {too_many} surplus; "
        f"{use.jobs_used} jobs and {sum(use.area_days.values())} area-days used this "
        f"month, quota left: {'unlimited' if use.jobs_left is None else use.jobs_left}",
    )
    answer(as_json, document, table)
    return DONE


def answer_outcomes(
    as_json: bool,
    settings: Settings,
    ledger: Ledger,
    outcomes: "Sequence[RequestOutcome]",
) -> int:
    """Answer what runs got and what is missing; returns the exit code."""
    failures = [line for outcome in outcomes for line in outcome.failures]
    missing = [
        (day.city, day.date.isoformat(), state.value, detail)
        for outcome in outcomes
        for day, (state, detail) in outcome.missing.items()
    ]
    reasons = Counter((reason, detail) for _, _, reason, detail in missing if detail)
    for line in failures:
        STDERR.print(line, style="red", markup=False, soft_wrap=True)
    for (reason, detail), count in reasons.items():
        line = f"{count} city-days {reason}: {detail}"
        STDERR.print(line, style="red", markup=False, soft_wrap=True)
    _warn(read_month(ledger, settings.veraset_monthly_jobs, datetime.now(UTC)).warning)
    found = [job for outcome in outcomes for job in outcome.jobs]
    landed = sum(outcome.landed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    document = {
        "jobs": [job_document(job) for job in found],
        "landed": landed,
        "skipped": skipped,
        "missing": [
            {"city": city, "date": day, "reason": reason}
            for city, day, reason, _ in missing
        ],
    }
    runs = ", ".join(outcome.run_id for outcome in outcomes)
    table = make_table(
        ("missing", "date", "reason", "detail"),
        missing,
        title=f"{landed} city-days landed, {skipped} were there, {len(missing)} missing; "
        f"{number_of(len(found), 'vendor job')}; Dagster run {runs}",
    )
    answer(as_json, document, table)
    return MISSING if missing or failures else DONE


def _warn(text: str | None) -> None:
    if text:
        STDERR.print(text, style="yellow", markup=False, soft_wrap=True)
