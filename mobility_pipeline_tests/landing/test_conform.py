from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.landing.conform import (
    Conformed,
    conform_table,
    fit_table,
    share_types,
)
from mobility_pipeline.schemas.pings import PING_SCHEMAS

FULL = PING_SCHEMAS["pings_full"]
TRIPS = PING_SCHEMAS["pings_trips"]


def _conform(*tables: pa.Table, schema: pa.Schema = FULL) -> Conformed:
    """Conform tables one by one, as windows are, and join them as a shuffle does."""
    windows = [conform_table(table, schema) for table in tables]
    shared = share_types([schema, *(window.table.schema for window in windows)])
    others = sorted({*shared.names} - {*schema.names})
    shared = pa.schema([*schema, *(shared.field(name) for name in others)])
    joined = [fit_table(window.table, shared) for window in windows]
    failures = np.concatenate(
        [np.zeros(0, np.int64), *(w.cast_failures for w in windows)]
    )
    return Conformed(pa.concat_tables([shared.empty_table(), *joined]), failures)


def _column(name: str, *tables: pa.Table, schema: pa.Schema = FULL) -> list[Any]:
    return _conform(*tables, schema=schema).table[name].to_pylist()


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_the_declared_schema_comes_back_whatever_is_missing(feed: str) -> None:
    """A column that no file has is null, in its declared type and place."""
    conformed = _conform(pa.table({"poi_ids": [["x"]]}), schema=PING_SCHEMAS[feed])
    assert conformed.table.schema.equals(PING_SCHEMAS[feed], check_metadata=True)
    assert conformed.table.num_rows == 1
    assert conformed.cast_failures.tolist() == [0]


def test_no_file_gives_the_declared_schema() -> None:
    """A date without files has no rows and all columns."""
    assert _conform().table.schema == FULL


def test_failed_casts_are_counted_per_row() -> None:
    """Each cell that held something and is null now counts; nulls do not."""
    table = pa.table(
        {
            "latitude": ["1", "x", None, "x"],
            "longitude": ["1", "NaN", None, "y"],
            "utc_timestamp": ["2024-05-01 00:00:00", None, None, "z"],
        }
    )
    assert _conform(table).cast_failures.tolist() == [0, 1, 0, 3]


@pytest.mark.parametrize("kind", [pa.string(), pa.dictionary(pa.int8(), pa.string())])
def test_a_blank_device_id_is_null_and_no_failure(kind: pa.DataType) -> None:
    """`""` and blanks are no device; other text is kept as it is."""
    cells = ["", "  ", None, " a "]
    table = pa.table({"ad_id": pa.array(cells, kind), "caid": pa.array(cells, kind)})
    conformed = _conform(table)
    assert conformed.table["ad_id"].to_pylist() == [None, None, None, " a "]
    assert conformed.table["caid"].to_pylist() == [None, None, None, " a "]
    assert conformed.cast_failures.sum() == 0


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([None, [None]], pa.list_(pa.null())),
        pa.array([None, []], pa.list_(pa.string())),
        pa.array([None, [None, None]], pa.large_list(pa.string())),
        pa.array([None, None], pa.null()),
    ],
)
def test_a_list_of_nothing_for_a_map_is_null_and_no_failure(cells: pa.Array) -> None:
    """Outside a trip the vendor writes null or `[null]`: both are null."""
    conformed = _conform(pa.table({"trip_fields": cells}), schema=TRIPS)
    assert conformed.table["trip_fields"].to_pylist() == [None, None]
    assert conformed.cast_failures.sum() == 0


def test_a_list_of_something_for_a_map_is_a_failure() -> None:
    """A list that holds text is no map: null, and counted."""
    table = pa.table({"trip_fields": [["x"], [None], ["", None]]})
    conformed = _conform(table, schema=TRIPS)
    assert conformed.table["trip_fields"].to_pylist() == [None, None, None]
    assert conformed.cast_failures.tolist() == [1, 0, 1]


