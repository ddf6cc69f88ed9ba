"""How fast stops are found, against two peers: `python -m bench.staypoints`.

`make .venv-peers/ready` makes the environment of scikit-mobility, which needs a pandas of
its own time; trackintel is in ours. Generates tracks without silences, where the three
mean the same by a stop, finds stops with each, compares the answers, and prints a table;
the peers get fewer tracks, since they take long.
CPU is user and system time of all threads, in the method alone; ours runs on a few fixes
first, which compiles it; the fastest round of each counts.

`python -m bench.staypoints --fixture` makes anew what tests hold against scikit-mobility,
and measures nothing.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pandas as pd
import polars as pl
import trackintel as ti
from trackintel.preprocessing import generate_staypoints

from mobility_pipeline.analytics.staypoints import SILENCE_S, detect_staypoints
from mobility_pipeline_tests.analytics.tracks import (
    NOWHERE,
    cut_at_silences,
    make_tracks,
)

WANTED_FIXES_PER_CPU_S = 1_000_000
"""Of the issue that asked for staypoints."""
FIXTURE = Path("mobility_pipeline_tests/analytics/scikit_mobility_stops.csv")
PEERS = ("trackintel", "scikit-mobility")
_KEY = ["device_id", "started_at"]
_INSTANT = pl.Datetime("us", "UTC")
_Result = tuple[pl.DataFrame, float]
"""Stops, and the CPU seconds of the fastest round."""


def main() -> None:
    """Measure, print a table, and fail where answers differ or the target is missed."""
    arguments = _parse()
    if arguments.fixture:
        stops, _ = run_scikit_mobility(make_fixture_fixes(), 1, arguments.peers)
        stops.write_csv(FIXTURE)
        return
    length: int = arguments.fixes_per_device
    ours, peers = _make(arguments.fixes, length), _make(arguments.peer_fixes, length)
    detect_staypoints(ours.head(1_000), NOWHERE)
    rounds: int = arguments.rounds
    positionfixes = make_trackintel_fixes(peers)
    results = {
        "ours": _measure(lambda: detect_staypoints(ours, NOWHERE), rounds),
        "trackintel": _measure(lambda: find_with_trackintel(positionfixes), rounds),
        "scikit-mobility": run_scikit_mobility(peers, rounds, arguments.peers),
    }
    expected = _times(detect_staypoints(peers, NOWHERE))
    for name in PEERS:
        if not _times(results[name][0]).equals(expected):
            sys.exit(f"{name} finds other stops: no figure is worth anything")
    counts = {name: (peers if name in PEERS else ours).height for name in results}
    speeds = {name: counts[name] / seconds for name, (_, seconds) in results.items()}
    print(_table(counts, speeds))
    print(f"\nTarget: ours ≥ {WANTED_FIXES_PER_CPU_S / 1e6:g} M fixes a CPU second.")
    if speeds["ours"] < WANTED_FIXES_PER_CPU_S:
        sys.exit(f"ours is below {WANTED_FIXES_PER_CPU_S:,} fixes a CPU second")


def make_fixture_fixes() -> pl.DataFrame:
    """Make tracks with silences, each stretch between two of them a device."""
    fixes = make_tracks(8, devices=6, fixes=200, silent=0.02)
    return cut_at_silences(fixes, SILENCE_S)


def make_trackintel_fixes(fixes: pl.DataFrame) -> gpd.GeoDataFrame:
    """Make what trackintel takes for positionfixes."""
    frame = fixes.select("device_id", "at", "lon", "lat").to_pandas()
    points = gpd.GeoDataFrame(
        {"user_id": frame["device_id"], "tracked_at": frame["at"]},
        geometry=gpd.points_from_xy(frame["lon"], frame["lat"]),
        crs="EPSG:4326",
    )
    return ti.Positionfixes(points)


def find_with_trackintel(positionfixes: gpd.GeoDataFrame) -> pl.DataFrame:
    """Find stops as we mean them where no device is silent for long."""
    _, stops = generate_staypoints(
        positionfixes,
        method="sliding",
        dist_threshold=200,
        time_threshold=20,
        gap_threshold=1e6,
        include_last=True,
    )
    places = {"lon": stops.geometry.x, "lat": stops.geometry.y}
    kept = pd.DataFrame(stops[["user_id", "started_at", "finished_at"]])
    found = pl.from_pandas(kept.assign(**places)).rename({"user_id": "device_id"})
    return found.cast({"started_at": _INSTANT, "finished_at": _INSTANT}).sort(_KEY)


def run_scikit_mobility(fixes: pl.DataFrame, rounds: int, peers: Path) -> _Result:
    """Find stops in the environment of scikit-mobility."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "fixes.csv"), Path(folder, "stops.csv")
        written = fixes.select(
            uid="device_id",
            datetime=pl.col("at").dt.replace_time_zone(None),
            lng="lon",
            lat="lat",
        )
        written.write_csv(source)
        program = Path(__file__).with_name("peer_staypoints.py")
        answer = subprocess.run(
            [peers / "bin" / "python", program, source, target, str(rounds)],
            check=True,
            capture_output=True,
            text=True,
        )
        stops = pl.read_csv(target, try_parse_dates=True)
    names = ("device_id", "started_at", "finished_at", "lon", "lat")
    found = stops.rename(dict(zip(stops.columns, names, strict=True)))
    instants = pl.col("started_at", "finished_at").dt.replace_time_zone("UTC")
    found = found.with_columns(instants.dt.cast_time_unit("us")).sort(_KEY)
    return found, min(json.loads(answer.stdout))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.staypoints")
    parser.add_argument("--fixes", type=int, default=2_000_000)
    parser.add_argument("--peer-fixes", type=int, default=100_000, help="for the peers")
    # Long tracks favour the peers: each device costs them besides its fixes.
    parser.add_argument("--fixes-per-device", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-peers"), help="their environment"
    )
    parser.add_argument("--fixture", action="store_true", help=f"write {FIXTURE}")
    arguments = parser.parse_args()
    if not (arguments.peers / "bin" / "python").exists():
        parser.error(f"{arguments.peers} is not there: make .venv-peers/ready")
    return arguments


def _make(count: int, length: int) -> pl.DataFrame:
    return make_tracks(6, devices=max(1, count // length), fixes=length)


def _measure(method: Callable[[], pl.DataFrame], rounds: int) -> _Result:
    cpu_s: list[float] = []
    stops = pl.DataFrame()
    for _ in range(rounds):
        started = time.process_time()
        stops = method()
        cpu_s.append(time.process_time() - started)
    return stops, min(cpu_s)


def _times(stops: pl.DataFrame) -> pl.DataFrame:
    return stops.select(*_KEY, "finished_at")


def _table(counts: dict[str, int], speeds: dict[str, float]) -> str:
    lines = ["| who | fixes | M fixes per CPU s | slower than ours |"]
    lines += ["|---|--:|--:|--:|"]
    lines += [
        f"| {name} | {counts[name]:,} | {speed / 1e6:.2f} "
        f"| {speeds['ours'] / speed:.0f} × |"
        for name, speed in speeds.items()
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
