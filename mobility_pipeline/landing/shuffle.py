"""Bring the rows of each city together, however many there are, in bounded memory.

Rows come in windows and stay in memory up to a budget. Beyond it the keys (city, ad_id)
are cut into buckets of equal size, at the quantiles of what has come so far, and from then
on what is held goes to a file, bucket by bucket, whenever the budget is used up. A bucket
that turns out too large is cut again when it is read, then by (city, ad_id, utc_timestamp).
"""

import math
import os
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mobility_pipeline.landing.conform import fit_table, group_by_schema
from mobility_pipeline.landing.ordering import (
    DEVICE,
    TIME,
    order_devices,
    order_roughly,
    read_prefixes,
)
from mobility_pipeline.landing.packing import take_rows

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]
    Cities = npt.NDArray[np.uint16]

CITY = "/city"
"""Column of what comes out: the number of the row's city."""

Key = tuple[Any, ...]
"""What a row is sorted by; the city's number comes first."""

_SAMPLED_ROWS = 500
"""Per bucket: its size comes out right within some 10 %."""
_WRITE_BYTES = 2**20
_TOO_LARGE = 2
"""Times the budgeted size from which a bucket is cut again."""


@dataclass(frozen=True)
class Budget:
    """Bytes of packed rows."""

    memory: int
    """Held before it is written to disk."""
    bucket: int
    """Read back at a time."""
    folder: Path
    """Where the file goes; it has no name, so it goes with its process."""


@dataclass(frozen=True)
class Window:
    """Packed rows, and which of them belong to which city."""

    packed: pa.Table
    rows: "Rows"
    """Row numbers; a row of two cities stands twice."""
    cities: "Cities"
    """The number of the city of each of `rows`."""

    @property
    def nbytes(self) -> int:
        """Size of `rows`, roughly."""
        share = len(self.rows) / max(self.packed.num_rows, 1)
        return math.ceil(self.packed.nbytes * share)

    def select(self, order: "Rows | slice") -> pa.Table:
        """Return rows in an order, with their city."""
        taken = take_rows(self.packed, self.rows[order])
        return taken.append_column(CITY, pa.array(self.cities[order]))


@dataclass(frozen=True)
class Piece:
    """Rows of one window that lie in one bucket, in the shuffle's file."""

    nbytes: int
    schema: pa.Schema
    offset: int


class Shuffle:
    """Takes windows of packed rows in any order, from several threads at once."""

    def __init__(self, budget: Budget, *, is_rough: bool = True) -> None:
        """Make an empty shuffle.

        Args:
            budget: what it may take.
            is_rough: cut between the first bytes of `ad_id` only, which is faster.
        """
        self._budget = budget
        self._is_rough = is_rough
        self._sort = _sort_roughly if is_rough else _sort_exactly
        self._held: list[Window] = []
        self._held_bytes = 0
        self._edges: list[Key] | None = None
        self._pieces: list[list[Piece]] = []
        self._file: _SpillFile | None = None
        self._lock = Lock()

    def add(self, window: Window, expected_bytes: float) -> None:
        """Take a window.

        Args:
            window: rows of wanted cities.
            expected_bytes: of all windows together, as far as one can tell by now.
        """
        with self._lock:
            self._held.append(window)
            self._held_bytes += window.nbytes
            if self._held_bytes <= self._budget.memory:
                return
            if self._edges is None:
                self._begin_buckets(max(expected_bytes, self._held_bytes))
            windows, self._held, self._held_bytes = self._held, [], 0
        self._spill(windows)

    def groups(self) -> "list[Group]":
        """Return all buckets in order of their keys."""
        if self._edges is None or self._file is None:
            return [Group(0, [HeldBucket(self._held)])]
        self._spill(self._held)
        groups: list[Group] = []
        for edge, pieces in zip([(0,), *self._edges], self._pieces, strict=True):
            if len(edge) == 1:
                groups.append(Group(edge[0], []))
            bucket = SpilledBucket(pieces, self._file, self._budget, self._is_rough)
            groups[-1].buckets.append(bucket)
        return groups

    def close(self) -> None:
        """Let go of the file and of what is held."""
        self._held, self._pieces = [], []
        if self._file is not None:
            self._file.close()

    def _begin_buckets(self, expected_bytes: float) -> None:
        bucket_count = expected_bytes / self._budget.bucket
        rows = sum(len(held.rows) for held in self._held)
        step = max(math.floor(rows / (bucket_count * _SAMPLED_ROWS)), 1)
        sample: list[Key] = []
        for held in self._held:
            _, key_of = self._sort(held)
            sample += [key_of(place) for place in range(0, len(held.rows), step)]
        self._edges = choose_edges(sample, bucket_count)
        self._pieces = [[] for _ in range(len(self._edges) + 1)]
        self._file = _SpillFile(self._budget.folder)

    def _spill(self, windows: list[Window]) -> None:
        """Write windows, emptying the list; together, as many small pieces cost most."""
        buckets: list[list[pa.Table]] = [[] for _ in self._pieces]
        while windows:
            for bucket, rows in zip(buckets, self._cut(windows.pop()), strict=True):
                if rows.num_rows:
                    bucket.append(rows)
        for pieces, tables in zip(self._pieces, buckets, strict=True):
            for alike in group_by_schema(tables):
                rows = pa.concat_tables(alike).combine_chunks()
                with self._lock:
                    if self._file is not None:
                        pieces.append(self._file.write(rows))

    def _cut(self, window: Window) -> Iterator[pa.Table]:
        """Yield a window's rows of each bucket."""
        order, key_of = self._sort(window)
        cuts = [
            bisect_left(order, edge, key=lambda place: key_of(int(place)))
            for edge in self._edges or []
        ]
        rows = window.select(order)
        for start, end in pairwise([0, *cuts, len(order)]):
            yield rows.slice(start, end - start)


