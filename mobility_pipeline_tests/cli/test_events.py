"""`mobility events ingest` on the sandbox, and the worked example up to the API."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.resources.analytics import open_derived_tables, open_ingestion
from mobility_pipeline.resources.api import open_api
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.sandbox.launch import LAKE_BUCKET, Sandbox
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.schemas.events import EVENTS
from mobility_pipeline.settings import read_settings
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline_tests.analytics.test_worked_example import EVENTS as SEEN
from mobility_pipeline_tests.conftest import Workplace
from mobility_pipeline_tests.serving.api.world import serve_app
from mobility_pipeline_tests.waiting import wait_until

CITY = "australia/western_australia/perth"
ZONE = ZoneInfo("Australia/Perth")  # UTC+8
DAY = date(2025, 6, 11)
_SPAN = ("--from", DAY.isoformat(), "--to", DAY.isoformat(), "--city", CITY)
CELLS = {"A1": 0, "A2": 1, "A3": 2, "B1": 10, "B2": 11, "B3": 12}
"""Cell -> its place, in steps of 0.01° to the east."""
IMSI = {name: name for name in ("U1", "U2", "U3")}
"""As the issue has them: an id keeps its case, in events as in profiles."""
IMSI |= {
    name: f"4600000000001{n:02}" for n, name in enumerate(("U4", "U5", "U6", "ZZ"))
}
PEOPLE = "U1 m 20,U2 m 53,U3 f 54,U4 m 10,U5 f 18,U6 m 39"


def epoch_ms(clock: str) -> int:
    """Return a time of the day as the lines have it."""
    local = datetime.fromisoformat(f"{DAY}T{clock}").replace(tzinfo=ZONE)
    return round(local.timestamp() * 1000)


def make_line(device: str, cell: str, clock: str) -> str:
    """Make the line of an event, without a place: its cell has one."""
    return f"{IMSI.get(device, device)}|{cell}|||{epoch_ms(clock)}"


LINES = [make_line(*event.split()) for event in SEEN.strip().split("\n")]


@pytest.fixture
def perth(workplace: Workplace) -> Workplace:
    """A city in UTC+8 whose region layer is of six cells."""
    ring = [[115.8, -32], [116.1, -32], [116.1, -31.8], [115.8, -31.8], [115.8, -32]]
    properties = {
        "country": "Australia",
        "iso_country_code": "AU",
        "state_province": "Western Australia",
        "city": "Perth",
        "source": "made up",
        "time_zone": "Australia/Perth",
        "status": "active",
    }
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    file = workplace.home / "perth.geojson"
    file.write_text(json.dumps(feature))
    assert workplace.run("cities", "add", str(file)).code == 0
    regions, places = workplace.home / "regions.csv", workplace.home / "places.csv"
    regions.write_text(
        "\n".join(["region_id,cell_id", *(f"R{cell[0]},{cell}" for cell in CELLS)])
    )
    places.write_text(
        "\n".join(
            ["cell_id,lat,lon"]
            + [
                f"{cell},-31.95,{115.85 + 0.01 * step:.2f}"
                for cell, step in CELLS.items()
            ]
        )
    )
    profiles = workplace.home / "people.csv"
    people = [person.split() for person in PEOPLE.split(",")]
    rows = [f"{IMSI[name]},{gender},{age}" for name, gender, age in people]
    profiles.write_text("\n".join(["device_id,gender,age", *rows]))
    more = (
        "--region-cell",
        str(regions),
        "--cell-loc",
        str(places),
        "--layer",
        "cells",
    )
    variables = {
        "ANALYTICS_SOURCE": "events",
        "ANALYTICS_REGION_LAYERS": "cells,h3",
        "ANALYTICS_PROFILES": str(profiles),
        "ANALYTICS_MIN_DEVICES": "1",
        "MOBILITY_START_DATE": "2025-06-01",
    }
    workplace.environment.update(variables)
    done = workplace.run("cities", "regions", "add-cells", CITY, *more)
    assert done.code == 0, done.stderr
    return workplace


def write(workplace: Workplace, *lines: str) -> str:
    """Write a file of events."""
    path = workplace.home / "events.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def ingest(workplace: Workplace, *lines: str) -> Any:
    """Ingest lines; returns the answer."""
    path = write(workplace, *lines)
    return workplace.run("events", "ingest", path, "--city", CITY, "--json")


def stored(workplace: Workplace) -> list[tuple[str, str]]:
    """Return device and cell of the day's events."""
    tables = open_derived_tables(read_settings(workplace.environment))
    rows = tables.read(EVENTS, CityDay(CITY, DAY)).select("device_id", "cell_id").rows()
    return [(str(device), str(cell)) for device, cell in rows]


