"""What holds for any date: the oracle's rows, and the same bytes whatever way they came."""

import random
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mobility_pipeline.landing import split
from mobility_pipeline_tests.landing.deliveries import (
    Way,
    encode,
    make_pings,
    name_paths,
    read_rows,
    splitting,
)
from mobility_pipeline_tests.landing.drifting import (
    DRIFT,
    FILE,
    ROW,
    SCHEMA,
    WAY,
    conform_rows,
    deliver_rows,
    make_rows,
)
from mobility_pipeline_tests.landing.oracle import (
    Row,
    is_in_order,
    split_rows,
    write_rows,
)
from mobility_pipeline_tests.landing.store import AREAS, CITIES, MARS, to_parquet

few = settings(max_examples=25)
paths = pytest.mark.parametrize(
    ("memory_bytes", "path"),
    [(2**30, "held"), (16_000, "spilled"), (16, "cut again")],
)
"""In memory, cut by prefixes of devices, and cut again, inside of a device too."""

_ROWS = make_rows(40)
_FILES = [(_ROWS, {}, frozenset(), False)]
_IN_WINDOWS = Way(large_file_bytes=1, window_rows=20)
"""These surely take the path they are meant to take."""


@paths
def test_agrees_with_the_oracle(memory_bytes: int, path: str) -> None:
    """Whatever comes in, and by whichever way: the rows of a splitter in plain Python."""
    seen: set[str] = set()

    @few
    @example(_FILES, _IN_WINDOWS)
    @given(st.lists(FILE, max_size=4), WAY)
    def agree(files: list[Any], way: Way) -> None:
        data: list[bytes] = []
        rows: list[Row] = []
        texts = [
            is_text
            for mine, _, lacking, is_text in files
            if mine and "extra" not in lacking
        ]
        columns: set[str] = set()
        for mine, drift, lacking, is_text in files:
            drift = drift | {"extra": pa.string() if is_text else None}
            table = deliver_rows(mine, drift).drop_columns([*lacking])
            data.append(to_parquet(table))
            rows += conform_rows(mine, lacking, has_text=any(texts))
            columns |= {*table.column_names} if mine else set()
        expected = split_rows(rows, AREAS)
        others = {"extra", "vendor_date"} & {
            {"date": "vendor_date"}.get(name, name) for name in columns
        }
        data = data or [to_parquet(make_pings([]))]
        with splitting(data, replace(way, memory_bytes=memory_bytes)) as result:
            found = read_rows(result)
            seen.update(name_paths(result))
        assert result.schema.names == [*SCHEMA.names, *sorted(others)]
        assert (result.rows_in, result.rejected["no_area"]) == (
            len(rows),
            expected.rejected,
        )
        assert set(found) == set(CITIES)
        for city, mine in expected.rows.items():
            shown = [{name: row[name] for name in result.schema.names} for row in mine]
            assert is_in_order(found[city])
            assert sorted(write_rows(found[city])) == sorted(write_rows(shown))
            assert result.rows[city] == len(mine)

    agree()
    assert path in seen


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("memory_bytes", "path"),
    [(2**30, "held"), (1_500_000, "spilled"), (300_000, "cut again")],
)
def test_larger_dates_agree_with_the_oracle(
    memory_bytes: int, path: str, threads: int
) -> None:
    """By the same three paths; it is cut again since the first file has one device only."""
    rows = make_rows(3_000)
    data = [to_parquet(deliver_rows(rows[start::5], {})) for start in range(5)]
    expected = split_rows(conform_rows(rows, frozenset(), has_text=False), AREAS)
    way = Way(memory_bytes, threads, large_file_bytes=1, window_rows=600)
    with splitting(data, way) as result:
        paths = name_paths(result)
        assert path in paths
        assert paths == {path} or path == "cut again"
        found = read_rows(result)
    for city, mine in expected.rows.items():
        assert len(mine) > 500
        assert is_in_order(found[city])
        assert sorted(write_rows(found[city])) == sorted(write_rows(mine))


_PLACED = st.tuples(ROW, st.integers(0, 3))
"""A row, and the number of its file."""


@paths
def test_how_rows_came_and_went_never_shows(memory_bytes: int, path: str) -> None:
    """Other files, another order, types, memory and threads give the same bytes."""
    seen: set[str] = set()

    @few
    @example(
        placed=[(row, 0) for row in _ROWS],
        drifts=[{}] * 4,
        use_dictionary=True,
        way=_IN_WINDOWS,
        order=random.Random(1),
    )
    @given(
        placed=st.lists(_PLACED, max_size=5)
        | st.lists(_PLACED, min_size=20, max_size=40),
        drifts=st.lists(DRIFT, min_size=4, max_size=4),
        use_dictionary=st.booleans(),
        way=WAY,
        order=st.randoms(use_true_random=False),
    )
    def agree(
        placed: list[tuple[Row, int]],
        drifts: list[dict[str, pa.DataType | None]],
        *,
        use_dictionary: bool,
        way: Way,
        order: random.Random,
    ) -> None:
        one_file = to_parquet(deliver_rows([row for row, _ in placed], {}))
        with splitting([one_file]) as result:
            expected = encode(result, chunk_rows=4)
        order.shuffle(placed)
        files = [
            to_parquet(
                deliver_rows([row for row, place in placed if place == number], drift),
                use_dictionary=use_dictionary,
            )
            for number, drift in enumerate(drifts)
        ]
        with splitting(files, replace(way, memory_bytes=memory_bytes)) as result:
            assert encode(result, chunk_rows=4) == expected
            seen.update(name_paths(result))

    agree()
    assert path in seen


def test_same_rows_are_cut_at_the_same_places() -> None:
    """Chunks have their size whatever buckets the rows waited in; the last is the rest."""
    data = to_parquet(deliver_rows(make_rows(1_000), {}))
    shapes: set[tuple[int, ...]] = set()
    for memory_bytes in (2**30, 50_000):
        way = Way(memory_bytes, large_file_bytes=1, window_rows=100)
        with splitting([data], way) as result, pytest.MonkeyPatch.context() as patch:
            patch.setattr(split, "CHUNK_ROWS", 100)
            chunks = {
                city: tuple(chunk.num_rows for chunk in chunks)
                for group in result.groups
                for city, chunks in result.read(group)
            }
        total = result.rows[MARS.city]
        sizes = [min(100, total - start) for start in range(0, total, 100)]
        assert chunks[MARS.city] == tuple(sizes)
        shapes.add(chunks[MARS.city])
    assert len(shapes) == 1
