"""A small world for the API: three cities, the worked example, and a server on loopback."""

import hashlib
import hmac
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import requests
import uvicorn
from fastapi import FastAPI
from limits import parse

from mobility_pipeline.analytics.device_hours import make_device_hours
from mobility_pipeline.analytics.flows import count_flows
from mobility_pipeline.analytics.local_time import hours_of
from mobility_pipeline.analytics.od import count_od
from mobility_pipeline.analytics.presence import count_presence
from mobility_pipeline.analytics.regions import RegionMap, cell_regions
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.lake.derived_manifest import Input, Origin, RegionSource
from mobility_pipeline.schemas.derived import DEVICE_HOURS, FLOWS, OD, PRESENCE
from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.app import make_app
from mobility_pipeline.serving.api.days import Days
from mobility_pipeline.serving.api.keys import ApiKeys
from mobility_pipeline.serving.api.places import Places
from mobility_pipeline_tests.analytics.fixes import Fix
from mobility_pipeline_tests.analytics.fixes import make_fixes as make_fixes
from mobility_pipeline_tests.cities.examples import make_city, make_square

DAY = date(2025, 6, 11)
SHANGHAI, VANCOUVER, TWIN = "china/shanghai", "canada/vancouver", "canada/twin"
ZONES = {
    SHANGHAI: "Asia/Shanghai",
    VANCOUVER: "America/Vancouver",
    TWIN: "America/Vancouver",
}
_REGIONS = {SHANGHAI: ("RA", "RB"), VANCOUVER: ("V1", "V2"), TWIN: ("V2", "T1")}
NOW = datetime(2025, 6, 13, tzinfo=UTC)
NOT_DELIVERED_DAY = date(2025, 6, 8)
_HOUR = timedelta(hours=1)


def make_map(city: City) -> RegionMap:
    """Cut a city into two regions of one cell each."""
    names = _REGIONS[city.key]
    cells = pl.DataFrame(
        {"cell_id": [f"c{name}" for name in names], "region_id": names}
    )
    places = pl.DataFrame(
        {"cell_id": cells["cell_id"], "lat": [49.27, 49.32], "lon": [-123.07, -123.02]}
    )
    return cell_regions(city, cells, places)


def make_cities() -> dict[str, City]:
    """Return three cities; two of them share a region id."""
    return {
        key: make_city(key, make_square(), time_zone=zone)
        for key, zone in ZONES.items()
    }


def publish(
    tables: DerivedTables,
    city: City,
    day: date,
    fixes: list[Fix],
    observed: list[datetime] | None = None,
    profiles: pl.DataFrame | None = None,
) -> None:
    """Derive a city's day from positionfixes, as the assets do."""
    zone = city.time_zone
    hours = hours_of(day, zone).to_list()
    observed = hours if observed is None else observed
    frame = make_fixes(fixes, zone)
    device_hours = make_device_hours(frame, day)
    found = make_map(city)
    origin = Origin(
        [Input(uri=f"s3://b/{city.key}/{day}", sha256="0" * 64)],
        RegionSource(layer=found.layer, sha256=found.sha256),
        observed,
        len(hours),
    )
    for table, rows in (
        (DEVICE_HOURS, device_hours),
        (PRESENCE, count_presence(device_hours, profiles)),
        (FLOWS, count_flows(device_hours, None, profiles, observed, zone)),
        (OD, count_od(frame, day)),
    ):
        tables.write(table, CityDay(city.key, day), rows, origin)


def states(city: str, start: date, end: date) -> Mapping[date, str]:
    """Say what the ledger knows: one day was not delivered, what is older not asked for."""
    del city
    length = (end - start).days + 1
    days = [start + timedelta(days=number) for number in range(length)]
    known = {day: "delivered" for day in days if day > NOT_DELIVERED_DAY}
    missing = {day: "not_delivered" for day in days if day == NOT_DELIVERED_DAY}
    return known | missing


def pseudonymize(devices: pl.Series) -> pl.Series:
    """Make keyed pseudonyms."""
    names = [
        hmac.new(b"secret", device.encode(), hashlib.sha256).hexdigest()
        for device in devices
    ]
    return pl.Series(names, dtype=pl.String)


@dataclass(frozen=True)
class Client:
    """Asks a running API with one key."""

    url: str
    keys: Mapping[str, str]
    """Name -> key."""

    def get(
        self,
        path: str,
        *,
        key: str | None = "reader",
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> requests.Response:
        """Ask; `key` names it, null = without."""
        sent = dict(headers or {})
        if key is not None:
            sent["X-API-Key"] = self.keys.get(key, key)
        asked = {name.rstrip("_"): value for name, value in query.items()}
        return requests.get(f"{self.url}{path}", params=asked, headers=sent, timeout=20)

    def data(self, path: str, **query: object) -> Any:
        """Return what is in the envelope of an answer."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


def make_answers(
    tables: DerivedTables, min_devices: int, profiles: pl.DataFrame | None = None
) -> Answers:
    """Wire the answers of the three cities."""

    def now_s() -> float:
        return datetime.now(UTC).timestamp()

    return Answers(
        Places(make_cities, make_map, now_s),
        Days(tables, min_devices, now_s),
        states,
        lambda: profiles,
        min_devices,
        lambda: NOW,
    )


@contextmanager
def serve(
    answers: Answers,
    home: Path,
    *,
    limit: str = "1000000/minute",
    lists_devices: bool = True,
) -> Iterator[Client]:
    """Serve an API with the keys `reader` and `operator`."""
    keys = ApiKeys(home / "keys.json")
    made = {
        "reader": keys.create("reader", "read", NOW),
        "operator": keys.create("operator", "operator", NOW),
    }
    app = make_app(
        answers,
        keys,
        parse(limit),
        lambda: datetime.now(UTC),
        pseudonymize if lists_devices else None,
    )
    with serve_app(app) as url:
        yield Client(url, made)


@contextmanager
def serve_app(app: FastAPI) -> Iterator[str]:
    """Serve on loopback; gives the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
