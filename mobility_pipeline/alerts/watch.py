"""Look at everything that can be wrong, and say what is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mobility_pipeline.alerts.missing import OF_A_JOB, find_missing_problems
from mobility_pipeline.alerts.outlook import Outlook
from mobility_pipeline.alerts.problems import ALL_FEEDS, Assessment, Kind, Problem
from mobility_pipeline.alerts.runs import RunEnd, find_run_problems
from mobility_pipeline.checks.completeness import GRACE_DAYS
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.days import expected_city_days, first_days
from mobility_pipeline.cities.registry import Cities, RefusedCity
from mobility_pipeline.errors import MobilityError, UsageError
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import Missing, VendorJob


@dataclass(frozen=True)
class Watch:
    """What is looked at, as settings and schedules say."""

    feeds: Sequence[str]
    """Enabled ones."""
    start: date
    """MOBILITY_START_DATE."""
    newest: date
    """Newest day worth asking for."""
    outlook: Outlook


def assess(
    watch: Watch,
    ledger: Ledger,
    load_cities: Callable[[], Cities],
    run_ends: Iterable[RunEnd],
    now: datetime,
) -> Assessment:
    """Say what is wrong.

    A registry that cannot be read is a problem of its own: what is missing is not known
    then, and no alert is over.

    Raises:
        LedgerError: the ledger cannot be read, so nothing is known.
    """
    run_problems, got_through = find_run_problems(run_ends)
    try:
        cities = load_cities()
        if not cities.active:
            raise UsageError("no active city at MOBILITY_CITIES: nothing is asked for")
    except MobilityError as error:
        return Assessment(
            (_unreadable(error), *run_problems),
            unjudged_feeds=frozenset({ALL_FEEDS, *watch.feeds}),
            got_through=got_through,
        )
    expected = first_days(cities.active.values(), watch.start)
    refused = [_describe_refused(city) for city in cities.refused]
    missing: list[Problem] = []
    on_their_way: dict[str, frozenset[CityDay]] = {}
    for feed in watch.feeds:
        found, on_their_way[feed] = _assess_feed(watch, ledger, feed, expected, now)
        missing += found
    return Assessment(
        (*refused, *missing, *run_problems),
        on_their_way=on_their_way,
        unjudged_cities=frozenset(city.name for city in cities.refused),
        got_through=got_through,
    )


def _assess_feed(
    watch: Watch,
    ledger: Ledger,
    feed: str,
    expected: Mapping[str, date],
    now: datetime,
) -> tuple[list[Problem], frozenset[CityDay]]:
    wanted = expected_city_days(expected, min(expected.values()), watch.newest)
    missing = ledger.missing(feed, wanted)
    return find_missing_problems(
        feed,
        missing,
        _find_jobs(ledger, feed, missing),
        watch.outlook,
        requested_until=watch.newest - timedelta(days=GRACE_DAYS),
        now=now,
    )


def _find_jobs(
    ledger: Ledger, feed: str, missing: Iterable[Missing]
) -> dict[int, VendorJob]:
    """Return the jobs that are live, and those to blame for something."""
    blamed = {
        alike.record.job_ref
        for alike in missing
        if alike.record and alike.record.job_ref and alike.record.state in OF_A_JOB
    }
    found = [*ledger.live_jobs(feed), *ledger.jobs_of(blamed)]
    return {job.ref: job for job in found}


def _unreadable(error: MobilityError) -> Problem:
    return Problem(
        feed=ALL_FEEDS,
        kind=Kind.PROJECT,
        subject="registry of cities",
        reason=error.error_type,
        what=f"what is missing cannot be told: {error}",
        by_itself="It is read again every few minutes; nothing is loaded meanwhile.",
        by_person="Correct what the message names; `mobility doctor` tries it.",
    )


def _describe_refused(city: RefusedCity) -> Problem:
    return Problem(
        feed=ALL_FEEDS,
        kind=Kind.PROJECT,
        subject=city.name,
        reason="city_refused",
        what=f"the city is refused, so nothing is loaded for it: {'; '.join(city.problems)}",
        by_itself="Nothing.",
        by_person="Correct its file; `mobility cities list` tries it.",
    )
