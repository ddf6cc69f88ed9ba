from collections.abc import Callable
from itertools import repeat

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import (
    ConservationError,
    StorageError,
    StorageForbiddenError,
)
from mobility_pipeline.lake import land_date as module
from mobility_pipeline.lake.land_date import LandedDate, land_date
from mobility_pipeline.landing import read, split
from mobility_pipeline.landing.split import Means
from mobility_pipeline.vendor.request import Area
from mobility_pipeline_tests.lake.gates import OUT_OF_ORDER, only
from mobility_pipeline_tests.lake.jobs import DAY, Place, make_job, make_pings
from mobility_pipeline_tests.landing.deliveries import Wanted, Way, splitting
from mobility_pipeline_tests.landing.losing import LosingShuffle
from mobility_pipeline_tests.landing.store import (
    CITIES,
    DEIMOS,
    MARS,
    MOON,
    to_parquet,
)
from mobility_pipeline_tests.landing.wire import Wire, refuse

NAMES = [[MOON.area_id], ["geo_json_0"], ["geo_json_0", "geo_radius_0"], [None]]
PINGS = make_pings(NAMES * 5)
FORBIDDEN = refuse("403 No", "<Code>AccessDenied</Code>")


def _cities(landed: LandedDate) -> list[str]:
    return [done.manifest.city for done in landed.published]


def _reads(wire: Wire, place: Place) -> list[str]:
    """Return the delivered files that were read."""
    return [
        path.rpartition("/")[2]
        for method, path in wire.requests
        if method == "GET" and path.startswith(f"/{place.delivered}/output/")
    ]


def test_every_waiting_city_is_published(place: Place) -> None:
    """Each with its rows, by city; one without rows is known to be empty."""
    place.deliver_day(to_parquet(PINGS[:7]), to_parquet(PINGS[7:]))
    landed = land_date(place.make_task(make_job()))
    assert landed.failure is None
    assert _cities(landed) == sorted(CITIES)
    manifests = {done.manifest.city: done.manifest for done in landed.published}
    assert {city: manifest.rows for city, manifest in manifests.items()} == {
        MOON.city: 10,
        MARS.city: 10,
        DEIMOS.city: 0,
    }
    assert manifests[DEIMOS.city].state == "empty"
    assert {manifest.rejected["no_area"] for manifest in manifests.values()} == {5}
    for done in landed.published:
        assert done.changed
        assert done.uri == place.lake.uri(done.manifest.city_day)
        assert len(place.lake.read(done.manifest.city_day)) == done.manifest.rows


def test_cities_that_do_not_wait_are_left_alone(place: Place) -> None:
    """They may be of a newer job, or erased."""
    place.deliver_day(to_parquet(PINGS))
    landed = land_date(place.make_task(make_job(), [MARS.city]))
    assert _cities(landed) == [MARS.city]
    assert {key.partition("/date=")[0] for key in place.objects()} == {
        f"data/{MARS.city}"
    }


def test_what_a_dead_run_published_is_only_looked_at(place: Place, wire: Wire) -> None:
    """All city-days of the date stand, from this job: no file is read again."""
    place.deliver_day(to_parquet(PINGS))
    task = place.make_task(make_job())
    first = land_date(task)
    before = place.objects()
    wire.requests.clear()
    again = land_date(task)
    assert _reads(wire, place) == []
    assert {method for method, _ in wire.requests} == {"GET"}
    assert [done.manifest for done in again.published] == [
        done.manifest for done in first.published
    ]
    assert not any(done.changed for done in again.published)
    assert place.objects() == before


def _leave_a_part(place: Place) -> None:
    key = f"data/{MOON.city}/date={DAY}/part-00009-dead.snappy.parquet"
    place.s3.put_object(Bucket=place.kept, Key=key, Body=b"of an older day")


def _lose_a_manifest(place: Place) -> None:
    key = f"data/{MOON.city}/date={DAY}/_manifest.json"
    place.s3.delete_object(Bucket=place.kept, Key=key)


def _break_a_manifest(place: Place) -> None:
    key = f"data/{MOON.city}/date={DAY}/_manifest.json"
    place.s3.put_object(Bucket=place.kept, Key=key, Body=b"{")


@pytest.mark.parametrize(
    "disturb", [_leave_a_part, _lose_a_manifest, _break_a_manifest]
)
def test_what_a_dead_run_left_undone_is_done(
    place: Place, wire: Wire, disturb: Callable[[Place], None]
) -> None:
    """One city-day that is not complete: the date is split and published again."""
    place.deliver_day(to_parquet(PINGS))
    task = place.make_task(make_job())
    land_date(task)
    before = place.objects()
    disturb(place)
    wire.requests.clear()
    assert _cities(land_date(task)) == sorted(CITIES)
    assert _reads(wire, place) == ["part-00000.parquet"]
    assert place.objects() == before