@dataclass(frozen=True)
class Group:
    """Consecutive buckets that hold all rows of some cities."""

    first_city: int
    """Its cities are those from this number to before the next group's."""
    buckets: "list[HeldBucket | SpilledBucket]"


class HeldBucket:
    """All rows of a shuffle that never spilled."""

    def __init__(self, windows: Sequence[Window]) -> None:
        self._windows = windows

    def read(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the rows as one table, unless there are none."""
        everything = slice(None)
        windows = [window for window in self._windows if len(window.rows)]
        tables = [fit_table(w.select(everything), schema) for w in windows]
        if tables:
            yield pa.concat_tables(tables).combine_chunks()


class SpilledBucket:
    """Rows between two keys."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        file: "_SpillFile",
        budget: Budget,
        is_rough: bool,
    ) -> None:
        self._pieces = pieces
        self._file = file
        self._budget = budget
        self._is_rough = is_rough

    def read(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the rows, as one table or, where they are too many, as several in order.

        Args:
            schema: of all windows together, with `/city`; what a window lacks is null.
        """
        nbytes = sum(piece.nbytes for piece in self._pieces)
        if self._is_rough and nbytes > _TOO_LARGE * self._budget.bucket:
            yield from self._cut_again(schema, nbytes)
        elif self._pieces:
            yield pa.concat_tables(self._load(schema)).combine_chunks()

    def _load(self, schema: pa.Schema) -> Iterator[pa.Table]:
        for piece in self._pieces:
            yield fit_table(self._file.read(piece), schema)

    def _cut_again(self, schema: pa.Schema, nbytes: int) -> Iterator[pa.Table]:
        budget = replace(self._budget, memory=self._budget.bucket)
        finer = Shuffle(budget, is_rough=False)
        try:
            for table in _merge_small(self._load(schema), self._budget.bucket // 4):
                cities = table.column(CITY).to_numpy()
                rows = np.arange(table.num_rows, dtype=np.int64)
                finer.add(Window(table.drop_columns([CITY]), rows, cities), nbytes)
            for group in finer.groups():
                for bucket in group.buckets:
                    yield from bucket.read(schema)
        finally:
            finer.close()


class _SpillFile:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._number, path = tempfile.mkstemp(dir=folder)
        # A piece is dozens of buffers: written one by one they cost twice the time.
        self._sink = pa.BufferedOutputStream(pa.OSFile(path, "wb"), _WRITE_BYTES)
        Path(path).unlink()
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def write(self, rows: pa.Table) -> Piece:
        if self._writer is None or not rows.schema.equals(self._schema):
            self._schema = rows.schema
            self._writer = pa.ipc.new_stream(self._sink, rows.schema)
            # The stream begins with its schema, written together with the first batch.
            self._writer.write_batch(pa.RecordBatch.from_pylist([], rows.schema))
        offset = self._sink.tell()
        self._writer.write_batch(rows.to_batches()[0])
        return Piece(self._sink.tell() - offset, rows.schema, offset)

    def read(self, piece: Piece) -> pa.Table:
        self._sink.flush()
        data = os.pread(self._number, piece.nbytes, piece.offset)
        batch = pa.ipc.read_record_batch(pa.py_buffer(data), piece.schema)
        return pa.Table.from_batches([batch])

    def close(self) -> None:
        try:
            self._sink.close()
        finally:
            os.close(self._number)


def choose_edges(sample: Sequence[Key], bucket_count: float) -> list[Key]:
    """Choose where buckets begin, but the first.

    Args:
        sample: keys of rows, all with the same chance to be in it.
        bucket_count: how many buckets of equal size are wanted.

    Returns:
        Ascending keys: `(city,)` begins a group; an edge inside a city follows its own.
    """
    size = max(len(sample) / max(bucket_count, 1), 1)
    edges: list[Key] = []
    filled = 0.0
    for city, group in groupby(sorted(sample), key=itemgetter(0)):
        keys = [*group]
        if filled and filled + len(keys) > size:
            edges.append((city,))
            filled = 0
        cuts = math.ceil(len(keys) / size)
        inner = [keys[number * len(keys) // cuts] for number in range(1, cuts)]
        edges += sorted(set(inner))
        filled += math.inf if inner else len(keys)
    return edges


def _sort_roughly(window: Window) -> "tuple[Rows, Callable[[int], Key]]":
    prefixes = read_prefixes(window.packed).take(window.rows)
    cities = window.cities

    def key_of(place: int) -> Key:
        return int(cities[place]), int(prefixes[place])

    return order_roughly(cities, prefixes), key_of


def _sort_exactly(window: Window) -> "tuple[Rows, Callable[[int], Key]]":
    # Only rows that were spilled come here: `rows` counts them up.
    cities, ids = window.cities, window.packed.column(DEVICE)
    times = window.packed.column(TIME).cast(pa.int64())
    order, _ = order_devices(cities, window.packed)

    def key_of(place: int) -> Key:
        device, time = ids[place].as_py(), times[place].as_py()
        return (
            int(cities[place]),
            (device is None, device or ""),
            (time is None, time or 0),
        )

    return order, key_of


def _merge_small(tables: Iterator[pa.Table], nbytes: int) -> Iterator[pa.Table]:
    """Join tables until they have a size worth cutting."""
    gathered: list[pa.Table] = []
    held = 0
    for table in tables:
        gathered.append(table)
        held += table.nbytes
        if held >= nbytes:
            yield pa.concat_tables(gathered).combine_chunks()
            gathered, held = [], 0
    if gathered:
        yield pa.concat_tables(gathered).combine_chunks()
