"""Rebuilding the ledger's index from the manifests of a lake on real S3."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from mobility_pipeline.errors import EmptyLakeError, StorageError
from mobility_pipeline.lake.audit import rebuild_index
from mobility_pipeline.lake.paths import MANIFEST_NAME
from mobility_pipeline.vendor.records import CityDayState
from mobility_pipeline_tests.lake.holdings import THEN, Holdings, day_of
from mobility_pipeline_tests.lake.tables import FEED
from mobility_pipeline_tests.landing.wire import Wire, refuse

DAY = day_of("c0")
_FAILS = refuse(
    "500 Internal Server Error", "<Error><Code>InternalError</Code></Error>"
)


def test_a_lost_ledger_is_rebuilt(holdings: Holdings) -> None:
    """Delivered and empty come back; what the lake never had stays unknown."""
    holdings.publish(DAY, "a", "b")
    holdings.publish(day_of("c1", 2))
    assert holdings.rebuild().manifests == 2
    assert holdings.states() == {DAY: "delivered", day_of("c1", 2): "empty"}


def test_rebuilding_twice_changes_nothing(holdings: Holdings) -> None:
    """The second time there is nothing to change, and nothing does."""
    holdings.publish(DAY, "a")
    holdings.settle(CityDayState.DELIVERED, day_of("c1"))
    assert holdings.rebuild().changes.count == 2
    before = holdings.ledger.all_city_days(FEED)
    assert holdings.rebuild().changes.count == 0
    assert holdings.ledger.all_city_days(FEED) == before
    assert holdings.drift() == []


def test_day_the_lake_lacks_is_not_requested_and_says_why(holdings: Holdings) -> None:
    """A gap shows again, with its reason."""
    holdings.publish(day_of("c1"), "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    holdings.rebuild()
    record = holdings.ledger.all_city_days(FEED)[DAY]
    assert record.state is CityDayState.NOT_REQUESTED
    assert "delivered, but the lake has no manifest" in record.reason


@pytest.mark.parametrize(
    "state",
    [
        CityDayState.NOT_DELIVERED,
        CityDayState.JOB_FAILED,
        CityDayState.REJECTED,
        CityDayState.ERASED,
    ],
)
def test_reasons_of_what_is_nowhere_are_kept(
    holdings: Holdings, state: CityDayState
) -> None:
    """The lake knows nothing of why a day is not there."""
    holdings.publish(day_of("c1"), "a")
    holdings.settle(state, DAY)
    holdings.rebuild()
    assert holdings.states([DAY]) == {DAY: state.value}


def test_erased_stays_erased_though_it_is_there(holdings: Holdings) -> None:
    """Erasing is a decision; that the day is there is drift."""
    holdings.publish(DAY, "a")
    holdings.settle(CityDayState.ERASED, DAY)
    assert holdings.rebuild().changes.count == 0
    assert holdings.states() == {DAY: "erased"}
    assert holdings.drift() == [(DAY, "erased_in_lake")]


def test_day_called_not_delivered_that_is_there_becomes_delivered(
    holdings: Holdings,
) -> None:
    """The manifest is the truth, and its vendor job is known by its id."""
    holdings.publish(DAY, "a")
    holdings.settle(CityDayState.NOT_DELIVERED, DAY, job_id="job-1")
    assert holdings.drift() == [(DAY, "not_in_ledger")]
    holdings.rebuild()
    record = holdings.ledger.all_city_days(FEED)[DAY]
    assert record.state is CityDayState.DELIVERED
    job = holdings.ledger.find_job("job-1")
    assert job is not None
    assert (record.job_ref, record.attempts) == (job.ref, 1)


def test_open_job_stays_open_and_knows_what_it_would_replace(
    holdings: Holdings,
) -> None:
    """A requested day waits on; the older delivery below it is known from now on."""
    holdings.publish(DAY, "a")
    ref = holdings.request(DAY, day_of("c1"))
    holdings.rebuild()
    assert holdings.ledger.pending(ref) == {DAY, day_of("c1")}
    records = holdings.ledger.all_city_days(FEED)
    assert [records[day].is_in_lake for day in (DAY, day_of("c1"))] == [True, False]
    assert holdings.rebuild().changes.count == 0


def test_open_refresh_whose_older_delivery_is_gone(holdings: Holdings) -> None:
    """It is not held any more, and waits for its job."""
    holdings.publish(day_of("c1"), "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    holdings.request(DAY, job_id="job-2")
    holdings.rebuild()
    record = holdings.ledger.all_city_days(FEED)[DAY]
    assert (record.state, record.is_in_lake) == (CityDayState.REQUESTED, False)


def test_what_the_ledger_learned_after_the_listing_began_stays(
    holdings: Holdings,
) -> None:
    """A day that landed behind the listing's back is no lost day."""
    holdings.publish(day_of("c1"), "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    before = THEN - timedelta(seconds=1)
    rebuild_index(FEED, holdings.bucket, holdings.ledger, started_at=before)
    assert holdings.states([DAY]) == {DAY: "delivered"}


def test_manifest_that_is_not_json_is_named_and_its_day_asked_for_again(
    holdings: Holdings,
) -> None:
    """It is no delivery, and the gap says why."""
    holdings.publish(DAY, "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    holdings.put(DAY, MANIFEST_NAME, b"{")
    rebuilt = holdings.rebuild()
    assert [*rebuilt.unreadable] == [DAY]
    record = holdings.ledger.all_city_days(FEED)[DAY]
    assert record.state is CityDayState.REJECTED
    assert "not readable" in record.reason
    assert holdings.rebuild().changes.count == 0


def test_manifest_that_is_not_json_is_rejected_on_a_new_ledger(
    holdings: Holdings,
) -> None:
    """Something was bought there once: it is not called a day nobody asked for."""
    holdings.publish(DAY, "a")
    holdings.put(DAY, MANIFEST_NAME, b"{")
    holdings.rebuild()
    assert holdings.states() == {DAY: "rejected"}
    assert holdings.rebuild().changes.count == 0


@pytest.mark.parametrize("is_new", [False, True], ids=["known", "new_ledger"])
@pytest.mark.parametrize("is_gone", [False, True], ids=["cut_short", "gone"])
def test_day_whose_part_is_not_whole_is_rejected(
    holdings: Holdings, is_gone: bool, is_new: bool
) -> None:
    """The gap names the part; beside it a stray part spoils nothing."""
    part = holdings.publish(DAY, "a")
    whole = day_of("c1")
    holdings.publish(whole, "b")
    holdings.put(whole, "part-00007-deadbeef.snappy.parquet", b"x")
    if not is_new:
        holdings.settle(CityDayState.DELIVERED, DAY, whole)
    if is_gone:
        holdings.delete(DAY, part)
    else:
        holdings.put(DAY, part, holdings.get(DAY, part)[:-1])
    rebuilt = holdings.rebuild()
    assert ([*rebuilt.unreadable], rebuilt.manifests) == ([DAY], 1)
    record = holdings.ledger.all_city_days(FEED)[DAY]
    assert (record.state, record.attempts) == (CityDayState.REJECTED, 1)
    assert part in record.reason
    assert "request the day again" in record.reason
    assert holdings.states([whole]) == {whole: "delivered"}
    assert holdings.rebuild().changes.count == 0


def test_day_published_anew_while_it_was_listed_is_not_spoilt(
    holdings: Holdings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest names a part that came after the listing: it is looked at again."""
    holdings.publish(DAY, "a")
    listed = holdings.bucket.list_files

    def publish_then(folder: str, doing: str) -> Iterator[tuple[str, int]]:
        before = [*listed(folder, doing)]
        holdings.publish(DAY, "a", "b")
        yield from before

    monkeypatch.setattr(holdings.bucket, "list_files", publish_then)
    assert holdings.rebuild().unreadable == {}
    assert holdings.states() == {DAY: "delivered"}


def test_manifest_of_another_version_is_named_and_not_paid_for_again(
    holdings: Holdings,
) -> None:
    """Newer code may have written it: the ledger keeps what it says."""
    holdings.publish(DAY, "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    newer = json.loads(holdings.get(DAY)) | {"version": 2}
    holdings.put(DAY, MANIFEST_NAME, json.dumps(newer).encode())
    rebuilt = holdings.rebuild()
    assert ([*rebuilt.unreadable], rebuilt.changes.count) == ([DAY], 0)
    assert holdings.states() == {DAY: "delivered"}


def test_manifest_of_another_version_is_delivered_to_a_new_ledger(
    holdings: Holdings,
) -> None:
    """Where the ledger was lost, what stands in the lake is not bought again either."""
    holdings.publish(DAY, "a")
    newer = json.loads(holdings.get(DAY)) | {"version": 2}
    holdings.put(DAY, MANIFEST_NAME, json.dumps(newer).encode())
    assert [*holdings.rebuild().unreadable] == [DAY]
    assert holdings.states() == {DAY: "delivered"}
    assert holdings.rebuild().changes.count == 0


def test_empty_listing_changes_nothing_unless_accepted(holdings: Holdings) -> None:
    """A wrong bucket must not make everything missing; an emptied one may."""
    holdings.settle(CityDayState.DELIVERED, DAY)
    with pytest.raises(EmptyLakeError, match="named no object"):
        holdings.rebuild()
    assert holdings.states() == {DAY: "delivered"}
    holdings.rebuild(accept_empty=True)
    assert holdings.states() == {DAY: "not_requested"}


@pytest.mark.parametrize("faults", [[_FAILS] * 2, [None, *[_FAILS] * 4]])
def test_failed_listing_or_manifest_changes_nothing(
    holdings: Holdings, wire: Wire, faults: list[object]
) -> None:
    """Half of a lake is not the lake."""
    holdings.publish(day_of("c1"), "a")
    holdings.settle(CityDayState.DELIVERED, DAY)
    wire.hit(faults)  # pyright: ignore[reportArgumentType]
    with pytest.raises(StorageError):
        holdings.rebuild()
    assert holdings.states() == {DAY: "delivered"}


def test_no_city_day_appears_or_vanishes(holdings: Holdings) -> None:
    """Every known day keeps a row; those added are the manifests the ledger lacked."""
    days = [day_of("c0", offset) for offset in range(6)]
    holdings.settle(CityDayState.DELIVERED, *days[:4], job_id="job-1")
    holdings.settle(CityDayState.NOT_DELIVERED, days[4], job_id="job-2")
    for day in (*days[:3], days[5]):
        holdings.publish(day, "a")
    before = Counter(holdings.states().values())
    rebuilt = holdings.rebuild()
    assert before == {"delivered": 4, "not_delivered": 1}
    assert Counter(holdings.states().values()) == {
        "delivered": 4,
        "not_delivered": 1,
        "not_requested": 1,
    }
    assert ([*rebuilt.changes.found], [*rebuilt.changes.lost]) == ([days[5]], [days[3]])
