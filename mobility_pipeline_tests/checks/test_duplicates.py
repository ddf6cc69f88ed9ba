from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.checks.duplicates import (
    COLUMNS,
    DuplicateCount,
    DuplicateCounter,
    unique_pings,
)
from mobility_pipeline.checks.finding import Severity

Ping = tuple[str | None, int | None, float | None, float | None]
_NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _count(*batches: list[Ping]) -> DuplicateCount:
    counter = DuplicateCounter()
    for pings in batches:
        counter.watch(_batch(pings))
    return counter.count


def _batch(pings: list[Ping]) -> pa.RecordBatch:
    seconds = [ping[1] for ping in pings]
    times = [None if s is None else _NOON + timedelta(seconds=s) for s in seconds]
    columns: dict[str, Any] = {
        "ad_id": pa.array([ping[0] for ping in pings], pa.string()),
        "utc_timestamp": pa.array(times, pa.timestamp("us", tz="UTC")),
        "latitude": pa.array([ping[2] for ping in pings], pa.float64()),
        "longitude": pa.array([ping[3] for ping in pings], pa.float64()),
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_ping_there_three_times_is_two_duplicates() -> None:
    """Another place or time is another ping."""
    pings: list[Ping] = [
        ("a", 0, 1.0, 2.0),
        ("a", 0, 1.0, 2.0),
        ("a", 0, 1.0, 2.0),
        ("a", 0, 1.0, 2.5),
        ("a", 1, 1.0, 2.0),
        ("b", 1, 1.0, 2.0),
    ]
    count = _count(pings)
    assert count == DuplicateCount(rows=6, judged=6, duplicates=2)
    found = unique_pings(count)
    assert (found.passed, found.severity) == (False, Severity.ERROR)


def test_pings_with_a_null_are_not_judged() -> None:
    """Two devices without an id may stand at one place."""
    pings: list[Ping] = [(None, 0, 1.0, 2.0)] * 2 + [("a", 0, None, 2.0)] * 2
    count = _count(pings)
    assert count == DuplicateCount(rows=4, judged=0, duplicates=0)
    assert unique_pings(count).passed


def test_duplicates_across_batches_count_once() -> None:
    """The end of one batch and the two after it, one of which is nothing else."""
    ping: Ping = ("a", 0, 1.0, 2.0)
    count = _count([ping, ping], [ping], [], [ping, ("b", 0, 1.0, 2.0)])
    assert count == DuplicateCount(rows=5, judged=5, duplicates=3)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, "a", "b"]),
            st.integers(0, 2),
            st.sampled_from([None, 1.0, 2.0]),
            st.sampled_from([1.0, 2.0]),
        ),
        max_size=40,
    ),
    st.integers(1, 7),
)
def test_batches_do_not_matter_while_rows_are_sorted(
    pings: list[Ping], size: int
) -> None:
    """The oracle is Python's set over the rows without a null."""
    rows = sorted(pings, key=lambda ping: (ping[0] is None, ping[0] or "", ping[1]))
    count = _count(*(rows[at : at + size] for at in range(0, len(rows), size)))
    judged = [ping for ping in pings if None not in ping]
    assert count == DuplicateCount(
        len(pings), len(judged), len(judged) - len(set(judged))
    )


def test_the_columns_are_those_of_the_key() -> None:
    """(ad_id, utc_timestamp, latitude, longitude)."""
    assert COLUMNS == ("ad_id", "utc_timestamp", "latitude", "longitude")
