"""Flows: who came into a region and who left it, from one hour to another.

With A and B the sets of devices in the region in the first and the second hour:
inflow = B - A, outflow = A - B, stay = A ∩ B; so |B| = |A| + inflow - outflow for every
portrait. A device without a fix in an hour was not seen there, which is not the same as
having gone: flows of sparse data are upper bounds of movement.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import polars as pl

from mobility_pipeline.analytics.local_time import hours_of, local_hours
from mobility_pipeline.analytics.portrait import count_by_portrait
from mobility_pipeline.analytics.shaping import shape_as
from mobility_pipeline.lake.derived import empty_rows
from mobility_pipeline.schemas.derived import FLOWS

_LONGEST_HOUR = timedelta(hours=1)
_INSTANT = pl.Datetime("us", "UTC")
_WAS, _IS = pl.col("was_here"), pl.col("is_here")
_COUNTS = {
    "inflow_count": _IS & ~_WAS,
    "outflow_count": _WAS & ~_IS,
    "stay_count": _WAS & _IS,
}


def count_flows(
    device_hours: pl.DataFrame,
    before: pl.DataFrame | None,
    profiles: pl.DataFrame | None,
    observed_hours: Collection[datetime],
    time_zone: str,
) -> pl.DataFrame:
    """Count the flows into each hour of a local day from the hour before, by portrait.

    Args:
        device_hours: rows of `DEVICE_HOURS` of one city and local day.
        before: the same of the local day before, whose last hour flows into the first one;
            null = not there.
        profiles: of `read_profiles`; null = nobody has one.
        observed_hours: instants at which the observed hours start: of the local day, and
            of the day before where `before` is given. Others do no harm.
        time_zone: the city's.

    Returns:
        Rows of `FLOWS`, sorted by its key: portraits 0…6 of each hour of the day and each
        region with a device in it or in the hour before. The counts are null where either
        hour was not observed. An hour that was not observed and has no device has no rows.
    """
    rows = device_hours if before is None else pl.concat([before, device_hours])
    if rows.is_empty():
        return empty_rows(FLOWS)
    steps = _steps_of_the_day(device_hours, before, time_zone)
    instants = [hour_at.astimezone(UTC) for hour_at in observed_hours]
    observed = pl.Series(instants, dtype=_INSTANT)
    if before is None:
        observed = observed.filter(observed.is_in(steps["hour_at"].implode()))
    was_observed, is_observed = (
        pl.col(name).is_in(observed.implode()) for name in ("was_at", "hour_at")
    )
    has_devices = pl.col("hour_at").is_in(device_hours["hour_at"].unique().implode())
    steps = steps.with_columns(is_known=was_observed & is_observed)
    people = _compare(rows, steps.filter(is_observed | has_devices))
    by = ["hour_at", "local_hour", "is_known", "region_id"]
    counted = count_by_portrait(people, by, _COUNTS, profiles)
    known = pl.when("is_known").then(pl.col(*_COUNTS))
    return shape_as(counted.with_columns(known), FLOWS)


def flow_between(
    device_hours: pl.DataFrame,
    region_id: str,
    hour_a: datetime,
    hour_b: datetime,
    profiles: pl.DataFrame | None,
) -> pl.DataFrame:
    """Compare who was in a region in two hours, whatever was between them.

    Args:
        device_hours: rows of `DEVICE_HOURS` that hold all of both hours, of all regions.
        region_id: the region.
        hour_a: instant at which the first local hour starts.
        hour_b: the second one's; need not be later.
        profiles: of `read_profiles`; null = nobody has one.

    Returns:
        `portrait_id` and the three counts of `FLOWS`: portraits 0…6 in order, or no row where
        the region had no device in either hour. The counts are null where one of the hours
        has no row of any region: it may not have been observed.
    """
    hour_a, hour_b = hour_a.astimezone(UTC), hour_b.astimezone(UTC)
    ends = device_hours.filter(pl.col("hour_at").is_in([hour_a, hour_b]))
    seen = ends.filter(pl.col("region_id") == region_id)
    people = seen.group_by("region_id", "device_id").agg(
        was_here=(pl.col("hour_at") == hour_a).any(),
        is_here=(pl.col("hour_at") == hour_b).any(),
    )
    counted = count_by_portrait(people, ["region_id"], _COUNTS, profiles)
    return _of_region(counted, ends["hour_at"].n_unique() == len({hour_a, hour_b}))


def flow_over(
    device_hours: pl.DataFrame,
    region_id: str,
    start_hour: datetime,
    end_hour: datetime,
    profiles: pl.DataFrame | None,
) -> pl.DataFrame:
    """Count the people who came into a region, left it or stayed while hours passed.

    Each person counts once in `inflow_count` who in any hour was there and not in the hour
    before, once in `outflow_count` who in any hour was not there and was in the hour before,
    and in `stay_count` who was there in every hour. Who left and came back is in both
    flows: for the balance |B| = |A| + inflow - outflow take `flow_between`, which this
    equals where the end is the hour after the start.

    Args:
        device_hours: rows of `DEVICE_HOURS` that hold all hours of the range, of all regions.
        region_id: the region.
        start_hour: instant at which the first local hour starts.
        end_hour: the last one's, later than `start_hour`.
        profiles: of `read_profiles`; null = nobody has one.

    Returns:
        As `flow_between`. The counts are null where any hour of the range has no row of any
        region: it may not have been observed.

    Raises:
        ValueError: the end is not after the start.
    """
    start_hour, end_hour = start_hour.astimezone(UTC), end_hour.astimezone(UTC)
    if start_hour >= end_hour:
        raise ValueError("end_hour must be later than start_hour")
    within = device_hours.filter(pl.col("hour_at").is_between(start_hour, end_hour))
    hours = within["hour_at"].unique().sort()
    steps = _step(hours)
    here = within.filter(pl.col("region_id") == region_id)
    people = (
        _compare(here, steps)
        .group_by("region_id", "device_id")
        .agg(
            inflow_count=_COUNTS["inflow_count"].any(),
            outflow_count=_COUNTS["outflow_count"].any(),
            stay_count=_COUNTS["stay_count"].sum() == steps.height,
        )
    )
    counts = {name: pl.col(name) for name in _COUNTS}
    counted = count_by_portrait(people, ["region_id"], counts, profiles)
    is_whole = {start_hour, end_hour} <= {*hours}
    is_known = is_whole and not (hours.diff() > _LONGEST_HOUR).any()
    return _of_region(counted, is_known)


def _steps_of_the_day(
    device_hours: pl.DataFrame, before: pl.DataFrame | None, time_zone: str
) -> pl.DataFrame:
    """Return each hour of the local day, its local hour and the hour before it."""
    if device_hours.height or before is None:
        today = local_hours(device_hours["hour_at"][:1], time_zone)["local_date"][0]
    else:
        last = local_hours(before["hour_at"][:1], time_zone)["local_date"][0]
        today = last + timedelta(days=1)
    evening = hours_of(today - timedelta(days=1), time_zone)[-1:]
    steps = _step(pl.concat([evening, hours_of(today, time_zone)]))
    local_hour = local_hours(steps["hour_at"], time_zone)["local_hour"]
    return steps.with_columns(local_hour)


def _step(hours: pl.Series) -> pl.DataFrame:
    """Pair each hour with the one before it; the first has none."""
    return pl.DataFrame({"was_at": hours[:-1], "hour_at": hours[1:]})


def _compare(device_hours: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Tell of each step, region and device whether it was and is there."""
    people = ["region_id", "device_id"]
    rows, pairs = device_hours.lazy(), steps.lazy()
    now = rows.select("hour_at", *people, was_here=False, is_here=True)
    earlier = rows.select(*people, was_at="hour_at", was_here=True, is_here=False)
    by = ["hour_at", *people]
    seen = pl.concat(
        side.join(pairs, on=on).select(*by, _WAS, _IS)
        for side, on in ((now, "hour_at"), (earlier, "was_at"))
    )
    return (
        seen.group_by(by).agg(_WAS.any(), _IS.any()).join(pairs, on="hour_at").collect()
    )


def _of_region(counted: pl.DataFrame, is_known: bool) -> pl.DataFrame:
    known = pl.when(is_known).then(pl.col(*_COUNTS))
    return counted.select("portrait_id", known).sort("portrait_id")
