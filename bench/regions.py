"""How fast points get regions, against geopandas: `python -m bench.regions`.

Cuts a city into 5,000 polygons and asks for the polygon of each of a million points, with
our index and with `geopandas.sjoin`; compares the two answers, and prints a table. Then
makes positionfixes of a city-day of pings, which no library does. Each method runs in turn
in each round; CPU is user and system time of all threads, and the fastest round of each
counts. A layer's index is built once per run; its time is a line of its own.
"""

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import geopandas as gpd
import numpy as np
import pyarrow as pa
import shapely
from shapely.geometry import Polygon, box

from bench.people import make_rng
from mobility_pipeline.analytics.positionfixes import make_positionfixes
from mobility_pipeline.analytics.regions import RegionMap, h3_regions, polygon_regions
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.regions import Region, RegionLayer

DAY_START_US = int(datetime(2025, 6, 11, tzinfo=UTC).timestamp()) * 1_000_000
FRAME = box(-123.3, 49.1, -122.9, 49.4)
PINGS_PER_DEVICE, CORNERS_PER_EDGE_DEGREES = 30, 0.0005
WANTED_POINTS_PER_CPU_S = 1_000_000
"""Of the issue that asked for regions."""
CITY = City(
    "bench/bench/bench", "Bench", "Bench", "Bench", "CA", "America/Vancouver",
    "active", FRAME, None, "made here",
)  # fmt: skip


def main() -> None:
    """Measure, print a table, and fail where answers differ or the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.regions")
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--polygons", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    layer = make_layer(arguments.polygons)
    lon, lat = make_points(arguments.points)
    started = time.process_time()
    regions = polygon_regions(CITY, layer)
    build_s = time.process_time() - started
    grid, pings = h3_regions(CITY, 8), make_pings(arguments.points)
    methods: dict[str, Callable[[], Any]] = {
        "ours, polygons": lambda: regions.assign(lon, lat).to_list(),
        "geopandas.sjoin, polygons": lambda: join(layer, lon, lat),
        "ours, H3 cells": lambda: grid.assign(lon, lat),
        "ours, positionfixes in H3 cells": lambda: make_fixes(pings, grid),
    }
    cpu_s = dict.fromkeys(methods, float("inf"))
    answers: dict[str, Any] = {}
    for _ in range(arguments.rounds):
        for name, method in methods.items():
            started = time.process_time()
            answers[name] = method()
            cpu_s[name] = min(cpu_s[name], time.process_time() - started)
    if answers["ours, polygons"] != answers["geopandas.sjoin, polygons"]:
        sys.exit("the two methods differ: no figure is worth anything")
    print(_table(cpu_s, arguments.points))
    print(
        f"\nIndex of {arguments.polygons:,} polygons, once a run: {build_s:.2f} CPU s. "
        f"Target: ours ≥ {WANTED_POINTS_PER_CPU_S / 1e6:g} M points of polygons a CPU "
        "second."
    )
    if arguments.points / cpu_s["ours, polygons"] < WANTED_POINTS_PER_CPU_S:
        sys.exit(f"ours is below {WANTED_POINTS_PER_CPU_S:,} points a CPU second")


def make_layer(polygons: int) -> RegionLayer:
    """Cut the frame into polygons without overlap, with corners along their edges."""
    random = make_rng(6, polygons)
    west, south, east, north = FRAME.bounds
    seeds = random.uniform((west, south), (east, north), (polygons, 2))
    parts = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(seeds)))
    shapes = shapely.segmentize(
        shapely.intersection(parts, FRAME), CORNERS_PER_EDGE_DEGREES
    )
    regions = (
        Region(f"r{number:05}", "", shape)
        for number, shape in enumerate(shapes)
        if isinstance(shape, Polygon)
    )
    return RegionLayer("bench", "Bench", "made here", tuple(regions))


def make_points(points: int) -> tuple[Any, Any]:
    """Scatter points over the frame."""
    random = make_rng(7, points)
    west, south, east, north = FRAME.bounds
    return random.uniform(west, east, points), random.uniform(south, north, points)


def make_pings(pings: int) -> pa.Table:
    """Make a city-day as the lake has it: sorted by device and time, some of it bad."""
    random = make_rng(8, pings)
    devices = max(1, pings // PINGS_PER_DEVICE)
    device = np.sort(random.integers(0, devices, pings))
    names = np.array([f"{n:08x}-5f1e-4b6c-9d2a-{n:012x}" for n in range(devices)])
    second = random.integers(0, 86_400, pings)
    order = np.lexsort((second, device))
    home_lon, home_lat = make_points(devices)
    at = DAY_START_US + second[order] * 1_000_000
    return pa.table(
        {
            "ad_id": pa.array(names[device]),
            "caid": pa.nulls(pings, pa.string()),
            "utc_timestamp": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "latitude": home_lat[device] + random.normal(0, 0.001, pings),
            "longitude": home_lon[device] + random.normal(0, 0.001, pings),
            "horizontal_accuracy": random.exponential(80, pings),
        }
    )


def join(layer: RegionLayer, lon: Any, lat: Any) -> list[str | None]:
    """Ask geopandas; of two polygons that share a point's edge, the smaller wins."""
    areas = gpd.GeoDataFrame(
        {"id": [region.id for region in layer.regions]},
        geometry=[region.geometry for region in layer.regions],
        crs=4326,
    )
    areas["area"] = shapely.area(areas.geometry.to_numpy())
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs=4326)
    joined = gpd.sjoin(points, areas, how="left", predicate="intersects")
    if not joined.index.is_unique:
        joined = joined.sort_values(["area", "id"]).groupby(level=0).first()
    return [None if name != name else name for name in joined["id"].tolist()]


def make_fixes(pings: pa.Table, grid: RegionMap) -> int:
    """Make positionfixes, and count them."""
    return make_positionfixes(pings, CITY, grid).table.height


def _table(cpu_s: dict[str, float], points: int) -> str:
    peer_s = cpu_s["geopandas.sjoin, polygons"]
    lines = [
        "| who | CPU s | M points per CPU s | times geopandas' speed |",
        "|---|---|---|---|",
    ]
    for name, seconds in cpu_s.items():
        ratio = f"{peer_s / seconds:.1f}" if "polygons" in name else ""
        rate = points / seconds / 1e6
        lines.append(f"| {name} | {seconds:.2f} | {rate:.2f} | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
