"""Pack rows with maps and lists into flat columns, the form they are moved in, and back.

Sorting and cutting a delivery moves every row two or three times. Arrow moves a map entry
by entry; packed, a row's map is a number and two byte strings and moves with three copies,
several times faster. Texts that repeat travel as numbers: `CODED_COLUMNS`, area ids, the
keys of maps, and the values of those maps that have few.

Shape: one packed column per flat column; per map `<name>/keys` (the number of the row's
sequence of keys), `<name>/entries` (per value an int32: 0 = null, above 0 its length in
bytes plus 1, below 0 its code inverted) and `<name>/values` (the bytes of the values that
are not coded; missing where all are), the latter two a byte string per row; for `poi_ids` a
byte string of int32 area codes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

if TYPE_CHECKING:
    import numpy.typing as npt

    Codes = npt.NDArray[np.int32]

Word = TypeVar("Word", str, bytes)

AREAS = "poi_ids"
CODED_COLUMNS = ("id_type", "iso_country_code")
"""Text columns with few distinct values."""

_FEW_WORDS = 1024
"""Up to so many different values of a map in a chunk are written as a dictionary."""
_LONGEST_WORD = 64
_VOCABULARY_BYTES = 8 * 2**20
_BYTES_PER_WORD = 150
"""Of Python's text, and of its place in the vocabulary."""

_INT = np.dtype(np.int32)
_KEYS, _ENTRIES, _VALUES = "/keys", "/entries", "/values"


@dataclass
class Vocabulary(Generic[Word]):
    """Distinct words of one column, numbered as they come; threads may share it."""

    none: Word
    """What a null counts as."""
    _codes: dict[Word, int] = field(default_factory=dict)
    _words: list[Word] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    @property
    def words(self) -> list[Word]:
        """The words by their numbers; to be asked once no thread encodes any more."""
        if len(self._words) < len(self._codes):
            self._words = [*self._codes]
        return self._words

    def encode(self, words: pa.Array) -> "Codes":
        """Return the number of each word; of a null, 0."""
        if not pt.is_dictionary(words.type):
            words = words.dictionary_encode()
        if not len(words.dictionary):
            return np.zeros(len(words), dtype=_INT)
        numbers = self._number(words.dictionary.to_pylist())
        indices: Codes = pc.fill_null(words.indices, 0).to_numpy()
        if np.array_equal(numbers, np.arange(len(numbers))):
            return indices.astype(_INT, copy=False)
        return numbers[indices]

    def has_room(self, words: pa.Array) -> bool:
        """Whether it stays small with the words of a dictionary, all of them short."""
        new = {word for word in words.to_pylist() if word not in self._codes}
        nbytes = (len(self._codes) + len(new)) * _BYTES_PER_WORD
        return nbytes <= _VOCABULARY_BYTES and all(
            word is not None and len(word) <= _LONGEST_WORD for word in new
        )

    def _number(self, words: "Sequence[Word | None]") -> "Codes":
        with self._lock:
            known = self._codes
            codes = [known.setdefault(word or self.none, len(known)) for word in words]
        return np.array(codes, dtype=_INT)


@dataclass(frozen=True)
class _MapWords:
    """What repeats in one column of maps."""

    keys: Vocabulary[str] = field(default_factory=partial(Vocabulary, ""))
    sequences: Vocabulary[bytes] = field(default_factory=partial(Vocabulary, b""))
    """A row's keys: an int32 each."""
    values: Vocabulary[str] = field(default_factory=partial(Vocabulary, ""))


