"""Is a city-day as large as the same weekday of the weeks before?"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from mobility_pipeline.checks.finding import Finding, passed, warned

BASELINE_WEEKS = 8
MIN_WEEKS = 3
"""With fewer there is nothing to compare with, and the check says nothing."""
MIN_SHARE = 0.7
"""Of the median; Veraset's panel moves by a few per cent from week to week."""
MAX_DEVIATIONS = 3.0


@dataclass(frozen=True)
class Volume:
    """How much one city-day holds."""

    rows: int
    devices: int


def baseline_days(day: date, *, weeks: int = BASELINE_WEEKS) -> list[date]:
    """Return the same weekday of the weeks before, newest first."""
    return [day - timedelta(weeks=week) for week in range(1, weeks + 1)]


def volume_within_baseline(
    volume: Volume,
    baseline: Sequence[Volume],
    *,
    min_share: float = MIN_SHARE,
    max_deviations: float = MAX_DEVIATIONS,
    min_weeks: int = MIN_WEEKS,
) -> Finding:
    """Judge whether rows and devices are those of a usual day of this weekday.

    Args:
        volume: of the day judged.
        baseline: of the same weekday of earlier weeks. A day known to be empty is one of 0
            rows; a missing day is left out, as it says nothing.
        min_share: of the median, below which it is too little.
        max_deviations: sample standard deviations from the mean, on either side.
        min_weeks: passes with fewer.

    Returns:
        A warning at most. A median of 0 gives no share, equal days give no deviation.
    """
    name = "volume_within_baseline"
    numbers: dict[str, str | int | float] = {
        "rows": volume.rows,
        "devices": volume.devices,
        "weeks": len(baseline),
    }
    if len(baseline) < min_weeks:
        text = f"{len(baseline)} earlier weeks, of {min_weeks} needed: not judged"
        return passed(name, text, numbers)
    problems: list[str] = []
    for what, value, known in (
        ("rows", volume.rows, [past.rows for past in baseline]),
        ("devices", volume.devices, [past.devices for past in baseline]),
    ):
        median = statistics.median(known)
        numbers[f"median_{what}"] = float(median)
        if median > 0:
            share = value / median
            numbers[f"{what}_of_median"] = round(share, 3)
            if share < min_share:
                problems.append(
                    f"{value} {what} are {share:.0%} of the usual {median:g}"
                )
                continue
        deviation = statistics.stdev(known)
        if deviation > 0:
            z = (value - statistics.mean(known)) / deviation
            numbers[f"{what}_z"] = round(z, 2)
            if abs(z) > max_deviations:
                problems.append(
                    f"{value} {what} are {z:+.1f} standard deviations from the usual "
                    f"{median:g}"
                )
    if problems:
        return warned(name, "; ".join(problems), numbers)
    text = f"{volume.rows} rows and {volume.devices} devices, as usual on this weekday"
    return passed(name, text, numbers)