def test_types_that_vary_from_file_to_file_become_one() -> None:
    """Latitude as double, text and whole number is one column of doubles, in order."""
    tables = [
        pa.table({"latitude": [1.5]}),
        pa.table({"latitude": ["2.5"]}),
        pa.table({"latitude": [3]}),
    ]
    assert _column("latitude", *tables) == [1.5, 2.5, 3.0]


def test_unknown_columns_follow_by_name() -> None:
    """What the vendor adds is kept after the declared columns, sorted by name."""
    tables = [pa.table({"zoo": [1]}), pa.table({"bar": ["b"], "Ape": [2]})]
    table = _conform(*tables).table
    assert table.column_names == [*FULL.names, "Ape", "bar", "zoo"]
    assert table["zoo"].to_pylist() == [1, None]


@pytest.mark.parametrize(
    ("first", "second", "kind", "cells"),
    [
        (pa.array([1], pa.int32()), pa.array([2], pa.int64()), pa.int64(), [1, 2]),
        (pa.array([1], pa.int8()), pa.array([2], pa.int32()), pa.int32(), [1, 2]),
        (pa.array([1], pa.int32()), pa.array([2.5]), pa.float64(), [1.0, 2.5]),
        (pa.array([1]), pa.array([2.5]), pa.string(), ["1", "2.5"]),
        (pa.array([1]), pa.array([2], pa.uint64()), pa.string(), ["1", "2"]),
        (pa.array([True]), pa.array([2]), pa.string(), ["true", "2"]),
        (pa.array([2**53 + 1]), pa.array([0.5]), pa.string(), [f"{2**53 + 1}", "0.5"]),
        (pa.array([1]), pa.array(["b"]), pa.string(), ["1", "b"]),
        (pa.array([[1]]), pa.array(["b"]), pa.string(), ["[1]", "b"]),
        (pa.nulls(1), pa.array([2]), pa.int64(), [None, 2]),
        (pa.nulls(1), pa.nulls(1), pa.string(), [None, None]),
        (
            pa.array(["a"], pa.dictionary(pa.int8(), pa.string())),
            pa.array(["b"], pa.large_string()),
            pa.string(),
            ["a", "b"],
        ),
    ],
)
def test_unknown_columns_share_a_type_that_loses_nothing(
    first: pa.Array, second: pa.Array, kind: pa.DataType, cells: list[Any]
) -> None:
    """Files that disagree on an unknown column are promoted, or written as text.

    Types alone decide: a double may not hold every whole number of 64 bits.
    """
    tables = [pa.table({"x": first}), pa.table({"x": second})]
    column = _conform(*tables).table["x"]
    assert column.type == kind
    assert column.to_pylist() == cells
    assert _conform(*reversed(tables)).table["x"].type == kind


@pytest.mark.parametrize("name", ["quality_fields", "unknown"])
def test_names_inside_nested_types_do_not_show(name: str) -> None:
    """Writers name the insides of lists and maps differently; we store one name."""
    ours = pa.map_(pa.string(), pa.list_(pa.string()))
    element = pa.list_(pa.field("element", pa.string()))
    theirs = pa.map_(pa.field("k", pa.string(), nullable=False), pa.field("v", element))
    cells = [[("a", ["b"])], None]
    first = _conform(pa.table({name: pa.array(cells, ours)})).table
    second = _conform(pa.table({name: pa.array(cells, theirs)})).table
    assert str(first.schema) == str(second.schema)
    assert first == second


def test_metadata_of_the_vendor_is_dropped() -> None:
    """What Spark writes into a file's schema does not reach ours."""
    table = pa.table({"x": [1]}).replace_schema_metadata({"org.apache.spark": "3.3"})
    schema = _conform(table).table.schema
    assert schema.metadata is None


_CELLS = st.one_of(st.none(), st.text(max_size=4), st.floats().map(str))


