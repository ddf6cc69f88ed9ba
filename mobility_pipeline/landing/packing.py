"""Pack rows with maps and lists into flat columns, the form they are moved in, and back.

Sorting and cutting a delivery moves every row two or three times. Arrow moves a map entry
by entry; packed, a row's map is two byte strings and moves with two copies, several times
faster. Texts that repeat (`CODED_COLUMNS`, the keys of maps, area ids) travel as numbers.

Shape: one packed column per flat column; per map `<name>/entries` (an int64 per entry: the
key's code, and the value's length in bytes plus 1, 0 = null) and `<name>/values` (the bytes
of all values), each a byte string per row; for `poi_ids` a byte string of int32 area codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

if TYPE_CHECKING:
    import numpy.typing as npt

    Codes = npt.NDArray[np.int32]

AREAS = "poi_ids"
CODED_COLUMNS = ("id_type", "iso_country_code")
"""Text columns with few distinct values."""

_INT = np.dtype(np.int32)
_ENTRY = np.dtype(np.int64)
_ENTRIES, _VALUES = "/entries", "/values"
_KEY_SHIFT = 32


@dataclass
class Vocabulary:
    """Distinct texts of one column, numbered as they come; threads may share it."""

    _codes: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def words(self) -> list[str]:
        """The texts by their numbers; to be asked once no thread encodes any more."""
        return [*self._codes]

    def encode(self, texts: pa.Array) -> "Codes":
        """Return the number of each text; of a null, 0."""
        if not pt.is_dictionary(texts.type):
            texts = texts.dictionary_encode()
        if not len(texts.dictionary):
            return np.zeros(len(texts), dtype=_INT)
        numbers = self._number(texts.dictionary.to_pylist())
        indices: Codes = pc.fill_null(texts.indices, 0).to_numpy()
        if np.array_equal(numbers, np.arange(len(numbers))):
            return indices.astype(_INT, copy=False)
        return numbers[indices]

    def _number(self, texts: "Sequence[str | None]") -> "Codes":
        with self._lock:
            known = self._codes
            codes = [known.setdefault(text or "", len(known)) for text in texts]
        return np.array(codes, dtype=_INT)


class Packer:
    """Packs the rows of one date, whose columns share their vocabularies."""

    def __init__(self, declared: pa.Schema, area_ids: Sequence[str]) -> None:
        """Make a packer.

        Args:
            declared: the feed's schema; further columns are moved as they are.
            area_ids: what area codes stand for, sorted.
        """
        self._declared = declared
        self._area_ids = area_ids
        self._vocabularies = {name: Vocabulary() for name in _coded(declared)}

    def pack(
        self, table: pa.Table, areas_per_row: "npt.ArrayLike", areas: "npt.ArrayLike"
    ) -> pa.Table:
        """Pack rows.

        Args:
            table: declared columns, their text plain or dictionary-coded, then others.
            areas_per_row: how many areas each row names, replacing `poi_ids`.
            areas: codes of these areas, row by row.
        """
        columns: dict[str, pa.Array] = {}
        for name in table.column_names:
            array = _to_array(table.column(name))
            if name == AREAS:
                columns[name] = _to_bytes(
                    _to_offsets(areas_per_row), np.asarray(areas, dtype=_INT)
                )
            elif name in self._declared.names and pt.is_map(array.type):
                columns |= self._pack_map(name, array)
            elif name in self._vocabularies:
                codes = self._vocabularies[name].encode(array)
                columns[name] = pa.array(codes, mask=_nulls(array))
            else:
                columns[name] = array
        return pa.table(columns)

    def unpack(self, packed: pa.Table) -> pa.Table:
        """Return the rows; coded text as dictionaries of what occurs, sorted.

        Equal rows give equal tables, however their texts were numbered.
        """
        names = [*self._declared.names, *self._other_names(packed.column_names)]
        packed = packed.combine_chunks()
        return pa.table({name: self._unpack_column(name, packed) for name in names})

    def pack_schema(self) -> pa.Schema:
        """Return the packed schema of rows that have declared columns only."""
        none = np.zeros(0, dtype=_INT)
        return self.pack(self._declared.empty_table(), none, none).schema

    def unpacked_schema(self, packed: pa.Schema) -> pa.Schema:
        """Return the schema of rows that were packed to another, with plain text."""
        others = [packed.field(name) for name in self._other_names(packed.names)]
        return pa.schema([*self._declared, *others])

    def _other_names(self, packed: Sequence[str]) -> list[str]:
        """Return the columns that the schema does not declare, sorted."""
        ours = set(self._declared.names)
        ours |= {f"{n}{part}" for n in ours for part in (_ENTRIES, _VALUES)}
        return sorted(set(packed) - ours)

    def _pack_map(self, name: str, array: pa.MapArray) -> dict[str, pa.Array]:
        array = _drop_hidden(array)
        rows = _offsets(array)
        keys, items = array.keys, _drop_hidden(array.items)
        starts = _offsets(items)
        entries = self._vocabularies[name].encode(keys).astype(_ENTRY)
        entries <<= _KEY_SHIFT
        lengths = np.diff(starts)
        lengths += 1
        if items.null_count:
            lengths[_nulls(items)] = 0
        entries |= lengths
        mask = array.is_valid() if array.null_count else None
        values = pa.py_buffer(b"") if items.buffers()[2] is None else items.buffers()[2]
        return {
            name + _ENTRIES: _to_bytes(rows, entries, mask),
            name + _VALUES: _bytes_array(starts[rows], values),
        }

    def _unpack_column(self, name: str, packed: pa.Table) -> pa.Array:
        kind = self._declared.field(name).type if name in self._declared.names else None
        if name == AREAS:
            rows, codes = _from_bytes(_to_array(packed.column(name)), _INT)
            return pa.ListArray.from_arrays(rows, _to_dictionary(codes, self._area_ids))
        if kind is not None and pt.is_map(kind):
            return self._unpack_map(name, packed)
        array = _to_array(packed.column(name))
        if name in self._vocabularies:
            words = self._vocabularies[name].words
            codes = pc.fill_null(array, 0).to_numpy()
            return _to_dictionary(codes, words, _nulls(array))
        return array

    def _unpack_map(self, name: str, packed: pa.Table) -> pa.MapArray:
        entries = _to_array(packed.column(name + _ENTRIES))
        values = _to_array(packed.column(name + _VALUES))
        rows, numbers = _from_bytes(entries, _ENTRY)
        lengths = numbers.astype(_INT)
        is_null = lengths == 0
        lengths -= 1
        if is_null.any():
            lengths[is_null] = 0
        starts = _to_offsets(lengths, first=_offsets(values)[0])
        items = pa.Array.from_buffers(
            pa.string(),
            len(lengths),
            [_to_bitmap(is_null), pa.py_buffer(starts), values.buffers()[2]],
        )
        codes = (numbers >> _KEY_SHIFT).astype(_INT)
        keys = _to_dictionary(codes, self._vocabularies[name].words)
        mask = entries.is_null() if entries.null_count else None
        return pa.MapArray.from_arrays(rows, keys, items, mask=mask)


def _coded(declared: pa.Schema) -> list[str]:
    return [
        column.name
        for column in declared
        if column.name in CODED_COLUMNS or pt.is_map(column.type)
    ]


def _to_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _nulls(array: pa.Array) -> "npt.NDArray[np.bool_] | None":
    if not array.null_count:
        return None
    return array.is_null().to_numpy(zero_copy_only=False)


def _offsets(array: pa.Array) -> "Codes":
    """Return where each slot of a text, bytes, list or map array begins, and the end."""
    buffer = array.buffers()[1]
    if buffer is None or not len(array):
        return np.zeros(1, dtype=_INT)
    return np.frombuffer(buffer, _INT)[array.offset : array.offset + len(array) + 1]


def _to_offsets(lengths: "npt.ArrayLike", first: int = 0) -> "Codes":
    counted = np.asarray(lengths)
    offsets = np.empty(len(counted) + 1, dtype=_INT)
    offsets[0] = first
    np.cumsum(counted, out=offsets[1:])
    offsets[1:] += first
    return offsets


def _to_bytes(
    rows: "Codes", numbers: "npt.NDArray[Any]", is_valid: pa.Array | None = None
) -> pa.Array:
    """View each row's numbers as one byte string."""
    numbers = np.ascontiguousarray(numbers)
    return _bytes_array(rows * numbers.itemsize, pa.py_buffer(numbers), is_valid)


