import logging
import multiprocessing
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, datetime, timedelta
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    LandingInterruptedError,
    LedgerError,
    StorageError,
)
from mobility_pipeline.lake import land
from mobility_pipeline.lake.land import land_job
from mobility_pipeline.lake.publish import Published
from mobility_pipeline.landing import split
from mobility_pipeline.landing.storage import OpenBucket
from mobility_pipeline.vendor.database import open_database
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline.vendor.records import CityDayState, VendorJob
from mobility_pipeline_tests.lake.gates import OUT_OF_ORDER, Gate, only, pass_on
from mobility_pipeline_tests.lake.jobs import (
    DAY,
    FEED,
    NOW,
    Place,
    make_pings,
    make_place,
    record_job,
)
from mobility_pipeline_tests.lake.landers import INTERRUPTED, start_lander
from mobility_pipeline_tests.landing.losing import LosingShuffle
from mobility_pipeline_tests.landing.store import to_parquet
from mobility_pipeline_tests.landing.wire import Fault, Wire, drop
from mobility_pipeline_tests.processes import PROCESSES
from mobility_pipeline_tests.waiting import wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAYS = [DAY + timedelta(days=number) for number in range(4)]
CITIES = ["country/c0", "country/c1", "country/c2"]
AREAS = [["geo_json_0"], ["geo_json_1", "geo_json_0"], [None]]
"""The third city has no rows: known to be empty."""
DELIVERED, EMPTY = CityDayState.DELIVERED, CityDayState.EMPTY
REQUESTED = CityDayState.REQUESTED
GOOD = {CITIES[0]: DELIVERED, CITIES[1]: DELIVERED, CITIES[2]: EMPTY}


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    """Name an empty ledger in SQLite."""
    return f"sqlite:///{tmp_path / 'ledger.sqlite'}"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """Give that ledger."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def undisturbed(
    s3: "S3Client", open_bucket: OpenBucket, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Give what stands in the lake when all dates were landed without any trouble."""
    folder = tmp_path_factory.mktemp("undisturbed")
    place = make_place(s3, open_bucket, folder / "landing")
    with closing(open_ledger(f"sqlite:///{folder / 'ledger.sqlite'}")) as ledger:
        job = record_job(ledger, place, DAYS)
        _deliver(place, *DAYS)
        _land(job, place, ledger)
    _check_rows(place, *DAYS)
    return place.objects()


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Land also small deliveries in processes."""
    monkeypatch.setattr(land, "_SMALL_FILES", 0)


def _deliver(place: Place, *days: date) -> None:
    for day in days:
        pings = make_pings(AREAS * 4, device=f"{day:%d}-", day=day)
        place.deliver_day(to_parquet(pings[:5]), to_parquet(pings[5:]), day=day)


def _land(
    job: VendorJob, place: Place, ledger: Ledger, *days: date, cores: int = 2
) -> list[CityDay]:
    """Land dates to the end; return the city-days that now stand."""
    landing = _begin(job, place, ledger, *days, cores=cores)
    return [published.manifest.city_day for published in landing]


def _begin(
    job: VendorJob, place: Place, ledger: Ledger, *days: date, cores: int = 2
) -> Iterator[Published]:
    return land_job(
        job,
        days or DAYS,
        ledger=ledger,
        site=place.make_site(cores),
        now=lambda: NOW,
    )


def _states(ledger: Ledger) -> dict[date, dict[str, CityDayState]]:
    states: dict[date, dict[str, CityDayState]] = {}
    for city_day, record in sorted(ledger.city_days(FEED, DAYS[0], DAYS[-1]).items()):
        states.setdefault(city_day.date, {})[city_day.city] = record.state
    return states


def _days(*days: date) -> set[CityDay]:
    return {CityDay(city, day) for city in CITIES for day in days}


def _check_rows(place: Place, *days: date) -> None:
    """Check the devices of every city-day against those that were delivered."""
    for day in days:
        for city, devices in zip(CITIES, ((0, 1), (1,), ()), strict=True):
            table = place.lake.read(CityDay(city, day))
            assert table["ad_id"].to_pylist() == sorted(
                f"{day:%d}-{number}" for number in range(12) if number % 3 in devices
            )


def _requests(wire: Wire, method: str, bucket: str) -> list[str]:
    """Return the paths below a bucket that were asked for, listings apart."""
    start = f"/{bucket}/"
    return [
        path.removeprefix(start)
        for found, path in wire.requests
        if found == method and path.startswith(start) and "list-type" not in path
    ]


def test_a_job_is_landed_date_by_date(ledger: Ledger, place: Place, wire: Wire) -> None:
    """Every city-day stands and is settled; another call finds nothing to do."""
    job = record_job(ledger, place, DAYS[:3])
    _deliver(place, *DAYS[:3])
    landed = _land(job, place, ledger)
    assert set(landed) == _days(*DAYS[:3])
    assert len(landed) == 9
    assert _states(ledger) == dict.fromkeys(DAYS[:3], GOOD)
    _check_rows(place, *DAYS[:3])
    wire.requests.clear()
    assert _land(job, place, ledger) == []
    assert wire.requests == []


def test_only_the_dates_asked_for_are_landed(ledger: Ledger, place: Place) -> None:
    """The others wait on."""
    job = record_job(ledger, place, DAYS[:2])
    _deliver(place, *DAYS[:2])
    assert set(_land(job, place, ledger, DAYS[1])) == _days(DAYS[1])
    assert _states(ledger)[DAYS[0]] == dict.fromkeys(CITIES, REQUESTED)


def test_a_small_delivery_is_landed_in_this_process(
    ledger: Ledger, place: Place
) -> None:
    """Starting processes would take longer than that."""
    job = record_job(ledger, place, DAYS[:2])
    _deliver(place, *DAYS[:2])
    before = multiprocessing.active_children()
    for _ in _begin(job, place, ledger):
        assert multiprocessing.active_children() == before


@pytest.mark.parametrize("cores", [1, 2])
@pytest.mark.parametrize("small_files", [0, 500])
def test_a_date_without_a_good_delivery_does_not_stop_the_others(
    ledger: Ledger,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    small_files: int,
) -> None:
    """Not delivered, or corrupt: recorded with the reason; the others land."""
    monkeypatch.setattr(land, "_SMALL_FILES", small_files)
    job = record_job(ledger, place, DAYS)
    _deliver(place, DAYS[0], DAYS[2], DAYS[3])
    place.deliver_day(b"no parquet", day=DAYS[2])
    assert set(_land(job, place, ledger, cores=cores)) == _days(DAYS[0], DAYS[3])
    assert _states(ledger) == {
        DAYS[0]: GOOD,
        DAYS[1]: dict.fromkeys(CITIES, CityDayState.NOT_DELIVERED),
        DAYS[2]: dict.fromkeys(CITIES, CityDayState.REJECTED),
        DAYS[3]: GOOD,
    }
    records = ledger.records_of(FEED, _days(DAYS[1], DAYS[2]))
    missing, corrupt = (records[CityDay(CITIES[0], day)].reason for day in DAYS[1:3])
    assert missing == "vendor job job-1 did not deliver it"
    assert "date=2024-05-03/part-00000.parquet of 2024-05-03 is not readable" in corrupt
    _check_rows(place, DAYS[0], DAYS[3])
    assert not ledger.pending(job.ref)


def test_a_city_whose_rows_were_lost_is_rejected(
    ledger: Ledger, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its date's others may stand; itself is recorded with both numbers, not published."""
    monkeypatch.setattr(split, "Shuffle", LosingShuffle)
    job = record_job(ledger, place, DAYS[:1])
    _deliver(place, DAYS[0])
    landed = _land(job, place, ledger)
    lost = CityDay(CITIES[0], DAYS[0])
    assert lost not in landed
    record = ledger.records_of(FEED, {lost})[lost]
    assert record.state is CityDayState.REJECTED
    assert "8 rows attributed, 0 split; nothing of it is published" in record.reason
    assert place.lake.read_manifest(lost) is None
    present = {day for day in _days(DAYS[0]) if place.lake.read_manifest(day)}
    assert present == set(landed)
    assert not ledger.pending(job.ref)