def take_rows(packed: pa.Table, order: "npt.NDArray[np.int64]") -> pa.Table:
    """Return rows in an order, which is trusted to name none that is not there."""
    return pc.take(packed, pa.array(order), boundscheck=False)


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
        self._vocabularies = {name: Vocabulary("") for name in CODED_COLUMNS}
        maps = [field.name for field in declared if pt.is_map(field.type)]
        self._maps = {name: _MapWords() for name in maps}

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
            elif name in self._maps:
                columns |= _pack_map(name, array, self._maps[name])
            elif name in self._vocabularies:
                codes = self._vocabularies[name].encode(array)
                columns[name] = pa.array(codes, mask=_nulls(array))
            else:
                columns[name] = array
        return pa.table(columns)

    def unpack(self, packed: pa.Table) -> pa.Table:
        """Return the rows; coded text as dictionaries of what occurs, sorted.

        Values of a map are coded where few differ, in the order they come. Equal rows give
        equal tables, however the vendor's files and the packer coded their texts.
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
        parts = (_KEYS, _ENTRIES, _VALUES)
        ours |= {name + part for name in self._maps for part in parts}
        return sorted(set(packed) - ours)

    def _unpack_column(self, name: str, packed: pa.Table) -> pa.Array:
        if name == AREAS:
            rows, codes = _from_bytes(_to_array(packed.column(name)), _INT)
            return pa.ListArray.from_arrays(rows, _to_dictionary(codes, self._area_ids))
        if name in self._maps:
            return _unpack_map(name, packed, self._maps[name])
        array = _to_array(packed.column(name))
        if name in self._vocabularies:
            words = self._vocabularies[name].words
            codes = pc.fill_null(array, 0).to_numpy()
            return _to_dictionary(codes, words, _nulls(array))
        return array


def _pack_map(name: str, array: pa.MapArray, words: _MapWords) -> dict[str, pa.Array]:
    array = _drop_hidden(array)
    rows = _offsets(array)
    keys = words.keys.encode(array.keys)
    sequences = words.sequences.encode(_to_bytes(rows, keys))
    columns = {name + _KEYS: pa.array(sequences, mask=_nulls(array))}
    items = array.items
    is_coded = pt.is_dictionary(items.type)
    if is_coded and not words.values.has_room(items.dictionary):
        items, is_coded = items.dictionary_decode(), False
    if is_coded:
        entries = ~words.values.encode(items)
    else:
        items = _drop_hidden(items)
        starts = _offsets(items)
        entries = np.diff(starts)
        entries += 1
        if len(items):
            data = items.buffers()[2] or pa.py_buffer(b"")
            columns[name + _VALUES] = _bytes_array(starts[rows], data)
    if items.null_count:
        entries[_nulls(items)] = 0
    columns[name + _ENTRIES] = _to_bytes(rows, entries)
    return columns


def _unpack_map(name: str, packed: pa.Table, words: _MapWords) -> pa.MapArray:
    sequences = _to_array(packed.column(name + _KEYS))
    rows, entries = _from_bytes(_to_array(packed.column(name + _ENTRIES)), _INT)
    keys = _read_keys(sequences, words)
    if name + _VALUES in packed.column_names:
        values = _to_array(packed.column(name + _VALUES))
        items = _code_if_few(_to_texts(entries, values, words.values.words))
    else:
        items = _to_dictionary_as_met(entries, words.values.words)
        if len(items.dictionary) > _FEW_WORDS:
            items = items.dictionary_decode()
    mask = sequences.is_null() if sequences.null_count else None
    return pa.MapArray.from_arrays(rows, keys, items, mask=mask)


def _read_keys(sequences: pa.Array, words: _MapWords) -> pa.DictionaryArray:
    """Return the keys of all rows; of a sequence that many rows have, looked up once."""
    coded, known = sequences.dictionary_encode(), words.sequences.words
    numbers: list[int] = coded.dictionary.to_pylist()
    used = [known[number] for number in numbers]
    keys = _to_dictionary(np.frombuffer(b"".join(used), _INT), words.keys.words)
    ends = _to_offsets([len(sequence) // _INT.itemsize for sequence in used])
    lists = pa.ListArray.from_arrays(pa.array(ends), keys.indices)
    indices = lists.take(coded.indices).flatten()
    return pa.DictionaryArray.from_arrays(indices, keys.dictionary)


def _to_texts(entries: "Codes", values: pa.Array, words: Sequence[str]) -> pa.Array:
    lengths = np.maximum(entries, 1)
    lengths -= 1
    is_coded, is_null = entries < 0, entries == 0
    starts = _to_offsets(lengths, first=_offsets(values)[0])
    texts = pa.Array.from_buffers(
        pa.string(),
        len(lengths),
        [_to_bitmap(is_null), pa.py_buffer(starts), values.buffers()[2]],
    )
    if not is_coded.any():
        return texts
    codes = pa.array(~entries, mask=~is_coded)
    return pc.if_else(
        pa.array(is_coded), pa.array(words, pa.string()).take(codes), texts
    )


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


def _to_dictionary_as_met(entries: "Codes", words: Sequence[str]) -> pa.Array:
    """Code values by a dictionary in the order they come, as parquet codes plain text."""
    coded = pa.array(~entries, mask=entries == 0).dictionary_encode()
    texts = [words[code] for code in coded.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(coded.indices, pa.array(texts, pa.string()))


def _code_if_few(texts: pa.Array) -> pa.Array:
    """Code texts likewise, where few differ."""
    count = 4 * _FEW_WORDS
    while count < len(texts):  # mostly the first ones show that they are many
        if len(texts.slice(0, count).drop_null().unique()) > _FEW_WORDS:
            return texts
        count *= 8
    coded = texts.dictionary_encode()
    return coded if len(coded.dictionary) <= _FEW_WORDS else texts


def _drop_hidden(array: pa.Array) -> pa.Array:
    """Rebuild a map or text array whose nulls still hold something nobody sees."""
    if not array.null_count:
        return array
    hidden = np.diff(_offsets(array))[_nulls(array)]
    return array.take(np.arange(len(array))) if hidden.any() else array
