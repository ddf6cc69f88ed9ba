"""Put rows into one total order, so that the vendor's order of files never shows."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mobility_pipeline.landing.casts import to_any_text, to_plain

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]

SORT_COLUMNS = ("ad_id", "utc_timestamp")
"""What readers may rely on; nulls last."""


def total_order(table: pa.Table) -> "Rows":
    """Return the row numbers sorted by `SORT_COLUMNS`, then by everything else.

    Rows that tie are told apart by the other flat columns, then by the text of all
    columns; each step looks only at rows that still tie. Rows that tie to the end are
    equal, so their order shows nowhere.
    """
    flat = [field.name for field in table.schema if _is_flat(field.type)]
    order = np.arange(table.num_rows, dtype=np.int64)
    # Per position: the first position of those it ties with.
    groups = np.zeros(table.num_rows, dtype=np.int64)
    for names, read_key in (
        (SORT_COLUMNS, to_plain),
        (flat, to_plain),
        (table.column_names, _to_text),
    ):
        tied = _find_tied(groups)
        rows = table.select(names).take(order[tied])
        keys = [pa.array(groups[tied]), *(read_key(column) for column in rows.columns)]
        inside = _sort(keys)
        order[tied] = order[tied][inside]
        groups[tied] = tied[_find_starts([key.take(inside) for key in keys])]
    return order


def _is_flat(kind: pa.DataType) -> bool:
    return (
        pt.is_string(kind)
        or pt.is_boolean(kind)
        or pt.is_integer(kind)
        or pt.is_float32(kind)
        or pt.is_float64(kind)
        or pt.is_timestamp(kind)
    )


def _to_text(column: pa.ChunkedArray) -> pa.Array:
    return to_any_text(to_plain(column))


def _find_tied(groups: "Rows") -> "Rows":
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return np.flatnonzero(counts[inverse] > 1)


def _sort(keys: list[pa.Array]) -> "Rows":
    table = pa.table(keys, names=[str(number) for number in range(len(keys))])
    rows = pc.sort_indices(
        table,
        sort_keys=[(name, "ascending") for name in table.column_names],
    )
    return rows.to_numpy().astype(np.int64)


def _find_starts(sorted_keys: list[pa.Array]) -> "Rows":
    """Return for each row the number of the first row with equal keys."""
    row_count = len(sorted_keys[0])
    starts = np.zeros(row_count, dtype=bool)
    for key in sorted_keys:
        starts[1:] |= _differs_from_previous(key)
    return np.maximum.accumulate(np.where(starts, np.arange(row_count), 0))


def _differs_from_previous(key: pa.Array) -> "npt.NDArray[np.bool_]":
    before, after = key[:-1], key[1:]
    same = pc.fill_null(pc.equal(before, after), fill_value=False)
    same = pc.or_(same, pc.and_(pc.is_null(before), pc.is_null(after)))
    if pt.is_floating(key.type):
        both_nan = pc.and_(pc.is_nan(before), pc.is_nan(after))
        same = pc.or_(same, pc.fill_null(both_nan, fill_value=False))
    return ~same.to_numpy(zero_copy_only=False)
