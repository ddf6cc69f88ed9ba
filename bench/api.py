"""How fast the HTTP API answers: `python -m bench.api`.

Derives a made-up city-day of Vancouver into an S3 server, starts `mobility api` as people
do, and lets 50 clients ask at once, each its next question as soon as it has its answer:
counts, portraits and flows of regions and hours drawn at random, so that most questions are
new. Server, S3 and clients share the machine's cores. Each answer's status is checked.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from bench.people import make_rng
from bench.presence import DAY, make_day
from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.flows import count_flows
from mobility_pipeline.analytics.local_time import hours_of
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.derived_manifest import Input, Origin, RegionSource
from mobility_pipeline.resources.analytics import open_derived_tables
from mobility_pipeline.resources.clients import open_api_keys, open_registry
from mobility_pipeline.resources.regions import open_region_map
from mobility_pipeline.sandbox.launch import SHIPPED_CITIES, Sandbox
from mobility_pipeline.schemas.derived import DEVICE_HOURS, FLOWS, PRESENCE
from mobility_pipeline.settings import Settings, child_environment, read_settings

CITY = "canada/british_columbia/vancouver"
PORT = 18_643
CLIENTS = 50
WANTED_P95_S = 0.050
"""Of the issue that asked for the API, on 2 cores."""
_WARM_UP_S = 3


def main() -> None:
    """Measure, print, and fail where an answer is wrong or the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.api")
    parser.add_argument("--fixes", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _world(Path(folder)) as environment:
        settings = read_settings(environment)
        regions = publish_day(settings, arguments.fixes)
        key = open_api_keys(settings).create("bench", "read", datetime.now(UTC))
        with _server(environment, arguments.workers) as server:
            asyncio.run(ask_all(key, regions, _WARM_UP_S))  # what is read once
            cpu_s = -_cpu_s(server.pid)
            taken = asyncio.run(ask_all(key, regions, arguments.seconds))
            cpu_s += _cpu_s(server.pid)
    p50, p95, p99 = np.quantile(taken, [0.5, 0.95, 0.99])
    print(
        f"{CLIENTS} clients, {len(regions)} regions × 24 hours: "
        f"{len(taken) / arguments.seconds:,.0f} answers/s; "
        f"p50 {p50 * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms; "
        f"{cpu_s / len(taken) * 1000:.2f} CPU ms an answer in the server. "
        f"Target: p95 < {WANTED_P95_S * 1000:.0f} ms."
    )
    if p95 > WANTED_P95_S:
        sys.exit(f"p95 is above {WANTED_P95_S * 1000:.0f} ms")


def publish_day(settings: Settings, fixes_count: int) -> list[str]:
    """Derive a day of the city; returns its regions."""
    city = open_registry(settings).load().find(CITY)
    found = open_region_map(settings, city)
    ids = found.regions["region_id"]
    fixes, profiles = make_day(fixes_count)
    number = fixes["region_id"].cast(pl.Int64) % len(ids)
    hours = hours_of(DAY, city.time_zone)
    first = hours[0] - datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)
    local = fixes.with_columns(
        pl.col("hour_at", "at") + first, region_id=ids.gather(number)
    )
    device_hours = make_device_hours(local, DAY)
    origin = Origin(
        [Input(uri="s3://b/made-up", sha256="0" * 64)],
        RegionSource(layer=found.layer, sha256=found.sha256),
        hours.to_list(),
        len(hours),
    )
    tables, city_day = open_derived_tables(settings), CityDay(CITY, DAY)
    tables.write(DEVICE_HOURS, city_day, device_hours, origin)
    tables.write(PRESENCE, city_day, count_presence(device_hours, profiles), origin)
    flows = count_flows(device_hours, None, profiles, hours.to_list(), city.time_zone)
    tables.write(FLOWS, city_day, flows, origin)
    return ids.to_list()


async def ask_all(key: str, regions: list[str], seconds: float) -> list[float]:
    """Let every client ask until the time is over; returns seconds of each answer."""
    end = time.monotonic() + seconds
    clients = (
        _ask_until(key, regions, number, end) for number in range(1, CLIENTS + 1)
    )
    return [taken for answers in await asyncio.gather(*clients) for taken in answers]


async def _ask_until(
    key: str, regions: list[str], number: int, end: float
) -> list[float]:
    rng = make_rng(6, number)
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    taken: list[float] = []
    while (started := time.monotonic()) < end:
        path = _choose_question(rng, regions)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: api\r\nX-API-Key: {key}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"{path} was answered {head[:40]!r}")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r")[0]
        await reader.readexactly(int(length))
        taken.append(time.monotonic() - started)
    writer.close()
    return taken


def _choose_question(rng: np.random.Generator, regions: list[str]) -> str:
    region = regions[rng.integers(len(regions))]
    hour = f"{DAY:%Y%m%d}{rng.integers(1, 24):02}"
    before = f"{DAY:%Y%m%d}{int(hour[-2:]) - 1:02}"
    questions = (
        f"userCountByRegionAndTime?region_id={region}&produce_hour={hour}&portrait_id=1",
        f"regionPortrait?region_id={region}&produce_hour={hour}",
        f"regionInflowOutflow?region_id={region}&start_time={before}&end_time={hour}",
    )
    return f"/v1/{questions[rng.integers(len(questions))]}"


@contextmanager
def _world(home: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a registry of one city, on an S3 server."""
    target = home / "cities" / f"{CITY}.geojson"
    target.parent.mkdir(parents=True)
    target.write_bytes((SHIPPED_CITIES / f"{CITY}.geojson").read_bytes())
    with Sandbox.start(home / "sandbox") as sandbox:
        yield {
            **sandbox.environment,
            "MOBILITY_HOME": str(home / "home"),
            "MOBILITY_CITIES": str(home / "cities"),
            "DAGSTER_HOME": str(home / "dagster"),
            "ANALYTICS_MIN_DEVICES": "2",
            "API_RATE_LIMIT": "1000000/second",
        }


def _cpu_s(pid: int) -> float:
    """Return user and system time of a process since its start; not of its workers."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _server(
    environment: dict[str, str], workers: int
) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "mobility_pipeline.cli", "api"]
    command += ["--workers", str(workers)]
    process = subprocess.Popen(
        [*command, "--port", str(PORT)], env=child_environment(**environment)
    )
    try:
        _wait_for_port(process)
        yield process
    finally:
        process.terminate()
        process.wait()


def _wait_for_port(process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    sys.exit("the API did not start")


if __name__ == "__main__":
    main()
