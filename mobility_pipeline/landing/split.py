"""Split one delivered date into each city's sorted rows, losing none on the way.

    windows of files ─► conform ─► attribute ─► pack ─► shuffle ─► sort ─► unpack

Memory depends on the windows that threads have in hand and on the shuffle's budget, not on
the date's size.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mobility_pipeline.errors import ConservationError, UnknownCityError
from mobility_pipeline.landing.attribution import NO_AREA, Attribution, Attributor
from mobility_pipeline.landing.conform import conform_table, share_types
from mobility_pipeline.landing.ordering import break_ties, order_devices
from mobility_pipeline.landing.packing import AREAS, Packer, take_rows
from mobility_pipeline.landing.read import Batch, list_batches, read_batch
from mobility_pipeline.landing.scratch import ScratchFiles
from mobility_pipeline.landing.shuffle import CITY, Budget, Group, Shuffle
from mobility_pipeline.landing.shuffle import Window as PackedWindow
from mobility_pipeline.schemas.pings import PING_SCHEMAS

if TYPE_CHECKING:
    from mobility_pipeline.landing.delivery import Delivery
    from mobility_pipeline.landing.storage import Bucket
    from mobility_pipeline.vendor.request import Area

FETCHERS = 16
CHUNK_ROWS = 65_536
CHUNK_CELLS = 1_310_720
"""A chunk has fewer rows where it has more than 20 columns."""
_SHARE = 8
"""Of the memory, one part each: rows held before spilling, and all buckets in hand, which
are there three times over while they are sorted. The rest are windows and chunks."""

CityChunks = tuple[str, Iterator[pa.Table]]


@dataclass(frozen=True)
class Means:
    """What splitting one date may take."""

    memory_bytes: int
    """Above the process's own, all threads together."""
    threads: int
    folder: Path
    """For rows that do not fit into memory."""


@dataclass(frozen=True)
class CityGroup:
    """Cities whose rows are read together."""

    cities: tuple[str, ...]
    """Keys, sorted."""
    rows: Group


