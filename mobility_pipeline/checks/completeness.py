"""Is every day of every city there, and is each city up to date?"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

from mobility_pipeline.checks.finding import Finding, failed, passed, warned
from mobility_pipeline.lake.coverage import Gap

RECENT_DAYS = 3
"""A day missing for no longer than this is a warning: the daily load asks again."""
GRACE_DAYS = 2
"""Days a city may be behind the newest available day: one failed load and its repeat."""
_NAMED_AT_MOST = 20
"""Ranges or cities named in one message; the metadata has all."""


def no_missing_dates(
    gaps: Sequence[Gap], newest: date, *, recent_days: int = RECENT_DAYS
) -> Finding:
    """Judge whether a feed misses any day of any city.

    Args:
        gaps: of one feed, from `find_gaps`.
        newest: the newest day worth asking for.
        recent_days: age of a missing day, against `newest`, above which it is an error.

    Returns:
        Not passed where there is any gap: a warning while every missing day is recent, else
        an error. The message names cities and ranges, the longest first.
    """
    name = "no_missing_dates"
    if not gaps:
        text = f"no city misses a day up to {newest}"
        return passed(name, text, {"missing_city_days": 0, "cities": 0})
    days = sum(gap.days for gap in gaps)
    cities = len({gap.city for gap in gaps})
    oldest = min(gap.start for gap in gaps)
    # The longest are what a reader has to act on.
    named = [_describe(gap) for gap in sorted(gaps, key=_length_first)]
    numbers = {
        "missing_city_days": days,
        "cities": cities,
        "oldest_missing": oldest.isoformat(),
        "ranges": tuple(named),
    }
    text = f"{days} city-days of {cities} cities are missing: {_name_some(named)}"
    age = (newest - oldest).days
    return (failed if age > recent_days else warned)(name, text, numbers)


def city_freshness(
    city: str,
    newest_delivered: date | None,
    newest: date,
    *,
    grace_days: int = GRACE_DAYS,
) -> Finding:
    """Judge whether a city's newest delivered day is recent enough.

    Args:
        city: its key.
        newest_delivered: null = nothing of the city was ever delivered.
        newest: the newest day worth asking for: today minus the vendor's lag.
        grace_days: days it may be behind that.

    Returns:
        An error where the city is behind; a city never delivered is behind by no number.
    """
    name = "city_freshness"
    if newest_delivered is None:
        text = f"{city}: no day was ever delivered; request it"
        return failed(name, text, {"city": city})
    behind = max((newest - newest_delivered).days, 0)
    numbers = {
        "city": city,
        "newest_delivered": newest_delivered.isoformat(),
        "days_behind": behind,
    }
    text = f"{city}: newest delivered day {newest_delivered}, {behind} days behind {newest}"
    if behind > grace_days:
        return failed(name, text, numbers)
    return passed(name, text, numbers)


def feed_freshness(findings: Sequence[Finding]) -> Finding:
    """Sum up the freshness of every city of a feed, naming those behind.

    Args:
        findings: one per expected city, from `city_freshness`.
    """
    late = [finding for finding in findings if not finding.passed]
    numbers = {"cities": len(findings), "cities_behind": len(late)}
    if not findings:
        return passed("city_freshness", "no city is expected yet", numbers)
    if not late:
        text = f"all {len(findings)} cities are up to date"
        return passed("city_freshness", text, numbers)
    named = [finding.message for finding in late]
    text = f"{len(late)} of {len(findings)} cities are behind: {_name_some(named)}"
    return failed("city_freshness", text, {**numbers, "behind": tuple(named)})


def expected_to_be_fresh(
    expected: Mapping[str, date], newest: date, *, grace_days: int = GRACE_DAYS
) -> list[str]:
    """Return the cities expected for long enough to be judged, sorted."""
    return sorted(
        city
        for city, first in expected.items()
        if first <= newest - timedelta(days=grace_days)
    )


def _length_first(gap: Gap) -> tuple[int, str, date]:
    return -gap.days, gap.city, gap.start


def _describe(gap: Gap) -> str:
    days = f"{gap.start}" if gap.days == 1 else f"{gap.start} to {gap.end}"
    return f"{gap.city} {days} ({gap.reason})"


def _name_some(named: Iterable[str]) -> str:
    texts = [*named]
    more = len(texts) - _NAMED_AT_MOST
    return "; ".join(texts[:_NAMED_AT_MOST]) + (
        f"; and {more} more" if more > 0 else ""
    )