@pytest.fixture
def api(perth: Workplace) -> Iterator[Callable[..., requests.Response]]:
    """The API on the derived example."""
    answer = ingest(perth, *LINES)
    assert (answer.code, answer.document["new"]) == (1, 11)
    assert answer.document["rejected"] == {"unknown_cell": 1}
    done = perth.run("derive", *_SPAN, "--json")
    assert (done.code, done.document["missing"]) == (0, []), done.stderr
    key = perth.run("api", "keys", "create", "x", "--scope", "read").stdout.strip()
    settings = read_settings(perth.environment)
    with (
        closing(open_ledger(settings.ledger_url)) as ledger,
        serve_app(open_api(settings, ledger)) as url,
    ):

        def ask(path: str, query: Any) -> requests.Response:
            headers = {"X-API-Key": key}
            return requests.get(f"{url}/v1/{path}", query, headers=headers, timeout=20)

        yield ask


def test_worked_example_through_ingestion_assets_and_api(
    api: Callable[..., requests.Response],
) -> None:
    """Every number of the example, asked as its users ask."""

    def ask(path: str, **query: object) -> Any:
        answer = api(path, query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def count(region: str, hour: int, portrait: int) -> int:
        query = {"region_id": region, "produce_hour": f"20250611{hour}"}
        data = ask("userCountByRegionAndTime", portrait_id=portrait, **query)["data"]
        return data["cnt"]

    assert [count("RA", 10, n) for n in range(6)] == [3, 2, 1, 0, 1, 2]
    assert [count(region, hour, 0) for region, hour in (("RB", 10), ("RA", 11))] == [
        2,
        4,
    ]
    assert count("RB", 11, 0) == 1
    portrait = ask("regionPortrait", region_id="RA", produce_hour="2025061110")["data"]
    names = ("man", "women", "age_10_20", "age_20_40", "age_40", "pepCnt")
    assert [portrait[name] for name in names] == [2, 1, 0, 1, 2, 3]
    hours = {"start_time": "2025061110", "end_time": "2025061111"}
    (flow,) = ask("regionInflowOutflow", region_id="RA", **hours)
    inflow, outflow = flow["inflow"], flow["outflow"]
    assert (inflow["total"], inflow["male"], inflow["female"]) == (3, 1, 1)
    assert outflow["total"] == 2


def test_replay_changes_nothing(perth: Workplace) -> None:
    """Nor do other orders and doubles; what is new is added to what is there."""
    ingest(perth, *LINES[:6])
    again = ingest(perth, *LINES[5::-1], *LINES[:6])
    assert (again.code, again.document["new"], again.document["known"]) == (0, 0, 12)
    assert again.document["days"] == []
    more = ingest(perth, *LINES)
    assert (more.document["new"], more.document["days"]) == (5, ["2025-06-11"])
    assert len(stored(perth)) == 11


def test_day_is_written_once_however_long_it_is(
    perth: Workplace, sandbox: Sandbox
) -> None:
    """Three lines at a time: one part and one manifest, and the same again none."""
    settings = read_settings(perth.environment)
    city = open_registry(settings).load().find(CITY)
    small = replace(open_ingestion(settings, city), lines_at_once=3)
    now = datetime(2025, 6, 12, tzinfo=UTC)
    before = sandbox.s3_requests().get("PUT mobility-lake/analytics", 0)
    done = [small.ingest([*LINES, *LINES], now) for _ in range(2)]
    assert [(d.new, d.known, d.rejected.total()) for d in done] == [
        (11, 11, 2),
        (0, 22, 2),
    ]
    assert sandbox.s3_requests()["PUT mobility-lake/analytics"] == before + 2


def test_rejected_lines_are_kept_apart_for_their_owner_alone(perth: Workplace) -> None:
    """With reasons, and once however often they come; devices are not on the console."""
    bad = [
        "460000000000099|A1|||1",
        "460000000000098|A1",
        make_line("U6", "C9", "11:30"),
    ]
    first = ingest(perth, *bad, LINES[0])
    (path,) = first.document["quarantine"]
    assert ingest(perth, *bad).document["quarantine"] == [path]
    reasons = [line.split("\t")[0] for line in Path(path).read_text().splitlines()]
    assert reasons == ["bad_time", "field_count", "unknown_cell"]
    assert Path(path).stat().st_mode & 0o077 == 0
    assert "4600000" not in first.stdout + first.stderr


def test_file_that_begins_with_no_text_is_one_line(perth: Workplace) -> None:
    """Exit 2, no traceback, nothing ingested."""
    path = perth.home / "events.bin"
    path.write_bytes(b"\xff\xfe\x00garbage\n" + LINES[0].encode())
    answer = perth.run("events", "ingest", str(path), "--city", CITY)
    assert answer.code == 2
    assert "does not begin with UTF-8 text" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_line_that_is_no_text_is_set_aside(perth: Workplace) -> None:
    """The others are ingested."""
    path = perth.home / "events.txt"
    bad = LINES[0].encode().replace(b"|A1|", b"|A\xff|")
    path.write_bytes(b"\n".join([LINES[0].encode(), bad, LINES[1].encode()]))
    answer = perth.run("events", "ingest", str(path), "--city", CITY, "--json")
    assert (answer.code, answer.document["new"]) == (1, 2)
    assert answer.document["rejected"] == {"not_utf8": 1}


def test_mistakes_are_one_line(perth: Workplace) -> None:
    """No such file, no such city; an empty file is nothing, and times in seconds a hint."""
    missing = perth.run("events", "ingest", str(perth.home / "no"), "--city", CITY)
    unknown = perth.run("events", "ingest", write(perth, LINES[0]), "--city", "x/y")
    assert (missing.code, unknown.code) == (2, 2)
    assert "x/y" in unknown.stderr
    empty = ingest(perth, "", "  ")
    assert (empty.code, empty.document["new"], empty.document["rejected"]) == (0, 0, {})
    seconds = ingest(perth, f"460|A1|||{epoch_ms('10:00') // 1000}")
    assert seconds.document["rejected"] == {"time_in_seconds": 1}
    assert "look like seconds" in seconds.stderr


def test_killed_ingestion_costs_nothing(perth: Workplace) -> None:
    """Killed while it reads: what is there stands whole, and the same again completes it."""
    lines = [
        f"{460 * 10**12 + n}|A1|||{epoch_ms('10:00') + n % 86_000_000}"
        for n in range(400_000)
    ]
    path = write(perth, *lines)
    process = perth.start("events", "ingest", path, "--city", CITY)
    settings = read_settings(perth.environment)
    tables = open_derived_tables(settings)
    wait_until(
        lambda: (
            process.poll() is not None
            or tables.read_manifest(EVENTS, CityDay(CITY, DAY)) is not None
        )
    )
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = perth.run("events", "ingest", path, "--city", CITY, "--json").document
    assert done["new"] + done["known"] == len(lines)
    kept = tables.read(EVENTS, CityDay(CITY, DAY)).height
    assert kept == len(lines)
    again = perth.run("events", "ingest", path, "--city", CITY, "--json").document
    assert (again["new"], again["days"]) == (0, [])


def test_erasing_a_day_erases_its_events_and_what_was_derived_of_them(
    perth: Workplace, sandbox: Sandbox
) -> None:
    """Nobody of that day is left in any object; events of the day before stay."""
    day_before_ms = epoch_ms("10:00") - 86_400_000
    early = LINES[0].rpartition("|")[0] + f"|{day_before_ms}"
    assert ingest(perth, *LINES, early).document["new"] == 12
    assert perth.run("derive", *_SPAN, "--json").code == 0
    span = ("--from", DAY.isoformat(), "--to", DAY.isoformat())
    done = perth.run("coverage", "erase", "--city", CITY, *span, "--yes", "--json")
    assert done.code == 0, done.stderr
    s3 = connect_internally(sandbox.s3_url)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=LAKE_BUCKET, Prefix="analytics/"
    )
    left = [item["Key"] for page in pages for item in page.get("Contents", [])]
    assert {key.split("/date=")[1][:10] for key in left if "/events/" in key} == {
        "2025-06-10"
    }
    assert not [key for key in left if "/presence/" in key and DAY.isoformat() in key]
    again = perth.run("coverage", "erase", "--city", CITY, *span, "--yes", "--json")
    assert again.document["erased"][0]["derived_files"] == 0


