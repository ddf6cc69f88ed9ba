"""Unify the vendor's files, whose types vary, to the schema their feed declares."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mobility_pipeline.landing.casts import (
    cast_cells,
    to_any_text,
    to_plain,
)
from mobility_pipeline.landing.packing import CODED_COLUMNS
from mobility_pipeline.schemas.pings import DEVICE_COLUMNS

if TYPE_CHECKING:
    import numpy.typing as npt

_EXACT_IN_A_DOUBLE = 32
"""Bits of the integers that no double rounds, among the widths there are."""


@dataclass(frozen=True)
class Conformed:
    """Rows under their feed's schema, in the order they came."""

    table: pa.Table
    """Declared columns, then unknown ones by name in the vendor's type. Repeated text
    (of no declared type but text) may be dictionary-coded."""
    cast_failures: "npt.NDArray[np.int64]"
    """Per row: cells that held something and could not become the declared type."""


def conform_table(table: pa.Table, declared: pa.Schema) -> Conformed:
    """Give rows their declared columns.

    Args:
        table: rows of one file, or of several of one schema, with the vendor's types; no
            column twice.
        declared: the feed's schema; a column the file lacks is null.
    """
    failures = np.zeros(table.num_rows, dtype=np.int64)
    columns: dict[str, pa.Array] = {}
    for field in declared:
        if field.name not in table.column_names:
            columns[field.name] = pa.nulls(table.num_rows, field.type)
            continue
        kept = _drop_blanks(_to_plain_or_coded(table.column(field.name), field), field)
        cast = kept if _is_coded(kept.type, field) else cast_cells(kept, field.type)
        if cast is not kept:
            failures += _count_lost(kept, cast)
            cast = _drop_blanks(cast, field)
        columns[field.name] = cast
    unknown = sorted(set(table.column_names) - columns.keys())
    columns |= {name: to_plain(table.column(name)) for name in unknown}
    return Conformed(pa.table(columns), failures)


def share_types(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """Return the columns of all schemas, each in a type that loses none of its cells.

    A column keeps its type where all have the same; differing ones become what they can
    be promoted to, whatever their cells hold, and else text.

    Args:
        schemas: equal where they declare the same column.
    """
    types: dict[str, list[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            known = types.setdefault(field.name, [])
            if field.type not in known:
                known.append(field.type)
    return pa.schema([(name, _share_type(kinds)) for name, kinds in types.items()])


def fit_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give rows the columns of a schema that `share_types` made of theirs."""
    if table.schema.equals(schema):
        return table
    return pa.Table.from_arrays(
        [_fit_column(table, field) for field in schema], schema=schema
    )


def group_by_schema(tables: Sequence[pa.Table]) -> list[list[pa.Table]]:
    """Group tables that can be joined as they are."""
    groups: list[list[pa.Table]] = []
    for table in tables:
        for group in groups:
            if group[0].schema.equals(table.schema):
                group.append(table)
                break
        else:
            groups.append([table])
    return groups


def _to_plain_or_coded(column: pa.ChunkedArray, field: pa.Field) -> pa.Array:
    if column.num_chunks == 1 and _is_coded(column.type, field):
        return column.chunk(0)
    return to_plain(column)


def _is_coded(kind: pa.DataType, field: pa.Field) -> bool:
    """Whether a column has its declared type, but for repeated text being coded."""
    if field.name in CODED_COLUMNS:
        return _is_text(kind)
    if pt.is_map(kind) and pt.is_map(field.type):
        return _is_text(kind.key_type) and _is_text(kind.item_type)
    if pt.is_list(kind) and pt.is_list(field.type):
        return _is_text(kind.value_type)
    return kind == field.type and not pt.is_timestamp(kind)  # years are still checked


def _is_text(kind: pa.DataType) -> bool:
    return pt.is_string(kind.value_type if pt.is_dictionary(kind) else kind)


def _share_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    kinds = [kind for kind in kinds if not pt.is_null(kind)]
    if len(kinds) <= 1:
        return kinds[0] if kinds else pa.string()
    schemas = [pa.schema([("column", kind)]) for kind in kinds]
    if all(map(pt.is_integer, kinds)) and not any(map(pt.is_uint64, kinds)):
        unified = pa.unify_schemas(schemas, promote_options="permissive")
        return unified.field("column").type
    if all(_is_exact_in_a_double(kind) for kind in kinds):
        return pa.float64()
    return pa.string()


def _is_exact_in_a_double(kind: pa.DataType) -> bool:
    if pt.is_integer(kind):
        return kind.bit_width <= _EXACT_IN_A_DOUBLE
    return pt.is_floating(kind)


def _fit_column(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if column.type == field.type:
        return column
    if pt.is_string(field.type):
        return to_any_text(to_plain(column))
    return to_plain(column).cast(field.type)


def _drop_blanks(array: pa.Array, field: pa.Field) -> pa.Array:
    """Null what holds nothing: a blank device id, and `[]` or `[null]` for a map."""
    if field.name in DEVICE_COLUMNS and pt.is_string(array.type):
        blank = pc.equal(pc.utf8_trim_whitespace(array), "")
    elif pt.is_map(field.type) and pt.is_list(array.type):
        blank = pc.invert(pc.is_in(_row_numbers(array), _rows_with_value(array)))
    else:
        return array
    if not pc.any(blank).as_py():
        return array
    return pc.if_else(blank, pa.scalar(None, array.type), array)


def _row_numbers(array: pa.Array) -> pa.Array:
    return pa.array(np.arange(len(array), dtype=np.int64))


def _rows_with_value(array: pa.Array) -> pa.Array:
    # Not `list_parent_indices`, which counts what a null of a fixed-size list hides.
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy()
    parents = pa.array(np.repeat(np.arange(len(array), dtype=np.int64), lengths))
    return parents.filter(pc.is_valid(pc.list_flatten(array)))


def _count_lost(before: pa.Array, after: pa.Array) -> "npt.NDArray[np.bool_]":
    lost = pc.and_(pc.is_valid(before), pc.is_null(after))
    return lost.to_numpy(zero_copy_only=False)
