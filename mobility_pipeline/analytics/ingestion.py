"""Ingest network events: parse lines, merge them with what is there, set bad ones aside."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import IO, cast

import polars as pl
import pyarrow as pa

from mobility_pipeline.analytics.events import parse_events
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.lake.derived import DerivedTables, Origin, conform
from mobility_pipeline.private_file import write_private
from mobility_pipeline.schemas.events import EVENTS

_LINES_AT_ONCE = 500_000
_UTC_HOURS = 24
_CLOCK_ERROR = timedelta(minutes=5)
"""Sources' clocks may be ahead of ours by this."""


@dataclass
class Ingested:
    """What an ingestion did."""

    new: int = 0
    """Events that were not there before."""
    known: int = 0
    """Events that were there, or came twice."""
    rejected: Counter[str] = field(default_factory=Counter[str])
    """Reason -> lines."""
    changed: set[date] = field(default_factory=set[date])
    """UTC days that are other ones than before."""
    quarantine: list[Path] = field(default_factory=list[Path])
    """Files with the rejected lines, each behind its reason."""


@dataclass(frozen=True)
class Ingestion:
    """Ingests events of one city; what was ingested again changes nothing."""

    city: City
    tables: DerivedTables
    cells: pl.DataFrame | None
    """`cell_id`, `lat`, `lon` of the city's network, where its layer is one."""
    folder: Path
    """For the rejected lines: they name devices, so only their owner may read them."""
    hold: Callable[[date], AbstractContextManager[None]]
    """Keeps other processes from the same day: one of two would lose its events."""
    lines_at_once: int = _LINES_AT_ONCE
    """Lines that are in memory together."""

    def ingest(self, lines: Iterable[str], now: datetime) -> Ingested:
        """Ingest lines, any number of them; no event is stored before the last is read.

        A crash costs nothing: each day stands as it was or with what was merged, and
        ingesting everything again adds what lacks.

        Args:
            lines: see `parse_events`.
            now: the present instant; later events are rejected.

        Raises:
            StorageError: S3 failed; ingest again.
        """
        result = Ingested()
        self.folder.mkdir(parents=True, exist_ok=True)
        # A file without a name: the system deletes it when this process ends or dies.
        with tempfile.TemporaryFile(dir=self.folder) as waiting:
            batches = self._stage(lines, now, waiting, result)
            waiting.seek(0)
            # Each day is written once, however many chunks it is spread over.
            for day in sorted(batches):
                self._merge(day, _read_batches(waiting, batches[day]), result)
        return result

    def _stage(
        self, lines: Iterable[str], now: datetime, waiting: IO[bytes], result: Ingested
    ) -> Mapping[date, Sequence[int]]:
        """Let events wait in a file; returns the numbers of each day's record batches."""
        batches: dict[date, list[int]] = {}
        numbers = count()
        with pa.ipc.new_file(waiting, EVENTS.schema) as writer:
            for chunk in _chunks(lines, self.lines_at_once):
                parsed = parse_events(chunk, self.cells, now + _CLOCK_ERROR)
                self._set_aside(parsed.rejected, result)
                for (day,), events in parsed.events.group_by(pl.col("at").dt.date()):
                    table = conform(events, EVENTS).combine_chunks()
                    writer.write_batch(table.to_batches()[0])
                    batches.setdefault(cast(date, day), []).append(next(numbers))
                blank = sum(not line.strip() for line in chunk)
                lines_in = len(chunk) - blank - parsed.rejected.height
                result.known += lines_in - parsed.events.height
        return batches

    def _merge(self, day: date, events: pl.DataFrame, result: Ingested) -> None:
        city_day = CityDay(self.city.key, day)
        with self.hold(day):
            stands = self.tables.read_manifest(EVENTS, city_day) is not None
            known = self.tables.read(EVENTS, city_day) if stands else events.clear()
            merged = pl.concat([known, events]).unique()
            hours = merged["at"].dt.truncate("1h").unique().sort().to_list()
            origin = Origin((), None, hours, _UTC_HOURS)
            written = self.tables.write(EVENTS, city_day, merged, origin)
        added = merged.height - known.height
        result.new += added
        result.known += events.height - added
        if written.changed:
            result.changed.add(day)

    def _set_aside(self, rejected: pl.DataFrame, result: Ingested) -> None:
        """Write rejected lines to a file that the same lines name the same."""
        if rejected.is_empty():
            return
        result.rejected.update(rejected["reason"].to_list())
        text = "".join(f"{reason}\t{line}\n" for reason, line in rejected.rows())
        content = text.encode()
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.tsv"
        path = self.folder / self.city.key / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, content)
        result.quarantine.append(path)


def _read_batches(waiting: IO[bytes], numbers: Sequence[int]) -> pl.DataFrame:
    reader = pa.ipc.open_file(waiting)
    table = pa.Table.from_batches([reader.get_batch(number) for number in numbers])
    return pl.DataFrame(pl.from_arrow(table))


def _chunks(lines: Iterable[str], size: int) -> Iterator[Sequence[str]]:
    source = iter(lines)
    while chunk := [*islice(source, size)]:
        yield chunk