def test_files_outside_of_any_date_are_told(
    ledger: Ledger, place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is skipped silently."""
    job = record_job(ledger, place, DAYS[:1])
    _deliver(place, DAYS[0])
    place.deliver({"date=soon/part-00000.parquet": b"x"})
    with caplog.at_level(logging.WARNING):
        _land(job, place, ledger)
    assert "vendor job job-1: 1 files outside any date=YYYY-MM-DD" in caplog.text
    assert "date=soon/part-00000.parquet" in caplog.text


@pytest.mark.parametrize("small_files", [0, 500])
def test_a_city_day_that_s3_refuses_stays_open(
    ledger: Ledger,
    place: Place,
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    small_files: int,
) -> None:
    """The others of its date are settled; the error is raised; the next call repairs."""
    monkeypatch.setattr(land, "_SMALL_FILES", small_files)
    job = record_job(ledger, place, DAYS[:1])
    _deliver(place, DAYS[0])
    # The last city: the others have begun by then.
    wire.hit(repeat(only("PUT", f"{CITIES[2]}/date={DAYS[0]}/", OUT_OF_ORDER)))
    with pytest.raises(StorageError, match=rf"{CITIES[2]} {DAYS[0]}.*InternalError"):
        _land(job, place, ledger)
    assert _states(ledger) == {DAYS[0]: GOOD | {CITIES[2]: REQUESTED}}
    wire.calm()
    assert set(_land(job, place, ledger)) == {CityDay(CITIES[2], DAYS[0])}
    assert _states(ledger) == {DAYS[0]: GOOD}
    writes = _requests(wire, "PUT", place.kept)
    assert writes == [f"data/{CITIES[2]}/date={DAYS[0]}/_manifest.json"]
    _check_rows(place, DAYS[0])


def test_a_date_that_cannot_be_read_stays_open(
    ledger: Ledger, place: Place, wire: Wire
) -> None:
    """S3 fails there: those under way land, the rest is for the next call."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    wire.hit(repeat(only("GET", f"date={DAYS[1]}/part-", OUT_OF_ORDER)))
    with pytest.raises(StorageError, match=f"of {DAYS[1]}"):
        _land(job, place, ledger)
    waiting = dict.fromkeys(CITIES, REQUESTED)
    states = _states(ledger)
    assert (states[DAYS[0]], states[DAYS[1]]) == (GOOD, waiting)
    assert all(states[day] in (GOOD, waiting) for day in DAYS)
    wire.calm()
    left = ledger.pending(job.ref)
    assert set(_land(job, place, ledger)) == left
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)
    _check_rows(place, *DAYS)


