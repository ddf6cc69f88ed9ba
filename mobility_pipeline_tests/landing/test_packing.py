from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from math import nan
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.lake.parts import PartsEncoder
from mobility_pipeline.landing.conform import fit_table, share_types
from mobility_pipeline.landing.packing import AREAS, Packer, Vocabulary
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.landing.oracle import write_rows

FULL = PING_SCHEMAS["pings_full"]
IDS = ["deimos-c", "mars-b", "moon-a"]
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)

_TEXT = st.none() | st.text(max_size=3) | st.sampled_from(["", "é", "\0", "日本語"])
_MAP = st.none() | st.lists(
    st.tuples(st.sampled_from(["", "k", "k", "ü"]), _TEXT), max_size=4
)
_CELLS = {
    pa.string(): _TEXT,
    pa.float64(): st.sampled_from([None, nan, -0.0, 1.5]),
    pa.timestamp("us", "UTC"): st.sampled_from([None, NOON]),
    pa.map_(pa.string(), pa.string()): _MAP,
}
_AREAS = st.lists(st.sampled_from(range(len(IDS))), max_size=3, unique=True).map(sorted)
_CODED = (pa.int8(), pa.int32())


def _rows_of(schema: pa.Schema) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Draw rows; `poi_ids` holds area numbers."""
    cells = {f.name: _AREAS if f.name == AREAS else _CELLS[f.type] for f in schema}
    return st.lists(st.fixed_dictionaries(cells), max_size=9)


def _to_table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    named = [row | {AREAS: [IDS[area] for area in row[AREAS]]} for row in rows]
    return pa.Table.from_pylist(named, schema=schema)


def _pack(packer: Packer, table: pa.Table) -> pa.Table:
    """Pack rows whose ids are areas."""
    cells = table[AREAS].to_pylist()
    areas = [IDS.index(name) for cell in cells for name in cell]
    return packer.pack(table, [len(cell) for cell in cells], areas)


def _write(rows: pa.Table) -> list[bytes]:
    with PartsEncoder(FULL, None) as encoder:
        return [part.data.read() for part in encoder.encode([rows])]


def _assert_same(found: pa.Table, expected: pa.Table) -> None:
    """Check plain or coded rows against plain ones."""
    plain = found.cast(expected.schema)
    plain.validate(full=True)
    assert write_rows(plain.to_pylist()) == write_rows(expected.to_pylist())


@pytest.mark.parametrize("feed", PING_SCHEMAS)
@given(data=st.data())
def test_rows_come_back_as_they_were(feed: str, data: st.DataObject) -> None:
    """Any rows of any feed: nulls, empty maps, keys twice, any text."""
    schema = PING_SCHEMAS[feed]
    packer = Packer(schema, IDS)
    table = _to_table(data.draw(_rows_of(schema)), schema)
    _assert_same(packer.unpack(_pack(packer, table)), table)


@given(rows=_rows_of(FULL), data=st.data())
def test_packed_rows_move_like_rows(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Slices in, windows joined, rows taken, slices out: the same as without packing."""
    table = _to_table(rows, FULL)
    places = st.integers(0, len(rows))
    cut, first, last = data.draw(places), data.draw(places), data.draw(places)
    order = data.draw(st.permutations(range(len(rows))))
    packer = Packer(FULL, IDS)
    coded = data.draw(st.booleans())
    last_window = _code_maps(table[:cut], pa.int32()) if coded else table[:cut]
    windows = [_pack(packer, table[cut:]), _pack(packer, last_window)]
    shared = share_types(window.schema for window in windows)
    packed = pa.concat_tables(fit_table(window, shared) for window in windows)
    moved = packed.take(pa.array(order, pa.int64()))[first:last]
    joined = pa.concat_tables([table[cut:], table[:cut]])
    expected = joined.take(pa.array(order, pa.int64()))[first:last]
    _assert_same(packer.unpack(moved), expected)


@given(rows=_rows_of(FULL), others=_rows_of(FULL))
def test_numbers_of_texts_never_show(
    rows: list[dict[str, Any]], others: list[dict[str, Any]]
) -> None:
    """Whatever was packed before: equal rows are written as equal bytes."""
    table = _to_table(rows, FULL)
    fresh, used = Packer(FULL, IDS), Packer(FULL, IDS)
    _pack(used, _to_table(others, FULL))
    first, second = (packer.unpack(_pack(packer, table)) for packer in (fresh, used))
    assert first.schema == second.schema
    assert _write(first) == _write(second)


@pytest.mark.parametrize("index", _CODED)
@given(rows=_rows_of(FULL))
def test_coded_text_packs_like_plain_text(
    index: pa.DataType, rows: list[dict[str, Any]]
) -> None:
    """Columns, keys and values that parquet coded already: the same rows and bytes."""
    table = _to_table(rows, FULL)
    text = pa.dictionary(index, pa.string())
    coded = _code_maps(table, index)
    for name in ("id_type", "iso_country_code"):
        column = coded[name].combine_chunks().dictionary_encode().cast(text)
        coded = coded.set_column(coded.column_names.index(name), name, column)
    packer = Packer(FULL, IDS)
    found = packer.unpack(_pack(packer, coded))
    _assert_same(found, table)
    assert _write(found) == _write(packer.unpack(_pack(packer, table)))


