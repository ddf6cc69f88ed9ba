"""Portraits: how many of the people in a region are of which gender and age band.

Portrait ids: 0 everybody · 1 male · 2 female · 3 = 10–19 · 4 = 20–39 · 5 = 40 years and
more · 6 unknown. Bands are half-open, [10, 20) [20, 40) [40, ∞): who is under 10, or of
unknown age, is in none. Unknown is who has no profile, or one without gender, so that
0 = 1 + 2 + 6 and 3 + 4 + 5 ≤ 0 for every set of people.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import polars as pl

_GENDER, _AGE = pl.col("gender"), pl.col("age")
PORTRAITS: Mapping[int, pl.Expr] = {
    0: pl.col("device_id").is_not_null(),
    1: _GENDER.eq_missing("male"),
    2: _GENDER.eq_missing("female"),
    3: _AGE.is_between(10, 20, closed="left").fill_null(False),
    4: _AGE.is_between(20, 40, closed="left").fill_null(False),
    5: (_AGE >= 40).fill_null(False),
    6: _GENDER.is_null(),
}
"""Portrait id -> who is in it: of rows with `device_id`, `gender` and `age`; never null."""


def portrait(
    device_hours: pl.DataFrame,
    region_id: str,
    hour_at: datetime | None,
    profiles: pl.DataFrame | None,
) -> pl.DataFrame:
    """Count the people of one region by portrait, each once.

    Args:
        device_hours: rows of `DEVICE_HOURS`, of any number of days.
        region_id: the region.
        hour_at: instant at which the local hour starts; null = all hours of the rows
            together, so that who stayed for several is still counted once.
        profiles: of `read_profiles`; null = nobody has one.

    Returns:
        `portrait_id`, `devices_count`: the portraits 0…6 in order, or no row where nobody
        was in the region, which is for the caller to tell from an hour without data.
    """
    rows = device_hours.filter(pl.col("region_id") == region_id)
    if hour_at is not None:
        rows = rows.filter(pl.col("hour_at") == hour_at.astimezone(UTC))
    people = rows.unique(["region_id", "device_id"])
    counted = count_by_portrait(
        people, ["region_id"], {"devices_count": pl.lit(True)}, profiles
    )
    return counted.drop("region_id").sort("portrait_id")


def choose_people(
    people: pl.DataFrame, portrait_id: int, profiles: pl.DataFrame | None
) -> pl.DataFrame:
    """Return the rows of the people of a portrait, in their order.

    Args:
        people: with `device_id`.
        portrait_id: one of `PORTRAITS`.
        profiles: of `read_profiles`; null = nobody has one.
    """
    known = _with_profiles(people, profiles).filter(PORTRAITS[portrait_id])
    return known.select(people.columns).collect()


def count_by_portrait(
    people: pl.DataFrame,
    by: Sequence[str],
    counts: Mapping[str, pl.Expr],
    profiles: pl.DataFrame | None,
) -> pl.DataFrame:
    """Count rows by group and portrait.

    Args:
        people: one row per group and device, with `device_id`.
        by: columns that make a group.
        counts: name of a count -> Boolean expression over `people`: which rows it counts.
        profiles: of `read_profiles`; null = nobody has one.

    Returns:
        One row per group that has a device and portrait 0…6, in no order: `by`,
        `portrait_id` (Int8) and the counts (Int32).
    """
    sums = {
        f"{name} {portrait_id}": (who & which).sum().cast(pl.Int32)
        for portrait_id, who in PORTRAITS.items()
        for name, which in counts.items()
    }
    wide = _with_profiles(people, profiles).group_by(by).agg(**sums).collect()
    return pl.concat(
        wide.select(
            *by,
            pl.lit(portrait_id, pl.Int8).alias("portrait_id"),
            *(pl.col(f"{name} {portrait_id}").alias(name) for name in counts),
        )
        for portrait_id in PORTRAITS
    )


def _with_profiles(people: pl.DataFrame, profiles: pl.DataFrame | None) -> pl.LazyFrame:
    if profiles is None:
        nothing = pl.lit(None)
        return people.lazy().with_columns(
            gender=nothing.cast(pl.String), age=nothing.cast(pl.Int16)
        )
    return people.lazy().join(
        profiles.lazy(), on="device_id", how="left", validate="m:1"
    )
