"""City-days are erased in the lake and the ledger, through crashes too."""

import json
from collections.abc import Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from signal import SIGKILL

import pytest

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import StorageForbiddenError
from mobility_pipeline.lake.erase import Stock, erase, find_erasable, list_city
from mobility_pipeline.lake.paths import ERASED_NAME, MANIFEST_NAME, city_day_prefix
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.vendor.ledger import open_ledger
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline.vendor.standing import judge_city_days
from mobility_pipeline_tests.lake.eraser import erase_day, start_eraser
from mobility_pipeline_tests.lake.holdings import NOW, Holdings, day_of
from mobility_pipeline_tests.lake.publisher import make_content, open_bucket
from mobility_pipeline_tests.lake.tables import DAY, FEED
from mobility_pipeline_tests.lake.watched_s3 import WatchedS3, serve_watched
from mobility_pipeline_tests.landing.wire import Wire, refuse

A0, A1, A2, B0 = day_of("c0"), day_of("c0", 1), day_of("c0", 2), day_of("c1")
DELIVERED, REQUESTED = CityDayState.DELIVERED, CityDayState.REQUESTED


def erase_all(holdings: Holdings, *days: CityDay) -> list[Stock]:
    """Erase city-days."""
    return [
        *erase(
            FEED,
            Lake(holdings.bucket),
            holdings.ledger,
            days,
            reason="purged by ada",
            now=lambda: NOW,
        )
    ]


@pytest.fixture
def filled(holdings: Holdings) -> Holdings:
    """Two days of a city and one of another, and one of each that is on its way."""
    holdings.publish(A0, "a", "b")
    holdings.publish(A1)
    holdings.publish(B0, "c")
    holdings.settle(DELIVERED, A0, B0)
    holdings.settle(CityDayState.EMPTY, A1, job_id="job-2")
    holdings.request(A2, job_id="job-3")
    return holdings


def test_city_is_listed_with_files_and_bytes(filled: Holdings) -> None:
    """Each day with every object of its folder; what is in no day's folder is not."""
    filled.put(A1, "note.txt", b"12345")
    filled.s3.put_object(Bucket=filled.bucket.name, Key="data/country/c0/x", Body=b"1")
    below = CityDay("country/c0/below", A0.date)
    filled.put(below, MANIFEST_NAME, b"another city")
    first, second = list_city(filled.bucket, "country/c0")
    manifest = len(filled.get(A1))
    assert (first.city_day, first.files) == (A0, 2)
    assert second == Stock(A1, 2, manifest + 5)
    assert list_city(filled.bucket, "country/c") == ()


def test_what_is_held_or_on_its_way_can_be_erased(filled: Holdings) -> None:
    """Days that were never asked for, or did not arrive, can still be asked for."""
    filled.settle(CityDayState.NOT_DELIVERED, day_of("c0", 5), job_id="job-5")
    assert find_erasable(filled.ledger, FEED, "country/c0") == {A0, A1, A2}


def test_erased_days_are_gone_and_the_others_stay(filled: Holdings) -> None:
    """Nothing is left in their folders; lake and ledger agree."""
    erased = erase_all(filled, A0, A1, A2)
    assert [(stock.city_day, stock.files) for stock in erased] == [
        (A0, 2),
        (A1, 1),
        (A2, 0),
    ]
    assert list_city(filled.bucket, "country/c0") == ()
    states = dict.fromkeys((A0, A1, A2), "erased") | {B0: "delivered"}
    assert filled.states() == states
    assert filled.drift(deep=True) == []
    record = filled.ledger.all_city_days(FEED)[A0]
    assert (record.reason, record.is_in_lake) == ("purged by ada", False)


def test_erased_day_is_not_asked_for_and_not_landed(filled: Holdings) -> None:
    """An open vendor job does not bring it back, a rebuild neither, nor a request."""
    erase_all(filled, A0, A2)
    live = filled.ledger.live_jobs(FEED)
    assert all(not filled.ledger.pending(job.ref) for job in live)
    records = filled.ledger.records_of(FEED, [A0, A2])
    standing = judge_city_days([A0, A2], records, live, {A0.city: "x"}, refresh=True)
    assert standing.refused.keys() == {A0, A2}
    assert not standing.to_ask
    filled.rebuild()
    assert filled.states([A0, A2]) == {A0: "erased", A2: "erased"}


def test_erasing_twice_is_as_good_as_once(filled: Holdings) -> None:
    """The second time finds nothing, and changes no record."""
    erase_all(filled, A0)
    record = filled.ledger.all_city_days(FEED)[A0]
    assert erase_all(filled, A0) == [Stock(A0, 0, 0)]
    assert filled.ledger.all_city_days(FEED)[A0] == record