def test_values_coded_by_many_words_are_written_as_plain_ones() -> None:
    """The same pages where a row group has several of them."""
    words = [f"word {number}" for number in range(3_000)]
    cells = [
        [(key, words[7 * i * key % 3_000]) for key in range(9)] for i in range(60_000)
    ]
    plain = pa.array(cells, pa.map_(pa.int8(), pa.string())).cast(
        pa.map_(pa.string(), pa.string())
    )
    none = {field.name: pa.nulls(len(plain), field.type) for field in FULL}
    areas = pa.array([["mars-b"]] * len(plain))
    table = pa.table(none | {AREAS: areas, "geo_fields": plain}, schema=FULL)
    packer = Packer(FULL, IDS)
    packed = [_pack(packer, rows) for rows in (table, _code_maps(table, pa.int32()))]
    plain_bytes, coded_bytes = (_write(packer.unpack(rows)) for rows in packed)
    assert coded_bytes == plain_bytes


def _code_maps(table: pa.Table, index: pa.DataType) -> pa.Table:
    """Code the keys and the values of maps."""
    for name in ("quality_fields", "geo_fields"):
        maps = pa.array(table[name].to_pylist(), pa.map_(pa.string(), pa.string()))
        text = pa.dictionary(index, pa.string())
        keys, items = (
            part.dictionary_encode().cast(text) for part in (maps.keys, maps.items)
        )
        mask = maps.is_null() if maps.null_count else None
        coded = pa.MapArray.from_arrays(maps.offsets, keys, items, mask=mask)
        table = table.set_column(table.column_names.index(name), name, coded)
    return table


def test_columns_of_several_chunks_are_packed() -> None:
    """How Arrow holds a table is its own affair."""
    rows = [dict.fromkeys(FULL.names) | {AREAS: [0], "ip_address": "x"}] * 3
    rows[1] |= {"quality_fields": [("k", None), ("k", "v")]}
    table = _to_table(rows, FULL)
    packer = Packer(FULL, IDS)
    pieces = pa.concat_tables([table[:1], table[1:1], table[1:]])
    _assert_same(packer.unpack(_pack(packer, pieces)), table)


def test_bytes_hidden_below_nulls_do_not_show() -> None:
    """A null may cover an entry, or text, that nobody sees: what follows stays in place."""
    text = pa.Array.from_buffers(
        pa.string(),
        3,
        [pa.py_buffer(b"\5"), pa.py_buffer(np.array([0, 1, 3, 4], np.int32)), _HIDING],
    )
    assert text.to_pylist() == ["x", None, "y"]
    keys, offsets = pa.array(["a", "b", "c"]), pa.array([0, 2, 3], pa.int32())
    _assert_maps_survive(pa.MapArray.from_arrays(offsets, keys, text))
    mask = pa.array([True, False])
    _assert_maps_survive(pa.MapArray.from_arrays(offsets, keys, text, mask=mask))


_HIDING = pa.py_buffer(b"xHHy")


def _assert_maps_survive(maps: pa.MapArray) -> None:
    none = {field.name: pa.nulls(len(maps), field.type) for field in FULL}
    ids = pa.array([["mars-b"]] * len(maps))
    table = pa.table(none | {AREAS: ids, "geo_fields": maps}, schema=FULL)
    packer = Packer(FULL, IDS)
    _assert_same(packer.unpack(_pack(packer, table)), table)


_OTHERS = {
    "numbers": pa.array([1, None, 3], pa.int16()),
    "truths": pa.array([True, None, False]),
    "dates": pa.array([1, None, 3], pa.date32()),
    "decimals": pa.array([1, None, 3], pa.decimal128(9, 2)),
    "bytes": pa.array([b"\xff", None, b""]),
    "lists": pa.array([[1], None, []], pa.list_(pa.int8())),
    "structs": pa.array([{"a": [{"b": "c"}]}, None, {"a": []}]),
    "maps": pa.array(
        [[(1, ["x"])], None, []], pa.map_(pa.int64(), pa.list_(pa.string()))
    ),
    "empty": pa.nulls(3),
}