def test_a_newer_job_is_landed_over_an_older(place: Place) -> None:
    """What stands is of another job: the newer one's rows take its place."""
    place.deliver_day(to_parquet(PINGS))
    land_date(place.make_task(make_job()))
    place.deliver_day(to_parquet(PINGS[:4]))
    landed = land_date(place.make_task(make_job("job-2")))
    assert {done.manifest.source.job_id for done in landed.published} == {"job-2"}
    assert place.lake.read(CityDay(MOON.city, DAY)).num_rows == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(OUT_OF_ORDER, StorageError), (FORBIDDEN, StorageForbiddenError)],
)
def test_a_city_day_that_cannot_be_written_does_not_undo_the_others(
    place: Place, wire: Wire, fault: object, kind: type[Exception]
) -> None:
    """What was published is told, together with why the rest was not."""
    place.deliver_day(to_parquet(PINGS))
    last = sorted(CITIES)[-1]  # so that the others have begun
    wire.hit(repeat(only("PUT", last, fault)))
    landed = land_date(place.make_task(make_job()))
    assert isinstance(landed.failure, kind)
    assert last in str(landed.failure)
    assert _cities(landed) == sorted(CITIES)[:-1]
    assert place.lake.find_complete(CityDay(last, DAY)) is None
    wire.calm()
    again = land_date(place.make_task(make_job()))
    assert (again.failure, _cities(again)) == (None, sorted(CITIES))


@pytest.mark.parametrize("large_file_bytes", [0, 2**23])
def test_a_delivered_file_that_cannot_be_read_is_named(
    place: Place, wire: Wire, monkeypatch: pytest.MonkeyPatch, large_file_bytes: int
) -> None:
    """S3 fails at the vendor's side: file and date are named, nothing is published."""
    monkeypatch.setattr(read, "LARGE_FILE_BYTES", large_file_bytes)
    place.deliver_day(to_parquet(PINGS), to_parquet(PINGS))
    task = place.make_task(make_job())
    wire.hit(repeat(only("GET", "part-00001", OUT_OF_ORDER)))
    with pytest.raises(StorageError, match=r"part-00001\.parquet of 2024-05-01"):
        land_date(task)
    assert place.objects() == {}


@pytest.mark.parametrize("small_rows", [0, 20_000])
def test_a_city_whose_rows_are_lost_is_not_published(
    place: Place, monkeypatch: pytest.MonkeyPatch, small_rows: int
) -> None:
    """Whether its rows are held, or stream into the part that would be published."""
    monkeypatch.setattr(split, "Shuffle", LosingShuffle)
    monkeypatch.setattr(module, "_SMALL_ROWS", small_rows)
    place.deliver_day(to_parquet(PINGS))
    landed = land_date(place.make_task(make_job()))
    assert isinstance(landed.failure, ConservationError)
    assert f"{MARS.city} {DAY}: 10 rows attributed, 0 split" in str(landed.failure)
    assert MARS.city not in _cities(landed)
    published = {key.partition("/date=")[0] for key in place.objects()}
    assert f"data/{MARS.city}" not in published
    assert published == {f"data/{city}" for city in _cities(landed)}


_MANY = tuple(
    Area(
        f"area-{number:08x}", f"space/city_{number:02d}", "a" * 64, "geo_radius", number
    )
    for number in range(12)
)


def test_how_a_date_is_landed_never_shows(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """City-days in one group or several, held or streamed, by threads: the same parts."""
    names = [[f"geo_radius_{number % 12}"] for number in range(400)]
    pings = make_pings(names)
    place.deliver_day(*(to_parquet(pings[start::3]) for start in range(3)))
    cities = [area.city for area in _MANY]
    first = land_date(place.make_task(make_job(areas=_MANY), cities))
    assert (first.failure, _cities(first)) == (None, cities)
    for number, done in enumerate(first.published):
        table = place.lake.read(done.manifest.city_day)
        devices = sorted(f"a{place}" for place in range(number, 400, 12))
        assert table["ad_id"].to_pylist() == devices
    monkeypatch.setattr(read, "LARGE_FILE_BYTES", 0)
    monkeypatch.setattr(read, "WINDOW_ROWS", 50)
    for threads, small_rows in ((1, 20_000), (1, 0), (2, 20_000), (2, 0)):
        monkeypatch.setattr(module, "_SMALL_ROWS", small_rows)
        means = Means(40_000, threads, place.folder)
        job = make_job(f"job-{threads}-{small_rows}", _MANY)
        again = land_date(place.make_task(job, cities, means))
        assert (again.failure, _cities(again)) == (None, cities)
        assert not any(done.changed for done in again.published)
        assert {done.manifest.source.job_id for done in again.published} == {job.job_id}


def test_a_date_beyond_its_memory_is_several_groups() -> None:
    """The small budget of the test above does what it is there for."""
    names = [[f"geo_radius_{number % 12}"] for number in range(400)]
    wanted = Wanted(_MANY, [area.city for area in _MANY])
    way = Way(40_000, large_file_bytes=0, window_rows=50)
    with splitting([to_parquet(make_pings(names))], way, wanted) as result:
        assert len(result.groups) > 3
