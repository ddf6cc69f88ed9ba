"""How fast presence is counted, against the same in pandas: `python -m bench.presence`.

Makes the positionfixes of one city-day, counts presence by region, hour and portrait with
our methods and with pandas' `groupby().nunique()`, compares the two answers, and prints a
table. Each method runs in turn in each round; CPU is user and system time of all threads,
and the fastest round of each counts.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import polars as pl

from bench.people import make_rng
from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.schemas.derived import POSITIONFIXES

DAY = date(2025, 6, 11)
FIXES_PER_DEVICE, REGIONS, PLACES_PER_DEVICE = 40, 1_500, 4
WANTED_FIXES_PER_CPU_S = 500_000
"""Of the issue that asked for presence."""


def main() -> None:
    """Measure, print a table, and fail where the answers differ or the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.presence")
    parser.add_argument("--fixes", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    fixes, profiles = make_day(arguments.fixes)
    frames = fixes.to_pandas(), profiles.to_pandas()
    methods: dict[str, Callable[[], pl.DataFrame]] = {
        "ours": lambda: count_presence(make_device_hours(fixes, DAY), profiles),
        "pandas": lambda: count_with_pandas(*frames),
    }
    cpu_s = dict.fromkeys(methods, float("inf"))
    answers: dict[str, pl.DataFrame] = {}
    for _ in range(arguments.rounds):
        for name, method in methods.items():
            started = time.process_time()
            answers[name] = method()
            cpu_s[name] = min(cpu_s[name], time.process_time() - started)
    if not answers["ours"].equals(answers["pandas"]):
        sys.exit("the two methods differ: no figure is worth anything")
    print(_table(cpu_s, fixes.height))
    print(f"\nTarget: ours ≥ {WANTED_FIXES_PER_CPU_S / 1e6:g} M fixes a CPU second.")
    if fixes.height / cpu_s["ours"] < WANTED_FIXES_PER_CPU_S:
        sys.exit(f"ours is below {WANTED_FIXES_PER_CPU_S:,} fixes a CPU second")


def make_day(fixes_count: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Make sorted positionfixes of a UTC day, and profiles of half the people."""
    rng = make_rng(6, fixes_count)
    devices_count = max(1, fixes_count // FIXES_PER_DEVICE)
    names = pl.Series(
        [
            f"{number:08x}-5f1e-4b6c-9d2a-{number:012x}"
            for number in range(devices_count)
        ]
    )
    device = rng.integers(0, devices_count, fixes_count)
    places = rng.integers(0, REGIONS, (devices_count, PLACES_PER_DEVICE))
    region = places[device, rng.integers(0, PLACES_PER_DEVICE, fixes_count)]
    start = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp())
    at = pl.from_epoch(
        pl.Series(start * 1_000_000 + rng.integers(0, 86_400_000_000, fixes_count)),
        "us",
    )
    rows = pl.DataFrame(
        {
            "device_id": names.gather(device),
            "at": at.dt.replace_time_zone("UTC"),
            "lat": rng.random(fixes_count),
            "lon": rng.random(fixes_count),
            "horizontal_accuracy_m": rng.random(fixes_count) * 100,
            "region_id": pl.Series(np.arange(REGIONS)).cast(pl.String).gather(region),
        }
    ).with_columns(
        local_date=pl.lit(DAY),
        hour_at=pl.col("at").dt.truncate("1h"),
        local_hour=pl.col("at").dt.hour(),
        is_inside=pl.lit(True),
    )
    fixes = rows.select(POSITIONFIXES.schema.names).sort(POSITIONFIXES.key)
    half = names.gather(np.arange(0, devices_count, 2))
    profiles = pl.DataFrame(
        {
            "device_id": half,
            "gender": pl.Series(["male", "female"]).gather(
                rng.integers(0, 2, len(half))
            ),
            "age": pl.Series(rng.integers(0, 100, len(half)), dtype=pl.Int16),
        }
    )
    return fixes, profiles


def count_with_pandas(fixes: pd.DataFrame, profiles: pd.DataFrame) -> pl.DataFrame:
    """Count distinct devices by region, hour and portrait, as one does with pandas."""
    by = ["hour_at", "local_hour", "region_id"]
    merged = fixes.merge(profiles, on="device_id", how="left")
    gender, age = merged["gender"], merged["age"]
    portraits = (
        gender.notna() | gender.isna(),
        gender == "male",
        gender == "female",
        (age >= 10) & (age < 20),
        (age >= 20) & (age < 40),
        age >= 40,
        gender.isna(),
    )
    counts = pd.concat(
        {
            number: merged[who].groupby(by)["device_id"].nunique()
            for number, who in enumerate(portraits)
        },
        axis=1,
    )
    table = counts.fillna(0).rename_axis(columns="portrait_id")
    long = table.reset_index().melt(by, value_name="devices_count")
    rows = pl.from_pandas(long)
    kinds = {"portrait_id": pl.Int8, "devices_count": pl.Int32}
    instants = pl.Datetime("us", "UTC")
    return rows.cast({**kinds, "local_hour": pl.Int8, "hour_at": instants}).sort(
        "hour_at", "region_id", "portrait_id"
    )


def _table(cpu_s: dict[str, float], fixes_count: int) -> str:
    lines = ["| who | CPU s | M fixes per CPU s | times ours |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {seconds:.2f} | {fixes_count / seconds / 1e6:.2f} "
        f"| {seconds / cpu_s['ours']:.1f} |"
        for name, seconds in cpu_s.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