def test_tombstone_says_what_was_erased_and_nothing_of_it(filled: Holdings) -> None:
    """It is the only object that is left, and erasing again leaves it alone."""
    erase_all(filled, A0)
    before = filled.s3.head_object(
        Bucket=filled.bucket.name, Key=city_day_prefix(A0) + ERASED_NAME
    )
    assert json.loads(filled.get(A0, ERASED_NAME)) == {
        "version": 1,
        "feed": FEED,
        "city": A0.city,
        "date": A0.date.isoformat(),
    }
    assert filled.bucket.list_folder(city_day_prefix(A0), "test").keys() == {
        ERASED_NAME
    }
    erase_all(filled, A0)
    after = filled.s3.head_object(
        Bucket=filled.bucket.name, Key=city_day_prefix(A0) + ERASED_NAME
    )
    assert after["LastModified"] == before["LastModified"]


def test_new_ledger_knows_what_was_erased(filled: Holdings, tmp_path: Path) -> None:
    """The ledger is lost: neither what was there nor what never came is asked for."""
    erase_all(filled, A0, A2)
    new = Holdings(
        filled.s3, filled.bucket, open_ledger(f"sqlite:///{tmp_path / 'new.sqlite'}")
    )
    lost = [(A0, "not_in_ledger"), (A1, "not_in_ledger"), (A2, "not_in_ledger")]
    assert new.drift() == [*lost, (B0, "not_in_ledger")]
    assert new.rebuild().changes.erased == {A0, A2}
    erased = {A0: "erased", A2: "erased"}
    assert new.states() == erased | {A1: "empty", B0: "delivered"}
    assert "says that it was erased" in new.ledger.all_city_days(FEED)[A0].reason
    assert (new.rebuild().changes.count, new.drift()) == (0, [])


def test_older_ledger_learns_what_was_erased(filled: Holdings, tmp_path: Path) -> None:
    """A backup calls days delivered and requested: no job that is open lands them."""
    backup = open_ledger(f"sqlite:///{tmp_path / 'backup.sqlite'}")
    older = Holdings(filled.s3, filled.bucket, backup)
    older.settle(DELIVERED, A0, B0)
    older.settle(CityDayState.EMPTY, A1, job_id="job-2")
    ref = older.request(A2, job_id="job-3")
    erase_all(filled, A0, A2)
    assert older.drift() == [(A0, "state_differs"), (A2, "state_differs")]
    older.rebuild()
    assert older.states([A0, A2]) == {A0: "erased", A2: "erased"}
    assert backup.pending(ref) == frozenset()
    assert older.drift() == []


def test_erasing_that_was_cut_short_stays_erased(
    filled: Holdings, tmp_path: Path
) -> None:
    """The tombstone counts more than the manifest; what still stands there is named."""
    filled.put(A0, ERASED_NAME, b"")
    new = open_ledger(f"sqlite:///{tmp_path / 'new.sqlite'}")
    cut = Holdings(filled.s3, filled.bucket, new)
    cut.rebuild()
    assert cut.states([A0]) == {A0: "erased"}
    assert cut.drift() == [(A0, "erased_in_lake")]
    erase_all(cut, A0)
    assert cut.drift() == []


def test_day_nobody_knows_is_recorded(holdings: Holdings) -> None:
    """It lies in the lake, and the ledger was lost."""
    holdings.publish(A0, "a")
    erase_all(holdings, A0)
    assert holdings.states() == {A0: "erased"}


def test_forbidden_is_not_erased(filled: Holdings, wire: Wire) -> None:
    """A bucket that refuses is named, and erasing again finishes."""
    denied = refuse("403 Forbidden", "<Code>AccessDenied</Code>")
    wire.hit([None, denied])
    with pytest.raises(StorageForbiddenError, match="country/c0"):
        erase_all(filled, A0)
    wire.hit(())
    erase_all(filled, A0)
    assert filled.drift() == []


@pytest.fixture(scope="module")
def watched() -> Iterator[WatchedS3]:
    """A server that can kill."""
    with serve_watched() as running:
        yield running


@pytest.mark.processes
@pytest.mark.parametrize("is_applied", [False, True], ids=["unapplied", "applied"])
@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_killed_at_each_write(
    watched: WatchedS3, tmp_path: Path, number: int, is_applied: bool
) -> None:
    """Who follows the manifest sees the whole day or none; erasing again finishes."""
    content = make_content(["a"], ["b", "c"])
    folder = city_day_prefix(DAY)
    watched.objects = {folder + name: data for name, data in content.objects.items()}
    ledger_url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    open_ledger(ledger_url)
    with watched.killing(number, is_applied=is_applied) as kill:
        process: ForkServerProcess = start_eraser(watched.url, ledger_url)
        kill.victims.put(process)
        process.join(30)
    writes = 1 + len(content.objects)  # the tombstone; the manifest and two parts
    assert process.exitcode == (-SIGKILL if number <= writes else 0)
    lake = Lake(open_bucket(watched.url))
    if number == 1 or (number == 2 and not is_applied):
        assert lake.read(DAY) == content.table
    else:
        assert lake.read_manifest(DAY) is None
    assert open_ledger(ledger_url).all_city_days(FEED)[DAY].state == "erased"
    erase_day(watched.url, ledger_url)
    assert [*watched.objects] == [folder + ERASED_NAME]
