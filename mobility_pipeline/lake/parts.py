"""Encode a city-day's rows as parquet parts: equal rows of a schema, equal bytes."""

import base64
import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from mobility_pipeline.lake.manifest import ManifestFile
from mobility_pipeline.lake.paths import part_name

MAX_PART_BYTES = 256 * 2**20
_HELD_BYTES = 16 * 2**20
"""A larger part waits on disk until it is stored."""


@dataclass(frozen=True)
class Part:
    """One encoded part, not yet stored."""

    file: ManifestFile
    data: IO[bytes]
    """In memory, or a nameless file that goes with its process."""


class PartsEncoder(ExitStack):
    """Encodes chunks of rows, each as a row group; the parts live until it is closed."""

    def __init__(
        self,
        schema: pa.Schema,
        folder: Path | None,
        max_part_bytes: int = MAX_PART_BYTES,
    ) -> None:
        """Make an encoder.

        Args:
            schema: what readers find, whether chunks hold text coded or plain.
            folder: where parts wait that are too large for memory; None = the system's
                for temporary files.
            max_part_bytes: a part ends before the chunk that would bring it above, unless
                it is the part's first.
        """
        super().__init__()
        self._schema = schema
        self._folder = folder
        self._max_part_bytes = max_part_bytes

    def encode(self, chunks: Iterable[pa.Table]) -> Iterator[Part]:
        """Yield parts whose rows in order are those of the chunks."""
        number, part = 0, None
        for chunk in chunks:
            if not chunk.num_rows:
                continue
            if part is not None and not part.has_room(chunk, self._max_part_bytes):
                yield part.finish(number)
                number, part = number + 1, None
            if part is None:
                part = _OpenPart(chunk.schema, self._schema, self._open_file())
                self.callback(part.close)
            part.write(chunk)
        if part is not None:
            yield part.finish(number)

    def _open_file(self) -> IO[bytes]:
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        return self.enter_context(
            tempfile.SpooledTemporaryFile(
                _HELD_BYTES, dir=str(self._folder) if self._folder else None
            )
        )


class _OpenPart:
    def __init__(self, written: pa.Schema, schema: pa.Schema, file: IO[bytes]) -> None:
        self._file = file
        self._written = written
        self._rows = 0
        flat = [field.name for field in written if not pt.is_nested(field.type)]
        self._writer = pq.ParquetWriter(
            file,
            written,
            compression="snappy",
            store_schema=False,
            # Hardly two positions or times are equal; the least of all map values says
            # nothing. Both together would cost a third of the encoding.
            use_dictionary=_text_leaves(written),
            write_statistics=flat,
        )
        # Arrow's own note of the schema: plain text, however it was coded on the way.
        noted = base64.b64encode(schema.serialize())
        self._writer.add_key_value_metadata({"ARROW:schema": noted})

    def has_room(self, chunk: pa.Table, max_bytes: int) -> bool:
        """Whether the part stays within its limit, by the size of its rows so far."""
        per_row = self._file.tell() / self._rows
        return self._file.tell() + per_row * chunk.num_rows <= max_bytes

    def write(self, chunk: pa.Table) -> None:
        if not chunk.schema.equals(self._written):  # in what is coded, by its rows
            chunk = chunk.cast(self._written)
        self._writer.write_table(chunk, row_group_size=chunk.num_rows)
        self._rows += chunk.num_rows

    def close(self) -> None:
        self._writer.close()

    def finish(self, number: int) -> Part:
        self.close()
        size = self._file.tell()
        self._file.seek(0)
        readable: Any = self._file  # the stubs' IO lacks `readinto`
        sha256 = hashlib.file_digest(readable, "sha256").hexdigest()
        name = part_name(number, sha256)
        file = ManifestFile(name=name, rows=self._rows, bytes=size, sha256=sha256)
        return Part(file, self._file)


@lru_cache(maxsize=16)
def _text_leaves(schema: pa.Schema) -> list[str]:
    """Return parquet's paths of the columns that hold no measured numbers."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema):
        pass
    columns = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    paths = [columns.column(place) for place in range(len(columns))]
    return [c.path for c in paths if c.physical_type not in ("DOUBLE", "INT64")]
