import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.landing.shuffle import (
    CITY,
    Budget,
    HeldBucket,
    Shuffle,
    SpilledBucket,
    Window,
    choose_edges,
)

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    [("ad_id", pa.string()), ("utc_timestamp", TIME), ("number", pa.int64())]
)
OUT = SCHEMA.append(pa.field(CITY, pa.uint16()))
TINY = Budget(0, 1, Path(gettempdir()))
"""Spills at once, and wants buckets of a row each."""

Ping = tuple[int, str | None, int | None, int]
"""City, device, time, and a number of its own."""


def _window(pings: Sequence[Ping], schema: pa.Schema = SCHEMA) -> Window:
    """Make a window of which each row belongs to one city, last row first."""
    backwards = [*reversed(pings)]
    columns = [[ping[place] for ping in backwards] for place in (1, 2, 3)]
    names = schema.names
    packed = pa.table(
        {
            name: pa.array(column, schema.field(name).type)
            for name, column in zip(names, columns, strict=False)
        }
    )
    rows = np.arange(len(pings), dtype=np.int64)[::-1]
    return Window(packed, rows, np.array([ping[0] for ping in pings], np.uint16))


@contextmanager
def _shuffled(
    windows: Sequence[Window], budget: Budget, expected_bytes: float = 0
) -> Iterator[Shuffle]:
    shuffle = Shuffle(budget)
    for window in windows:
        shuffle.add(window, expected_bytes)
    yield shuffle
    shuffle.close()


def _read(shuffle: Shuffle, schema: pa.Schema = OUT) -> list[list[Ping]]:
    """Return the rows of every table, in the order they are to be read."""
    tables = [
        table
        for group in shuffle.groups()
        for bucket in group.buckets
        for table in bucket.read(schema)
    ]
    return [_pings(table) for table in tables]


def _rows(shuffle: Shuffle, schema: pa.Schema = OUT) -> list[Ping]:
    return [ping for table in _read(shuffle, schema) for ping in table]


def _pings(table: pa.Table) -> list[Ping]:
    times = table["utc_timestamp"].cast(pa.int64())
    columns = [table[CITY], table["ad_id"], times, table["number"]]
    return [*zip(*(column.to_pylist() for column in columns), strict=True)]


def _key(ping: Ping) -> tuple[Any, ...]:
    city, device, time, _ = ping
    return city, device is None, (device or "").encode(), time is None, time or 0


def _random_pings(count: int, cities: int = 3) -> list[Ping]:
    source = random.Random(3)
    return [
        (source.randrange(cities), f"{source.getrandbits(128):032x}", number, number)
        for number in range(count)
    ]


_PING = st.tuples(
    st.integers(0, 3),
    st.sampled_from([None, "", "a", "é", "00112233", "00112233-a", "00112233-b"]),
    st.sampled_from([None, -5, 0, 7]),
    st.integers(0, 10**6),
)
_BUDGETS = st.sampled_from([(2**30, 2**20), (500, 4_000), (500, 100), (0, 1)])


@given(
    st.lists(st.lists(_PING, max_size=8), max_size=5),
    _BUDGETS,
    st.sampled_from([0, 10**4]),
)
def test_rows_come_back_once_and_in_order(
    windows: list[list[Ping]], sizes: tuple[int, int], expected_bytes: float
) -> None:
    """No row is lost or doubled; what is read later has greater keys, never equal ones."""
    budget = Budget(*sizes, Path(gettempdir()))
    with _shuffled([*map(_window, windows)], budget, expected_bytes) as shuffle:
        tables = _read(shuffle)
        firsts = [group.first_city for group in shuffle.groups()]
    everything = [ping for pings in windows for ping in pings]
    assert sorted((ping for table in tables for ping in table), key=_write) == sorted(
        everything, key=_write
    )
    assert all(tables)
    for before, after in pairwise(tables):
        assert max(map(_key, before)) < min(map(_key, after))
    assert firsts == sorted(set(firsts))
    assert firsts[0] == 0


def _write(ping: Ping) -> str:
    return repr(ping)