class ForgetfulLedger(Ledger):
    """A ledger whose database is gone when something was landed."""

    def settle(self, ref: int, results: object, now: datetime) -> frozenset[CityDay]:
        """Fail before anything is recorded."""
        raise LedgerError(f"no settlement of {ref} at {now}: {results}")


@pytest.mark.parametrize("small_files", [0, 500])
def test_landed_dates_are_not_read_again_when_the_ledger_forgot_them(
    ledger: Ledger,
    ledger_url: str,
    place: Place,
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    small_files: int,
) -> None:
    """A crash between publishing and settling costs a look at what stands."""
    monkeypatch.setattr(land, "_SMALL_FILES", small_files)
    job = record_job(ledger, place, DAYS[:1])
    _deliver(place, DAYS[0])
    with pytest.raises(LedgerError, match="no settlement"):
        _land(job, place, ForgetfulLedger(open_database(ledger_url)))
    assert _states(ledger) == {DAYS[0]: dict.fromkeys(CITIES, REQUESTED)}
    before = place.objects()
    assert len(before) == 5
    wire.requests.clear()
    assert set(_land(job, place, ledger)) == _days(DAYS[0])
    assert _states(ledger) == {DAYS[0]: GOOD}
    assert _requests(wire, "GET", place.delivered) == []
    assert _requests(wire, "PUT", place.kept) == []
    assert place.objects() == before


@pytest.mark.processes
@pytest.mark.usefixtures("in_processes")
def test_dates_are_landed_side_by_side(
    ledger: Ledger, place: Place, wire: Wire
) -> None:
    """Two processes read two dates at the same moment, and all four land."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    gate = Gate(awaited=2)
    wire.hit(repeat(only("GET", "/part-00000", gate)))
    with ThreadPoolExecutor(1) as thread:
        landing = thread.submit(_land, job, place, ledger)
        assert gate.reached.wait(30)
        assert len(multiprocessing.active_children()) == 2
        gate.opened.set()
        assert set(landing.result(30)) == _days(*DAYS)
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)
    _check_rows(place, *DAYS)
    assert multiprocessing.active_children() == []


_POINTS = {
    "reading": ("GET", f"date={DAYS[1]}/part-00001"),
    "writing a part": ("PUT", f"{CITIES[1]}/date={DAYS[1]}/part-"),
    "writing a manifest": ("PUT", f"{CITIES[0]}/date={DAYS[1]}/_manifest"),
}


@pytest.mark.processes
@pytest.mark.usefixtures("in_processes")
@pytest.mark.parametrize(
    ("point", "then"),
    [
        ("reading", drop),
        ("writing a part", pass_on),
        ("writing a manifest", drop),
        ("writing a manifest", pass_on),
    ],
)
def test_a_killed_process_is_transient(
    ledger: Ledger,
    place: Place,
    wire: Wire,
    undisturbed: dict[str, bytes],
    point: str,
    then: Fault,
) -> None:
    """Its dates stay open, and the next call completes them as if nothing had been."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    gate = Gate(then=then)
    wire.hit(repeat(only(*_POINTS[point], gate)))
    with ThreadPoolExecutor(1) as thread:
        landing = thread.submit(_land, job, place, ledger)
        assert gate.reached.wait(30)
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(LandingInterruptedError, match="vendor job job-1 died"):
            landing.result(30)
    gate.opened.set()
    assert set(_states(ledger)[DAYS[1]].values()) == {REQUESTED}
    wire.calm()
    _land(job, place, ledger)
    assert place.objects() == undisturbed
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)