@dataclass(frozen=True)
class SplitDate:
    """One date of one delivery, by city. Close it: it may hold a file."""

    date: date
    rows_in: int
    """Rows of all files of the date."""
    rows: Mapping[str, int]
    """City key -> its rows; every city asked for, also with none."""
    rejected: Mapping[str, int]
    """Reason -> rows of the whole (job, date) that belong to no city."""
    cast_failures: Mapping[str, int]
    """City key -> cells of its rows that could not be cast and are null."""
    schema: pa.Schema
    """Declared columns, then unknown ones by name."""
    groups: tuple[CityGroup, ...]
    """To be read one after another, or by a thread each."""
    _packer: Packer
    _packed_schema: pa.Schema
    _city_numbers: Mapping[str, int]
    _shuffle: Shuffle

    def read(self, group: CityGroup) -> Iterator[CityChunks]:
        """Yield each city of a group with its rows, to be consumed before the next.

        The rows come in total order, in chunks of `CHUNK_ROWS` (the last may be smaller):
        equal rows make equal chunks. Repeated text is dictionary-coded.

        Raises:
            ConservationError: at a city's end, if it has other rows than were attributed.
        """
        runs = groupby(self._read_runs(group), key=itemgetter(0))
        head = next(runs, None)
        for city in group.cities:
            if head is not None and head[0] == self._city_numbers[city]:
                rows = map(itemgetter(1), head[1])
                yield city, self._check(city, self._cut(rows))
                head = next(runs, None)
            else:
                yield city, self._check(city, iter(()))

    def close(self) -> None:
        """Let go of memory and disk."""
        self._shuffle.close()

    def _read_runs(self, group: CityGroup) -> Iterator[tuple[int, pa.Table]]:
        """Yield sorted rows of one city each, cities ascending."""
        for bucket in group.rows.buckets:
            # By `map`, since a variable would keep the unsorted rows in memory.
            for ordered in map(self._sort, bucket.read(self._packed_schema)):
                cities = ordered.column(CITY).to_numpy()
                packed = ordered.drop_columns([CITY])
                numbers, starts = np.unique(cities, return_index=True)
                ends = [*starts[1:].tolist(), len(cities)]
                for number, start, end in zip(
                    numbers.tolist(), starts.tolist(), ends, strict=True
                ):
                    yield number, packed.slice(start, end - start)

    def _sort(self, table: pa.Table) -> pa.Table:
        packed = table.drop_columns([CITY])
        order, ties = order_devices(table.column(CITY).to_numpy(), packed)
        order = break_ties(packed, order, ties, self._unpack_plain)
        return take_rows(table, order)

    def _cut(self, runs: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Cut a city's rows into chunks; where depends on nothing but the rows."""
        size = max(min(CHUNK_ROWS, CHUNK_CELLS // len(self.schema)), 1)
        held: list[pa.Table] = []
        for run in runs:
            held.append(run)
            count = sum(part.num_rows for part in held)
            if count < size:
                continue
            rows = pa.concat_tables(held)
            whole = count - count % size
            for start in range(0, whole, size):
                yield self._packer.unpack(rows.slice(start, size))
            held = [rows.slice(whole).combine_chunks()] if whole < count else []
        if held:
            yield self._packer.unpack(pa.concat_tables(held))

    def _check(self, city: str, chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
        count = 0
        for chunk in chunks:
            count += chunk.num_rows
            yield chunk
        if count != self.rows[city]:
            raise ConservationError(
                f"{city} {self.date}: {self.rows[city]} rows attributed, {count} split; "
                "nothing of it is published, report this"
            )

    def _unpack_plain(self, packed: pa.Table) -> pa.Table:
        return self._packer.unpack(packed).cast(self.schema)


def split_date(
    bucket: "Bucket",
    delivery: "Delivery",
    day: date,
    feed_name: str,
    areas: "Sequence[Area]",
    cities: Collection[str],
    means: Means,
) -> SplitDate:
    """Read one date of a delivery and split it.

    Args:
        bucket: the vendor's.
        delivery: as listed.
        day: a UTC date of the delivery.
        feed_name: a key of `PING_SCHEMAS`.
        areas: all areas of the vendor job as sent, also of cities not asked for here.
        cities: the cities to return.
        means: what it may take.

    Raises:
        DeliveryRejectedError: the date can't be trusted (a corrupt file, an unknown
            area, rows lost); nothing of it may be published.
        UnknownCityError: a city to return is none of the job's.
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: the role may not read the delivery.
    """
    batches = list_batches(delivery, day)
    splitter = _Splitter(feed_name, Attributor(areas, day), cities, means, batches)
    fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="fetch")
    workers = ThreadPoolExecutor(means.threads, thread_name_prefix="split")
    try:
        take = partial(splitter.take, bucket, day, fetchers)
        for _ in workers.map(take, batches):
            pass
        return splitter.finish(day)
    except BaseException:
        splitter.close()
        raise
    finally:
        workers.shutdown(cancel_futures=True)
        fetchers.shutdown(cancel_futures=True)


def check_conservation(
    day: date, rows_in: int, attributed: int, rejected: Mapping[str, int]
) -> None:
    """Compare what went in with what was attributed.

    Raises:
        ConservationError: rows in are not rows attributed plus rejected.
    """
    if rows_in != attributed + sum(rejected.values()):
        raise ConservationError(
            f"{day}: {rows_in} rows in, {attributed} attributed and "
            f"{sum(rejected.values())} rejected do not add up; nothing is published, "
            "report this"
        )


class _Splitter:
    """Takes the batches of a date, from several threads at once."""

    def __init__(
        self,
        feed_name: str,
        attributor: Attributor,
        cities: Collection[str],
        means: Means,
        batches: Sequence[Batch],
    ) -> None:
        self._declared = PING_SCHEMAS[feed_name]
        self._attributor = attributor
        self._wanted = _number_cities(attributor.cities, cities)
        self._is_wanted = np.zeros(len(attributor.cities), dtype=np.bool_)
        self._is_wanted[[*self._wanted.values()]] = True
        self._packer = Packer(self._declared, attributor.area_ids)
        self._scratch = ScratchFiles(means.folder)
        share = means.memory_bytes // _SHARE
        self._shuffle = Shuffle(Budget(share, share // means.threads, means.folder))
        self._nbytes = sum(batch.nbytes for batch in batches)
        self._lock = Lock()
        self._rows_in = self._attributed = self._rejected = 0
        self._rows = np.zeros(len(attributor.cities), dtype=np.int64)
        self._cast_failures = np.zeros(len(attributor.cities), dtype=np.int64)
        self._schemas: list[pa.Schema] = []
        self._read_bytes = self._packed_bytes = 0.0

    def take(
        self, bucket: "Bucket", day: date, fetchers: ThreadPoolExecutor, batch: Batch
    ) -> None:
        """Read a batch and put its rows into the shuffle."""
        for window in read_batch(bucket, batch, day, fetchers, self._scratch):
            conformed = conform_table(window.table, self._declared)
            ids = conformed.table.column(AREAS).combine_chunks()
            attribution = self._attributor.attribute(ids)
            packed = self._packer.pack(
                conformed.table, attribution.areas_per_row, attribution.areas
            )
            kept = self._keep(packed, attribution)
            failures = np.bincount(
                attribution.cities,
                weights=conformed.cast_failures[attribution.rows],
                minlength=len(self._rows),
            )
            with self._lock:
                self._rows_in += window.table.num_rows
                self._attributed += attribution.attributed
                self._rejected += attribution.rejected
                self._rows += np.bincount(attribution.cities, minlength=len(self._rows))
                self._cast_failures += failures.astype(np.int64)
                if packed.schema not in self._schemas:
                    self._schemas.append(packed.schema)
                self._read_bytes += window.nbytes
                self._packed_bytes += kept.nbytes
                scale = self._nbytes / max(self._read_bytes, 1)
                expected = self._packed_bytes * scale
            self._shuffle.add(kept, expected)

    def finish(self, day: date) -> SplitDate:
        """Return the split date once every batch is taken."""
        self._scratch.close()
        rejected = {NO_AREA: self._rejected}
        check_conservation(day, self._rows_in, self._attributed, rejected)
        packed = share_types([*self._schemas, self._packer.pack_schema()])
        return SplitDate(
            date=day,
            rows_in=self._rows_in,
            rows={city: int(self._rows[n]) for city, n in self._wanted.items()},
            rejected=rejected,
            cast_failures={
                city: int(self._cast_failures[n]) for city, n in self._wanted.items()
            },
            schema=self._packer.unpacked_schema(packed),
            groups=tuple(self._group_cities()),
            _packer=self._packer,
            _packed_schema=packed.append(pa.field(CITY, pa.uint16())),
            _city_numbers=self._wanted,
            _shuffle=self._shuffle,
        )

    def close(self) -> None:
        self._scratch.close()
        self._shuffle.close()

    def _keep(self, packed: pa.Table, attribution: Attribution) -> PackedWindow:
        kept = self._is_wanted[attribution.cities]
        rows, cities = attribution.rows[kept], attribution.cities[kept]
        if len(rows) < packed.num_rows // 2:
            # The others would stay in memory with them, uncounted.
            packed, rows = packed.take(pa.array(rows)), np.arange(len(rows))
        return PackedWindow(packed, rows, cities.astype(np.uint16))

    def _group_cities(self) -> Iterator[CityGroup]:
        groups = self._shuffle.groups()
        ends = [*(group.first_city for group in groups[1:]), len(self._rows)]
        for group, end in zip(groups, ends, strict=True):
            cities = [c for c, n in self._wanted.items() if group.first_city <= n < end]
            yield CityGroup(tuple(cities), group)


def _number_cities(known: Sequence[str], cities: Collection[str]) -> dict[str, int]:
    """Return the number of each wanted city, ascending."""
    numbers = {city: number for number, city in enumerate(known)}
    strange = sorted(set(cities) - numbers.keys())
    if strange:
        raise UnknownCityError(
            f"the vendor job did not ask for {', '.join(strange)}; request them first"
        )
    return {city: numbers[city] for city in sorted(set(cities))}