@given(st.lists(st.lists(_PING, max_size=8), min_size=1, max_size=4))
def test_groups_hold_whole_cities(windows: list[list[Ping]]) -> None:
    """A city's rows are in one group: between its first city and the next group's."""
    with _shuffled([*map(_window, windows)], TINY) as shuffle:
        groups = shuffle.groups()
        ends = [*(group.first_city for group in groups[1:]), 99]
        for group, end in zip(groups, ends, strict=True):
            for bucket in group.buckets:
                for table in bucket.read(OUT):
                    cities = table[CITY].to_pylist()
                    assert group.first_city <= min(cities) <= max(cities) < end


def test_a_row_of_two_cities_is_there_twice() -> None:
    """Rows are numbered: one of them may be in several cities, another in none."""
    packed = _window([(0, "a", 1, 1), (0, "b", 2, 2)]).packed
    window = Window(packed, np.array([1, 1]), np.array([2, 5], np.uint16))
    for budget in (Budget(2**20, 2**20, Path(gettempdir())), TINY):
        with _shuffled([window], budget) as shuffle:
            assert _rows(shuffle) == [(2, "a", 1, 1), (5, "a", 1, 1)]


def test_what_fits_stays_in_memory(tmp_path: Path) -> None:
    """No file is opened, and all is read as one table."""
    budget = Budget(2**20, 2**20, tmp_path / "never")
    windows = [_window(_random_pings(50)), _window([])]
    with _shuffled(windows, budget) as shuffle:
        (group,) = shuffle.groups()
        (bucket,) = group.buckets
        assert isinstance(bucket, HeldBucket)
        assert len(_read(shuffle)) == 1
    assert not budget.folder.exists()


@pytest.mark.parametrize("windows", [[], [_window([])]])
def test_no_rows_give_no_table(windows: list[Window]) -> None:
    """Whether nothing came or windows of which nobody wants a row."""
    with _shuffled(windows, TINY) as shuffle:
        assert _read(shuffle) == []


def test_buckets_are_of_the_size_that_was_asked_for(tmp_path: Path) -> None:
    """By the keys of what came first and the bytes of all that is expected."""
    pings = _random_pings(40_000)
    windows = [
        _window(pings[start : start + 4_000]) for start in range(0, 40_000, 4_000)
    ]
    total = sum(window.nbytes for window in windows)
    budget = Budget(total // 5, total // 10, tmp_path)
    with _shuffled(windows, budget, expected_bytes=total) as shuffle:
        buckets = [bucket for group in shuffle.groups() for bucket in group.buckets]
        sizes = [_spilled_bytes(bucket) for bucket in buckets]
        assert 10 <= len(sizes) <= 14
        assert max(sizes) < 1.5 * total / 10
        assert len(_read(shuffle)) == len(sizes)


def test_a_bucket_that_turns_out_too_large_is_cut_again(tmp_path: Path) -> None:
    """What comes later may be unlike what came first: here, all of it is one device's."""
    first = _window(_random_pings(1_000))
    rest = [(1, "00112233", time, time) for time in range(20_000)]
    windows = [first, *(_window(rest[start::4]) for start in range(4))]
    budget = Budget(10_000, 50_000, tmp_path)
    with _shuffled(windows, budget, expected_bytes=50_000) as shuffle:
        buckets = [bucket for group in shuffle.groups() for bucket in group.buckets]
        too_large = [b for b in buckets if _spilled_bytes(b) > 2 * budget.bucket]
        assert len(too_large) == 1
        tables = [table.nbytes for table in too_large[0].read(OUT)]
        assert len(tables) > 4
        assert max(tables) < 2 * budget.bucket
        rows = _rows(shuffle)
    assert len(rows) == 21_000


def _spilled_bytes(bucket: HeldBucket | SpilledBucket) -> int:
    assert isinstance(bucket, SpilledBucket)
    return sum(piece.nbytes for piece in bucket._pieces)


@pytest.mark.parametrize("memory", [0, 2**20])
def test_windows_of_other_columns_become_one(memory: int) -> None:
    """What a window lacks is null, and types are those of all windows together."""
    text = pa.schema([SCHEMA.field(0), SCHEMA.field(1), ("number", pa.string())])
    lacking = pa.schema([SCHEMA.field(0), SCHEMA.field(1)])
    windows = [
        _window([(0, "a", 1, 5)]),
        _window([(0, "b", 1, 7)]),
        _window([(0, "c", 1, "six")], text),
        _window([(0, "d", 1, 0)], lacking),
    ]
    budget = Budget(memory, 2**20, Path(gettempdir()))
    out = text.append(pa.field(CITY, pa.uint16()))
    with _shuffled(windows, budget) as shuffle:
        rows = sorted(_rows(shuffle, out))
    assert [ping[3] for ping in rows] == ["5", "7", "six", None]


def test_threads_add_at_once(tmp_path: Path) -> None:
    """Each window is whole, whoever wrote before and after it."""
    pings = _random_pings(20_000)
    windows = [_window(pings[start::100]) for start in range(100)]
    other = SCHEMA.append(pa.field("more", pa.int8()))
    shuffle = Shuffle(Budget(50_000, 50_000, tmp_path))

    def add(number: int) -> None:
        window = windows[number]
        if number % 2:  # another schema: another stream in the same file
            more = pa.nulls(window.packed.num_rows, pa.int8())
            packed = window.packed.append_column(other.field("more"), more)
            window = Window(packed, window.rows, window.cities)
        shuffle.add(window, 10**6)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(100)))
    rows = _rows(shuffle)
    shuffle.close()
    assert sorted(rows) == sorted(pings)