@pytest.mark.processes
def test_processes_end_with_the_one_they_work_for(
    ledger: Ledger,
    ledger_url: str,
    place: Place,
    wire: Wire,
    undisturbed: dict[str, bytes],
) -> None:
    """A killed run leaves nobody behind who would write without its lock."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    gate = Gate(awaited=2, then=drop)
    wire.hit(repeat(only("PUT", "/part-", gate)))
    lander = start_lander(ledger_url, job.ref, DAYS, place.make_site(cores=2))
    assert gate.reached.wait(30)
    workers = lander.workers()
    assert len(workers) == 2
    assert all(map(_is_running, workers))
    lander.process.kill()
    lander.process.join(30)
    wait_until(lambda: not any(map(_is_running, workers)))
    gate.opened.set()
    wire.calm()
    assert set(_land(job, place, ledger)) == _days(*DAYS)
    assert place.objects() == undisturbed
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)


def _is_running(pid: int) -> bool:
    """Whether a process is there and no zombie, which may wait for long to be reaped."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


@pytest.mark.processes
def test_a_run_that_is_interrupted_stops_its_processes(
    ledger: Ledger, ledger_url: str, place: Place, wire: Wire
) -> None:
    """Ctrl-C ends a run at once, whatever its processes wait for."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    gate = Gate(awaited=2, then=drop)
    wire.hit(repeat(only("GET", "/part-00000", gate)))
    lander = start_lander(ledger_url, job.ref, DAYS, place.make_site(cores=2))
    assert gate.reached.wait(30)
    workers = lander.workers()
    lander.interrupt()
    lander.process.join(10)
    assert lander.process.exitcode == INTERRUPTED
    wait_until(lambda: not any(map(_is_running, workers)))
    gate.opened.set()
    assert _states(ledger) == dict.fromkeys(DAYS, dict.fromkeys(CITIES, REQUESTED))


@pytest.mark.processes
@pytest.mark.usefixtures("in_processes")
def test_a_consumer_that_breaks_off_stops_the_processes(
    ledger: Ledger, place: Place, wire: Wire, undisturbed: dict[str, bytes]
) -> None:
    """What was yielded is settled; dates under way stay open, and none is begun."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    gate = Gate(then=drop)
    wire.hit(repeat(only("GET", f"date={DAYS[1]}/part-00000", gate)))
    landing = _begin(job, place, ledger)
    next(landing)
    assert gate.reached.wait(30)
    assert len(multiprocessing.active_children()) == 2
    landing.close()
    assert multiprocessing.active_children() == []
    gate.opened.set()
    assert _states(ledger)[DAYS[0]] == GOOD
    assert set(_states(ledger)[DAYS[1]].values()) == {REQUESTED}
    wire.calm()
    _land(job, place, ledger)
    assert place.objects() == undisturbed
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)


@pytest.mark.processes
def test_two_runs_at_once_publish_each_city_day_once(
    ledger: Ledger,
    ledger_url: str,
    place: Place,
    wire: Wire,
    undisturbed: dict[str, bytes],
) -> None:
    """Two processes land the same job at the same moment: one of them each date."""
    job = record_job(ledger, place, DAYS)
    _deliver(place, *DAYS)
    together = PROCESSES.Barrier(2)
    site = place.make_site()
    landers = [
        start_lander(ledger_url, job.ref, DAYS, site, together, in_processes=False)
        for _ in range(2)
    ]
    landed = [city_day for lander in landers for city_day in lander.landed()]
    assert Counter(landed) == Counter(_days(*DAYS))
    assert set(Counter(_requests(wire, "PUT", place.kept)).values()) == {1}
    assert place.objects() == undisturbed
    assert _states(ledger) == dict.fromkeys(DAYS, GOOD)