@pytest.mark.parametrize("name", _OTHERS)
def test_unknown_columns_are_moved_as_they_are(name: str) -> None:
    """Of any type, nested ones too; they follow the declared ones by name."""
    table = _to_table([dict.fromkeys(FULL.names) | {AREAS: [1]}] * 3, FULL)
    table = table.append_column(name, _OTHERS[name])
    table = table.append_column("Ape", pa.array(["x", None, ""]))
    packer = Packer(FULL, IDS)
    packed = _pack(packer, table)
    found = packer.unpack(packed.take(pa.array([2, 1, 0])))
    assert found.column_names == [*FULL.names, "Ape", name]
    assert found[name].to_pylist() == _OTHERS[name].to_pylist()[::-1]
    assert packer.unpacked_schema(packed.schema) == pa.schema(
        [*FULL, ("Ape", pa.string()), (name, _OTHERS[name].type)]
    )


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_the_schemas_of_rows_and_packed_rows_fit(feed: str) -> None:
    """What `pack` makes is what `pack_schema` says; coming back, it is the feed's."""
    schema = PING_SCHEMAS[feed]
    packer = Packer(schema, IDS)
    packed = _pack(packer, schema.empty_table())
    assert packed.schema == packer.pack_schema()
    assert packer.unpacked_schema(packed.schema) == schema
    assert packer.unpack(packed).cast(schema) == schema.empty_table()


def test_threads_share_a_vocabulary() -> None:
    """Each text has one number, whoever met it first."""
    vocabulary = Vocabulary("")
    texts = [
        [f"word {number % 50}" for number in range(start, start + 200)]
        for start in range(40)
    ]

    def encode(some: Sequence[str]) -> list[int]:
        return vocabulary.encode(pa.array(some)).tolist()

    with ThreadPoolExecutor(8) as threads:
        codes = [*threads.map(encode, texts)]
    assert sorted(vocabulary.words) == sorted({*texts[0]})
    assert [[vocabulary.words[code] for code in some] for some in codes] == texts


@pytest.mark.parametrize("counts", [(3, 5_000), (5_000, 3), (1_024, 1_025, 1)])
def test_chunks_of_few_and_of_many_values_are_written_together(
    counts: tuple[int, ...],
) -> None:
    """The first decides how a part has them; all come back."""
    name = next(field.name for field in FULL if pa.types.is_map(field.type))
    packer = Packer(FULL, IDS)
    tables: list[pa.Table] = []
    for count in counts:
        cells = [[("k", f"{row % count}"), ("n", None)] for row in range(5_000)]
        rows = [{AREAS: [0], name: cell} for cell in cells]
        tables.append(_to_table(rows, FULL))
    chunks = [packer.unpack(_pack(packer, table)) for table in tables]
    assert chunks[0].schema != chunks[1].schema
    with PartsEncoder(FULL, None) as encoder:
        (part,) = encoder.encode(chunks)
        found = pq.read_table(part.data)
    assert found.to_pylist() == pa.concat_tables(tables).to_pylist()


@pytest.mark.parametrize("count", [3, 900, 1_024, 1_025, 5_000])
def test_values_are_written_alike_however_they_came(count: int) -> None:
    """Coded, plain or coded with what no row has: equal bytes of few and many values."""
    values = [f"{number % count:04d}" for number in range(3 * 5_000)]
    offsets = np.arange(0, 3 * 5_000 + 1, 3, dtype=np.int32)
    keys = pa.array(["a", "b", "c"] * 5_000)
    name = next(field.name for field in FULL if pa.types.is_map(field.type))
    texts = pa.array(values)
    codings = [
        texts,
        texts.dictionary_encode(),
        pa.DictionaryArray.from_arrays(
            pa.array([7_000 - int(value) for value in values], pa.int32()),
            pa.array([f"{7_000 - number:04d}" for number in range(7_001)]),
        ),
    ]
    written: list[list[bytes]] = []
    for items in codings:
        table = _to_table([{AREAS: [0]} for _ in range(5_000)], FULL)
        cell = pa.MapArray.from_arrays(pa.array(offsets), keys, items)
        place = table.schema.get_field_index(name)
        packer = Packer(FULL, IDS)
        table = table.set_column(place, name, cell)
        written.append(_write(packer.unpack(_pack(packer, table))))
    assert written[0] == written[1] == written[2]


@pytest.mark.parametrize(
    "dictionary",
    [
        [f"{number}" for number in range(100_000)],
        ["x" * 65],
        [None],
    ],
    ids=["many", "long", "null"],
)
def test_values_that_should_not_be_remembered_travel_plain(
    dictionary: list[str | None],
) -> None:
    """Vocabularies stay small, and a null of the dictionary's is a null."""
    name = next(field.name for field in FULL if pa.types.is_map(field.type))
    table = _to_table([{AREAS: [0]}], FULL)
    items = pa.DictionaryArray.from_arrays(
        pa.array([0], pa.int32()), pa.array(dictionary, pa.string())
    )
    cell = pa.MapArray.from_arrays(pa.array([0, 1], pa.int32()), pa.array(["k"]), items)
    table = table.set_column(table.schema.get_field_index(name), name, cell)
    packer = Packer(FULL, IDS)
    packed = _pack(packer, table)
    assert f"{name}/values" in packed.column_names
    assert packer.unpack(packed)[name].to_pylist() == [[("k", dictionary[0])]]
