"""SQL on the ledger's vendor jobs, each function inside the caller's transaction."""

import logging
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

import sqlalchemy as sa

from mobility_pipeline.errors import LedgerError
from mobility_pipeline.vendor.records import (
    OPEN_JOB_STATES,
    UNSENT_JOB_STATES,
    CityDayState,
    JobState,
    VendorJob,
)
from mobility_pipeline.vendor.request import Area, JobRequest
from mobility_pipeline.vendor.tables import city_days, vendor_job_areas, vendor_jobs

_LOG = logging.getLogger(__name__)
_JOBS = vendor_jobs.c
_MAX_VARIABLES = 10_000
"""SQLite allows 32,766 in one statement."""


def insert_job(connection: sa.Connection, request: JobRequest, now: datetime) -> int:
    """Record a planned job with its areas, and return its `ref`."""
    inserted = connection.execute(
        sa.insert(vendor_jobs).values(
            feed=request.feed.name,
            endpoint=request.feed.endpoint,
            start_date=request.start,
            end_date=request.end,
            request_sha256=request.sha256,
            body=request.body(),
            state=JobState.PLANNED,
            planned_at=now,
        )
    )
    primary_key = inserted.inserted_primary_key
    assert primary_key is not None  # noqa: S101 - one row with a primary key was inserted
    ref = int(primary_key[0])
    connection.execute(
        sa.insert(vendor_job_areas),
        [
            {
                "job_ref": ref,
                "position": position,
                "area_id": area.area_id,
                "city": area.city,
                "boundary_sha256": area.boundary_sha256,
                "kind": area.kind,
                "index": area.index,
            }
            for position, area in enumerate(request.areas)
        ],
    )
    return ref


def update_job(
    connection: sa.Connection,
    ref: int,
    *,
    only_from: Iterable[JobState],
    **values: object,
) -> bool:
    """Change a job that is in one of these states; say whether it was."""
    updated = connection.execute(
        sa.update(vendor_jobs)
        .where(_JOBS.ref == ref, _JOBS.state.in_([*only_from]))
        .values(**values)
    )
    return updated.rowcount > 0


def record_bought(
    connection: sa.Connection, ref: int, job_id: str, now: datetime
) -> None:
    """Store the id of a bought job, whatever became of the job meanwhile.

    Raises:
        LedgerError: the id is another job's, or the job has another id.
    """
    job = locked_job(connection, ref)
    if job.job_id == job_id:  # another process found it at the vendor
        return
    if job.job_id is not None or select_jobs(connection, _JOBS.job_id == job_id):
        raise LedgerError(
            f"the vendor gave the id {job_id} to the job with ref {ref}, but the ledger "
            "has that id, or another for this job: compare `mobility jobs list` with the "
            "vendor's list"
        )
    if job.state not in UNSENT_JOB_STATES:
        _LOG.error(
            "vendor job %s was bought although another process had given it up (%s: %s); "
            "it is kept, and city-days it covers can join it",
            job_id,
            job.state,
            job.error,
        )
    update_job(
        connection,
        ref,
        only_from=[job.state],
        state=JobState.SCHEDULED,
        job_id=job_id,
        submitted_at=now,
        error=None,
        finished_at=None,
    )


def locked_job(connection: sa.Connection, ref: int) -> VendorJob:
    """Return one job, which nobody else changes until the transaction ends.

    Raises:
        LedgerError: it is not there.
    """
    # SQLite needs no lock: its transactions that write come one after the other.
    lock = sa.select(_JOBS.ref).where(_JOBS.ref == ref).with_for_update()
    connection.execute(lock)
    return one_job(connection, ref)


def one_job(connection: sa.Connection, ref: int) -> VendorJob:
    """Return one job.

    Raises:
        LedgerError: it is not there.
    """
    for job in select_jobs(connection, _JOBS.ref == ref):
        return job
    raise LedgerError(f"the ledger has no vendor job with ref {ref}")


def jobs_of(connection: sa.Connection, refs: Collection[int]) -> list[VendorJob]:
    """Return the jobs with these numbers, by `ref`."""
    return [
        job
        for some in _batched(sorted(refs))
        for job in select_jobs(connection, _JOBS.ref.in_(some))
    ]


def live_jobs(connection: sa.Connection, feed: str) -> list[VendorJob]:
    """Return jobs that are open, or finished with city-days still to land."""
    waiting = sa.select(city_days.c.job_ref).where(
        city_days.c.feed == feed, city_days.c.state == CityDayState.REQUESTED
    )
    return select_jobs(
        connection,
        _JOBS.feed == feed,
        sa.or_(_JOBS.state.in_(OPEN_JOB_STATES), _JOBS.ref.in_(waiting)),
    )


def select_jobs(
    connection: sa.Connection, *conditions: sa.ColumnElement[bool]
) -> list[VendorJob]:
    """Return the jobs that meet all conditions, by `ref`."""
    found = sa.select(vendor_jobs).where(*conditions).order_by(_JOBS.ref)
    rows = connection.execute(found).mappings().all()
    areas = _areas_of(connection, [int(row["ref"]) for row in rows])
    return [_job_of(row, tuple(areas.get(row["ref"], ()))) for row in rows]


def _areas_of(connection: sa.Connection, refs: list[int]) -> dict[int, list[Area]]:
    columns = vendor_job_areas.c
    areas: dict[int, list[Area]] = {}
    for some in _batched(refs):
        found = (
            sa.select(vendor_job_areas)
            .where(columns.job_ref.in_(some))
            .order_by(columns.job_ref, columns.position)
        )
        for row in connection.execute(found).mappings():
            areas.setdefault(row["job_ref"], []).append(
                Area(
                    area_id=row["area_id"],
                    city=row["city"],
                    boundary_sha256=row["boundary_sha256"],
                    kind=row["kind"],
                    index=row["index"],
                )
            )
    return areas


def _batched(refs: list[int]) -> Iterator[list[int]]:
    """Cut numbers into lists that one statement takes."""
    for first in range(0, len(refs), _MAX_VARIABLES):
        yield refs[first : first + _MAX_VARIABLES]


def _job_of(row: sa.RowMapping, areas: tuple[Area, ...]) -> VendorJob:
    values = {name: row[name] for name in _SAME_NAME}
    return VendorJob(
        **values,
        start=row["start_date"],
        end=row["end_date"],
        areas=areas,
        state=JobState(row["state"]),
    )


_SAME_NAME = (
    "ref",
    "feed",
    "endpoint",
    "request_sha256",
    "body",
    "job_id",
    "bucket",
    "folder_path",
    "error",
    "planned_at",
    "submitting_at",
    "submitted_at",
    "finished_at",
)
