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
    plain_type,
    to_any_text,
    to_plain,
)
from mobility_pipeline.schemas.pings import DEVICE_COLUMNS

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Conformed:
    """Rows under one schema, in the order they came."""

    table: pa.Table
    cast_failures: "npt.NDArray[np.int64]"
    """Per row: cells that held something and could not become the declared type."""


def conform_tables(tables: Sequence[pa.Table], declared: pa.Schema) -> Conformed:
    """Unify the files of one date.

    Args:
        tables: one per file, with the vendor's types; no column twice.
        declared: the feed's schema; a column a file lacks is null.

    Returns:
        All rows: declared columns first, then unknown ones by name, each in the type
        its files share, else what they can be promoted to without loss, else text.
    """
    groups = [pa.concat_tables(group) for group in _group_by_schema(tables)]
    schema = _add_unknown_columns(groups, declared)
    parts = [conform_table(group, schema, declared) for group in groups]
    if not parts:
        return Conformed(schema.empty_table(), np.zeros(0, dtype=np.int64))
    return Conformed(
        pa.concat_tables([part.table for part in parts]).combine_chunks(),
        np.concatenate([part.cast_failures for part in parts]),
    )


def conform_table(table: pa.Table, schema: pa.Schema, declared: pa.Schema) -> Conformed:
    """Give one table a schema.

    Args:
        table: rows with the vendor's types.
        schema: the columns to return, in order.
        declared: those of them that are cast cell by cell; the others fit as they are.
    """
    failures = np.zeros(table.num_rows, dtype=np.int64)
    columns: list[pa.Array] = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        array = to_plain(table.column(field.name))
        if field.name in declared.names:
            array = _drop_blanks(array, field)
            cast = cast_cells(array, field.type)
            failures += _count_lost(array, cast)
            columns.append(_drop_blanks(cast, field))
        else:
            columns.append(_fit(array, field.type))
    return Conformed(pa.Table.from_arrays(columns, schema=schema), failures)


def _group_by_schema(tables: Iterable[pa.Table]) -> list[list[pa.Table]]:
    groups: dict[tuple[tuple[str, str], ...], list[pa.Table]] = {}
    for table in tables:
        key = tuple((field.name, str(field.type)) for field in table.schema)
        groups.setdefault(key, []).append(table)
    return list(groups.values())


def _add_unknown_columns(groups: Sequence[pa.Table], declared: pa.Schema) -> pa.Schema:
    unknown: dict[str, list[pa.ChunkedArray]] = {}
    for group in groups:
        for name in group.column_names:
            if name not in declared.names:
                unknown.setdefault(name, []).append(group.column(name))
    fields = [pa.field(name, _shared_type(unknown[name])) for name in sorted(unknown)]
    return pa.schema([*declared, *fields])


def _shared_type(columns: Sequence[pa.ChunkedArray]) -> pa.DataType:
    schemas = [pa.schema([("column", plain_type(column.type))]) for column in columns]
    try:
        unified = pa.unify_schemas(schemas, promote_options="permissive")
        shared = unified.field("column").type
        for column in columns:
            to_plain(column).cast(shared)
    # The files share no type, or a cell does not fit it: as text nothing is lost.
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.string()
    return pa.string() if pt.is_null(shared) else shared


def _fit(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if array.type != kind and pt.is_string(kind):
        return to_any_text(array)
    return array.cast(kind)


def _drop_blanks(array: pa.Array, field: pa.Field) -> pa.Array:
    """Null what holds nothing: a blank device id, and `[]` or `[null]` for a map."""
    if field.name in DEVICE_COLUMNS and pt.is_string(array.type):
        blank = pc.equal(pc.utf8_trim_whitespace(array), "")
    elif pt.is_map(field.type) and pt.is_list(array.type):
        blank = pc.invert(pc.is_in(_row_numbers(array), _rows_with_value(array)))
    else:
        return array
    return pc.if_else(blank, pa.scalar(None, array.type), array)


def _row_numbers(array: pa.Array) -> pa.Array:
    return pa.array(np.arange(len(array), dtype=np.int64))


def _rows_with_value(array: pa.Array) -> pa.Array:
    parents = pc.list_parent_indices(array)
    return parents.filter(pc.is_valid(pc.list_flatten(array))).cast(pa.int64())


def _count_lost(before: pa.Array, after: pa.Array) -> "npt.NDArray[np.bool_]":
    lost = pc.and_(pc.is_valid(before), pc.is_null(after))
    return lost.to_numpy(zero_copy_only=False)