def test_purging_a_city_erases_its_ingested_events(perth: Workplace) -> None:
    """And what was derived of them, and the lines that were none."""
    rejected = ingest(perth, *LINES[:6], "no event").document["quarantine"][0]
    erased = perth.run("coverage", "erase", *_SPAN, "--yes")
    assert str(Path(rejected).parent) in erased.stderr
    assert ingest(perth, *LINES[:6]).code == 0
    assert perth.run("derive", *_SPAN, "--json").code == 0
    purged = perth.run("cities", "retire", CITY, "--purge", "--yes", "--json")
    assert purged.code == 0, purged.stderr
    assert purged.document["purged"][0]["derived_files"] > 0
    tables = open_derived_tables(read_settings(perth.environment))
    assert tables.find(EVENTS, CityDay(CITY, DAY)) is None
    assert not Path(rejected).exists()


def test_line_without_end_is_cut_and_rejected(perth: Workplace) -> None:
    """Nor is what follows its cut taken for a line of its own."""
    endless = "x" * 8_192 + LINES[0] + "y" * 100_000
    answer = ingest(perth, LINES[0], endless, LINES[1])
    assert answer.code == 1, answer.stderr
    assert (answer.document["new"], answer.document["rejected"]) == (2, {"too_long": 1})
    (path,) = answer.document["quarantine"]
    assert Path(path).stat().st_size < 10_000


def test_flow_across_midnight_is_answered_once_both_days_are_derived(
    perth: Workplace, api: Callable[..., requests.Response]
) -> None:
    """U1 stayed in RA from the last hour of a day into the first of the next."""
    next_day = DAY + timedelta(days=1)
    late = make_line("U1", "A1", "23:30")
    early = late.replace(str(epoch_ms("23:30")), str(epoch_ms("23:30") + 3_600_000))
    assert ingest(perth, late, early).document["new"] == 2
    span = ("--from", DAY.isoformat(), "--to", next_day.isoformat(), "--city", CITY)
    done = perth.run("derive", *span, "--json")
    assert done.code == 0, done.stderr
    hours = {"start_time": f"{DAY:%Y%m%d}23", "end_time": f"{next_day:%Y%m%d}00"}
    answer = api("regionInflowOutflow", {"region_id": "RA", **hours})
    assert answer.status_code == 200, answer.text
    (flow,) = answer.json()
    names = ("inflow", "outflow", "stay")
    assert [flow[name]["total"] for name in names] == [0, 0, 1]
