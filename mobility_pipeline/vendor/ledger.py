"""The ledger: every vendor job ever asked for, and where each city-day stands.

It is what keeps anything from being paid twice. The manifests in the lake are the truth
about what we hold; the ledger's city-days are an index of them, with reasons.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime

import sqlalchemy as sa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import LedgerError
from mobility_pipeline.vendor import (
    city_day_reads,
    city_day_rows,
    job_rows,
    reindex_rows,
)
from mobility_pipeline.vendor.database import Database, open_database
from mobility_pipeline.vendor.records import (
    OPEN_JOB_STATES,
    UNSENT_JOB_STATES,
    CityDayRecord,
    CityDayState,
    JobState,
    Missing,
    VendorJob,
)
from mobility_pipeline.vendor.reindex import Changes, LakeIndex, compare_with_lake
from mobility_pipeline.vendor.request import JobRequest
from mobility_pipeline.vendor.tables import vendor_jobs

_JOBS = vendor_jobs.c


def open_ledger(url: str) -> "Ledger":
    """Open the ledger; create it, or bring it up to date, where needed.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database.

    Raises:
        ConfigurationError: wrong URL, or the database cannot be reached.
    """
    return Ledger(open_database(url))


class Ledger:
    """Vendor jobs and city-days. Each method is one transaction.

    All methods raise LedgerError when the database is locked or gone.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Close every connection."""
        self._database.close()

    def submission_lock(self) -> AbstractContextManager[None]:
        """Wait until nobody else submits, and keep others from it meanwhile.

        Held by one thread of one process per ledger; the operating system or the
        database lets it go when that process dies.
        """
        return self._database.submission_lock()

    def landing_lock(self, feed: str, day: date) -> AbstractContextManager[None]:
        """Wait until nobody else publishes a feed's date, and keep others from it.

        Whoever holds it asks only then which city-days still wait for its job: another
        process may have landed them, or a newer job, while this one waited. One thread
        holds one at a time, as two dates may share a lock; the operating system or the
        database lets it go when its process dies.
        """
        return self._database.landing_lock(feed, day)

    # Reading

    def job(self, ref: int) -> VendorJob:
        """Return one job."""
        with self._database.read() as connection:
            return job_rows.one_job(connection, ref)

    def jobs_of(self, refs: Collection[int]) -> list[VendorJob]:
        """Return the jobs with these numbers, by `ref`."""
        with self._database.read() as connection:
            return job_rows.jobs_of(connection, refs)

    def jobs(
        self, since: datetime | None = None, feed: str | None = None
    ) -> list[VendorJob]:
        """Return jobs by `ref`: all, or those planned since, or of one feed."""
        conditions: list[sa.ColumnElement[bool]] = []
        if since is not None:
            conditions.append(_JOBS.planned_at >= since)
        if feed is not None:
            conditions.append(_JOBS.feed == feed)
        with self._database.read() as connection:
            return job_rows.select_jobs(connection, *conditions)

    def find_job(self, job_id: str) -> VendorJob | None:
        """Return the job of a vendor's id; null where the ledger has none."""
        with self._database.read() as connection:
            found = job_rows.select_jobs(connection, _JOBS.job_id == job_id)
        return found[0] if found else None

    def live_jobs(self, feed: str) -> list[VendorJob]:
        """Return a feed's jobs that are open, or have city-days still to land."""
        with self._database.read() as connection:
            return job_rows.live_jobs(connection, feed)

    def interrupted_jobs(self) -> list[VendorJob]:
        """Return jobs without an id; under the lock, a dead process left them."""
        with self._database.read() as connection:
            return job_rows.select_jobs(connection, _JOBS.state.in_(UNSENT_JOB_STATES))

    def known_job_ids(self) -> frozenset[str]:
        """Return every vendor job id the ledger has."""
        found = sa.select(_JOBS.job_id).where(_JOBS.job_id.is_not(None))
        with self._database.read() as connection:
            return frozenset(str(job_id) for job_id in connection.scalars(found))

    def bought_jobs(self, start: datetime, end: datetime) -> list[VendorJob]:
        """Return the jobs bought from `start` until before `end`, by `ref`."""
        with self._database.read() as connection:
            return job_rows.select_jobs(
                connection,
                _JOBS.job_id.is_not(None),
                _JOBS.submitted_at >= start,
                _JOBS.submitted_at < end,
            )

    def city_days(
        self,
        feed: str,
        start: date,
        end: date,
        cities: Collection[str] | None = None,
    ) -> dict[CityDay, CityDayRecord]:
        """Return what is known of city-days from `start` to `end`, inclusive.

        Those never asked for may be absent, which means `not_requested`.
        """
        with self._database.read() as connection:
            return city_day_reads.select_city_days(connection, feed, start, end, cities)

    def coverage(self, feed: str, start: date, end: date) -> dict[CityDay, str]:
        """Return what the lake holds of city-days; where that is nothing, why.

        An older delivery that is asked for anew counts as held. Those never asked for may
        be absent, which means `not_requested`.
        """
        with self._database.read() as connection:
            return city_day_reads.select_coverage(connection, feed, start, end)

    def all_city_days(self, feed: str) -> dict[CityDay, CityDayRecord]:
        """Return every city-day of a feed that the ledger knows."""
        with self._database.read() as connection:
            return reindex_rows.select_all(connection, feed)

    def records_of(
        self, feed: str, wanted: Collection[CityDay]
    ) -> dict[CityDay, CityDayRecord]:
        """Return what is known of these city-days; those never asked for are absent."""
        if not wanted:
            return {}
        dates = [city_day.date for city_day in wanted]
        keys = {city_day.city for city_day in wanted}
        records = self.city_days(feed, min(dates), max(dates), keys)
        return {day: record for day, record in records.items() if day in wanted}

    def missing(self, feed: str, wanted: Collection[CityDay]) -> list[Missing]:
        """Return the wanted city-days that the lake lacks, each once, those alike together.

        Much faster than `records_of` where most are there.
        """
        if not wanted:
            return []
        with self._database.read() as connection:
            return city_day_reads.select_missing(connection, feed, wanted)

    def held_by_job(self, city: str) -> list[tuple[str, int | None, int, date, date]]:
        """Count a city's days in the lake by feed and job; see `count_held`."""
        with self._database.read() as connection:
            return city_day_reads.count_held(connection, city)

    def asked_cities(self) -> frozenset[str]:
        """Return the keys of cities of which any day was ever asked for, or is held."""
        with self._database.read() as connection:
            return city_day_reads.select_asked_cities(connection)

    def pending(self, ref: int) -> frozenset[CityDay]:
        """Return the city-days that still wait for a job."""
        with self._database.read() as connection:
            return city_day_reads.select_pending(connection, ref)

    # Asking

    def add_planned(
        self,
        request: JobRequest,
        wanted: Collection[CityDay],
        now: datetime,
        *,
        by_recovery: bool = False,
    ) -> VendorJob:
        """Record a job to be sent; its wanted city-days are `requested` from now on.

        Raises:
            LedgerError: one of them waits for another job, or was erased.
        """
        feed = request.feed.name
        with self._database.write() as connection:
            ref = job_rows.insert_job(connection, request, now)
            marked = city_day_rows.request_rows(
                connection, feed, wanted, ref, now, by_recovery=by_recovery
            )
            if marked != len(set(wanted)):
                raise LedgerError(
                    f"{feed}: another process asked for, or erased, some of "
                    f"{len(set(wanted))} city-days at the same moment; ask again"
                )
            return job_rows.one_job(connection, ref)

    def attach(
        self,
        ref: int,
        wanted: Collection[CityDay],
        now: datetime,
        *,
        by_recovery: bool = False,
    ) -> bool:
        """Let more city-days wait for a job that is already bought and covers them.

        Returns:
            False where the job ended meanwhile without a delivery: nothing waits for it.
        """
        with self._database.write() as connection:
            job = job_rows.locked_job(connection, ref)
            if not job.state.may_deliver:
                return False
            city_day_rows.request_rows(
                connection, job.feed, wanted, ref, now, by_recovery=by_recovery
            )
            return True

    def mark_submitting(self, ref: int, now: datetime) -> None:
        """Record that a job is about to be sent.

        Raises:
            LedgerError: another process gave it up, or sent it: do not send it.
        """
        with self._database.write() as connection:
            is_marked = job_rows.update_job(
                connection,
                ref,
                only_from=UNSENT_JOB_STATES,
                state=JobState.SUBMITTING,
                submitting_at=now,
            )
            if not is_marked:
                raise LedgerError(
                    f"another process gave up or sent the vendor job with ref {ref} at "
                    "the same moment; nothing was sent, ask again"
                )

    def mark_submitted(self, ref: int, job_id: str, now: datetime) -> None:
        """Record that the vendor accepted a job, under this id.

        A job that another process gave up meanwhile is open again: it is paid for.

        Raises:
            LedgerError: the vendor repeats an id.
        """
        with self._database.write() as connection:
            job_rows.record_bought(connection, ref, job_id, now)

    def withdraw(self, ref: int, reason: str, now: datetime) -> None:
        """Give up a job of which nothing was bought; its city-days are what they were.

        Args:
            ref: the job; without a vendor's id.
            reason: why; said of its city-days that were never requested before, too.
            now: time of the change.
        """
        with self._database.write() as connection:
            withdrawn = job_rows.update_job(
                connection,
                ref,
                only_from=UNSENT_JOB_STATES,
                state=JobState.REFUSED,
                error=reason,
                finished_at=now,
            )
            if not withdrawn:
                raise LedgerError(f"the vendor job with ref {ref} was bought: keep it")
            city_day_rows.restore_rows(connection, ref, None, reason, now)

    def release(
        self, ref: int, days: Collection[CityDay], reason: str, now: datetime
    ) -> None:
        """Make some city-days that wait for a job what they were before."""
        with self._database.write() as connection:
            city_day_rows.restore_rows(connection, ref, days, reason, now)

    def defer(
        self, feed: str, days: Collection[CityDay], reason: str, now: datetime
    ) -> None:
        """Record city-days that were not asked for because the quota is used up."""
        with self._database.write() as connection:
            city_day_rows.defer_rows(connection, feed, days, reason, now)

    # Following

    def mark_status(
        self,
        ref: int,
        state: JobState,
        now: datetime,
        *,
        bucket: str | None = None,
        folder_path: str | None = None,
        error: str | None = None,
    ) -> None:
        """Record what the vendor says of an open job; a finished one stays so."""
        values: dict[str, object] = {"state": state}
        if not state.is_open:
            values["finished_at"] = now
        told = {"bucket": bucket, "folder_path": folder_path, "error": error}
        values |= {name: text for name, text in told.items() if text is not None}
        with self._database.write() as connection:
            job_rows.update_job(connection, ref, only_from=OPEN_JOB_STATES, **values)

    def close_job(
        self,
        ref: int,
        job_state: JobState,
        city_day_state: CityDayState,
        reason: str,
        now: datetime,
    ) -> None:
        """Record that an open job gives nothing (more), and its pending city-days.

        One that finished meanwhile stays so: its city-days may be landing.
        """
        with self._database.write() as connection:
            is_closed = job_rows.update_job(
                connection,
                ref,
                only_from=OPEN_JOB_STATES,
                state=job_state,
                error=reason,
                finished_at=now,
            )
            if not is_closed:
                return
            pending = city_day_reads.select_pending(connection, ref)
            results = dict.fromkeys(pending, (city_day_state, reason))
            city_day_rows.settle_rows(connection, ref, results, now)

    def settle(
        self,
        ref: int,
        results: Mapping[CityDay, tuple[CityDayState, str]],
        now: datetime,
    ) -> frozenset[CityDay]:
        """Record how city-days of a job ended: state and reason.

        Returns:
            Those recorded; city-days of another job, or erased meanwhile, are not.
        """
        with self._database.write() as connection:
            return city_day_rows.settle_rows(connection, ref, results, now)

    def erase(
        self, feed: str, days: Collection[CityDay], reason: str, now: datetime
    ) -> None:
        """Record city-days as erased: they are never asked for, or landed, again."""
        with self._database.write() as connection:
            city_day_rows.erase_rows(connection, feed, days, reason, now)

    # Repairing

    def reindex(self, feed: str, lake: LakeIndex, now: datetime) -> Changes:
        """Bring a feed's city-days in line with its lake; see `compare_with_lake`."""
        with self._database.write() as connection:
            records = reindex_rows.select_all(connection, feed)
            changes = compare_with_lake(records, lake)
            reindex_rows.apply_changes(connection, feed, records, changes, now)
            return changes