@given(st.lists(_CELLS, max_size=8), st.lists(_CELLS, max_size=8))
def test_every_cell_is_kept_null_or_counted(
    latitudes: list[str | None], longitudes: list[str | None]
) -> None:
    """Cells delivered = cells read + cells counted as failed, whatever the text."""
    tables = [
        pa.table({"latitude": pa.array(latitudes, pa.string())}),
        pa.table({"longitude": pa.array(longitudes, pa.string())}),
    ]
    conformed = _conform(*tables)
    delivered = sum(cell is not None for cell in [*latitudes, *longitudes])
    read = sum(
        conformed.table.num_rows - conformed.table[name].null_count
        for name in ("latitude", "longitude")
    )
    assert delivered == read + conformed.cast_failures.sum()
    assert conformed.table.num_rows == len(latitudes) + len(longitudes)


@pytest.mark.parametrize("name", ["id_type", "iso_country_code"])
def test_repeated_text_may_stay_coded(name: str) -> None:
    """Columns with few distinct values travel as numbers, and fit plain text in the end."""
    coded = pa.array(["a", None, "a"]).dictionary_encode()
    window = conform_table(pa.table({name: coded}), FULL)
    assert window.table[name].chunk(0) == coded
    assert _column(name, pa.table({name: coded})) == ["a", None, "a"]


def test_all_other_text_is_plain() -> None:
    """A coded column of many distinct values would cost more than it saves."""
    coded = pa.array(["a", None, " "]).dictionary_encode()
    table = pa.table({"ad_id": coded, "ip_address": coded, "unknown": coded})
    window = conform_table(table, FULL).table
    assert {window[name].type for name in table.column_names} == {pa.string()}
    assert window["ad_id"].to_pylist() == ["a", None, None]


def test_a_list_that_hides_something_below_a_null_is_null() -> None:
    """A fixed-size list holds values for its nulls, too; nobody sees them."""
    cells = pa.array([["x"], None, [None]], pa.list_(pa.string(), 1))
    conformed = _conform(pa.table({"quality_fields": cells}))
    assert conformed.table["quality_fields"].to_pylist() == [None, None, None]
    assert conformed.cast_failures.tolist() == [1, 0, 0]


@pytest.mark.parametrize("ticks", [-(2**63), 253_402_300_800_000_000, 2**63 - 1])
def test_a_time_that_no_calendar_has_is_counted(ticks: int) -> None:
    """Before year 1 or after 9999, also in the declared type: null, and a failure."""
    times = pa.array([ticks, 0, None], pa.timestamp("us", "UTC"))
    conformed = _conform(pa.table({"utc_timestamp": times}))
    column = conformed.table["utc_timestamp"].cast(pa.int64())
    assert column.to_pylist() == [None, 0, None]
    assert conformed.cast_failures.tolist() == [1, 0, 0]


@pytest.mark.parametrize("ticks", [-62_135_596_800_000_000, 253_402_300_799_999_999])
def test_the_first_and_last_times_are_kept(ticks: int) -> None:
    """Year 1 begins with its first microsecond, 9999 ends with its last."""
    times = pa.array([ticks], pa.timestamp("us", "UTC"))
    conformed = _conform(pa.table({"utc_timestamp": times}))
    assert conformed.table["utc_timestamp"].cast(pa.int64()).to_pylist() == [ticks]
    assert conformed.cast_failures.tolist() == [0]


@pytest.mark.parametrize("name", ["ad_id", "unknown"])
def test_a_uuid_becomes_its_text(name: str) -> None:
    """Parquet has a type for UUIDs, of 16 bytes that are no text."""
    text = "b0e1d2c3-0001-4000-8000-00000000000a"
    cells = pa.array([UUID(text).bytes, None], pa.binary(16))
    column = pa.ExtensionArray.from_storage(pa.uuid(), cells)
    conformed = _conform(pa.table({name: column}))
    assert conformed.table[name].to_pylist() == [text, None]
    assert conformed.cast_failures.sum() == 0


def test_unknown_structs_hold_plain_types() -> None:
    """However a writer coded what is inside."""
    inner = pa.array(["a", None], pa.dictionary(pa.int8(), pa.large_string()))
    column = pa.StructArray.from_arrays([inner], names=["key"])
    found = _conform(pa.table({"x": column})).table["x"]
    assert found.type == pa.struct([("key", pa.string())])
    assert found.to_pylist() == [{"key": "a"}, {"key": None}]