def test_reading_twice_gives_the_same() -> None:
    """A bucket may be read again, by another thread too."""
    with _shuffled([_window(_random_pings(50))], TINY, 10**5) as shuffle:
        assert _read(shuffle) == _read(shuffle)


def test_the_file_has_no_name_and_goes(tmp_path: Path) -> None:
    """A killed process leaves nothing on disk; a closed shuffle no open file."""
    before = _open_files()
    budget = Budget(0, 1_000, tmp_path / "new" / "folder")
    with _shuffled([_window(_random_pings(500))], budget, 10**5):
        assert [*budget.folder.iterdir()] == []
        assert _open_files() > before
    assert _open_files() == before


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


_SAMPLES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=60)


@settings(max_examples=200)
@given(_SAMPLES, st.floats(0.1, 80))
def test_edges_ascend_and_groups_begin_with_a_city(
    sample: list[tuple[int, int]], bucket_count: float
) -> None:
    """An edge inside of a city is one of its keys, and follows where its group begins."""
    edges = choose_edges(sample, bucket_count)
    assert edges == sorted(set(edges))
    begun = 0
    for edge in edges:
        if len(edge) == 1:
            begun = edge[0]
        else:
            assert edge in sample
            assert edge[0] == min(city for city, _ in sample if city >= begun)


@given(_SAMPLES, st.floats(1, 80))
def test_a_city_that_is_cut_is_alone_in_its_group(
    sample: list[tuple[int, int]], bucket_count: float
) -> None:
    """So that its neighbours' rows do not wait behind it."""
    edges = choose_edges(sample, bucket_count)
    cut = {edge[0] for edge in edges if len(edge) == 2}
    begins = {0, *(edge[0] for edge in edges if len(edge) == 1)}
    known = sorted({city for city, _ in sample})
    for city, following in pairwise(known):
        assert city not in cut or following in begins
        assert following not in cut or following in begins


def test_small_cities_share_a_bucket() -> None:
    """Four equal cities in two buckets: two each."""
    sample = [(city, key) for city in range(4) for key in range(10)]
    assert choose_edges(sample, 2) == [(2,)]


def test_a_large_city_is_cut_into_equal_parts() -> None:
    """Thirty rows of one city in three buckets, beside a city of one row."""
    sample = [(4, key) for key in range(30)] + [(5, 0)]
    assert choose_edges(sample, 3.1) == [(4, 10), (4, 20), (5,)]