def _bytes_array(
    offsets: "Codes", data: pa.Buffer, is_valid: pa.Array | None = None
) -> pa.Array:
    bitmap = None
    if is_valid is not None:  # its own bitmap may begin in the middle of a byte
        bitmap = _to_bitmap(~is_valid.to_numpy(zero_copy_only=False))
    return pa.Array.from_buffers(
        pa.binary(),
        len(offsets) - 1,
        [bitmap, pa.py_buffer(np.ascontiguousarray(offsets, dtype=_INT)), data],
    )


def _from_bytes(
    array: pa.Array, kind: "np.dtype[Any]"
) -> "tuple[pa.Array, npt.NDArray[Any]]":
    """Return offsets from zero, and the numbers of all rows."""
    offsets = _offsets(array) // kind.itemsize
    data = array.buffers()[2]
    numbers = np.zeros(0, kind) if data is None else np.frombuffer(data, kind)
    return pa.array(offsets - offsets[0]), numbers[offsets[0] : offsets[-1]]


def _to_bitmap(is_null: "npt.NDArray[np.bool_]") -> pa.Buffer | None:
    if not is_null.any():
        return None
    return pa.py_buffer(np.packbits(~is_null, bitorder="little"))


def _to_dictionary(
    codes: "Codes",
    words: Sequence[str],
    is_null: "npt.NDArray[np.bool_] | None" = None,
) -> pa.Array:
    """Code texts by a sorted dictionary of those that occur, so that numbers hide."""
    is_used = np.zeros(max(len(words), 1), dtype=np.bool_)
    is_used[codes if is_null is None else codes[~is_null]] = True
    used = np.flatnonzero(is_used).tolist()
    ordered = sorted(used, key=lambda code: words[code].encode())
    rank = np.zeros(max(len(words), 1), dtype=_INT)
    rank[ordered] = np.arange(len(ordered), dtype=_INT)
    return pa.DictionaryArray.from_arrays(
        pa.array(rank.take(codes), mask=is_null),
        pa.array([words[code] for code in ordered], pa.string()),
    )


def _drop_hidden(array: pa.Array) -> pa.Array:
    """Rebuild a map or text array whose nulls still hold something nobody sees."""
    if not array.null_count:
        return array
    hidden = np.diff(_offsets(array))[_nulls(array)]
    return array.take(np.arange(len(array))) if hidden.any() else array
