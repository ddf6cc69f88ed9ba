"""Put rows into one total order, so that the vendor's order of files never shows.

Order: city, ad_id, utc_timestamp (nulls last), then everything else a row holds.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mobility_pipeline.landing.casts import to_any_text, to_plain

if TYPE_CHECKING:
    import numpy.typing as npt

    Rows = npt.NDArray[np.int64]
    Flags = npt.NDArray[np.bool_]
    Cities = npt.NDArray[np.uint16]

DEVICE, TIME = "ad_id", "utc_timestamp"

_PREFIX_BYTES = 8
_KEY_BITS = 62


def read_prefixes(packed: pa.Table) -> "npt.NDArray[np.uint64]":
    """Return the first bytes of each `ad_id` as a number that sorts as they do.

    Null is above all: no UTF-8 text starts with 64 set bits.
    """
    ids = packed.column(DEVICE).combine_chunks()
    prefixes = np.zeros((len(ids), _PREFIX_BYTES), dtype=np.uint8)
    buffers = ids.buffers()
    if len(ids) and buffers[2] is not None:
        offsets = np.frombuffer(buffers[1], np.int32)[ids.offset :][: len(ids) + 1]
        data = np.frombuffer(buffers[2], np.uint8)
        lengths = np.diff(offsets)
        if lengths.min() == lengths.max() >= _PREFIX_BYTES:
            rows = data[offsets[0] : offsets[-1]].reshape(len(ids), lengths[0])
            prefixes[:] = rows[:, :_PREFIX_BYTES]
        else:
            for place in range(_PREFIX_BYTES):
                rows = np.flatnonzero(lengths > place)
                prefixes[rows, place] = data.take(offsets[rows] + place)
    numbers = prefixes.view(">u8").ravel().astype(np.uint64)
    if ids.null_count:
        numbers[ids.is_null().to_numpy(zero_copy_only=False)] = np.iinfo(np.uint64).max
    return numbers


def order_roughly(cities: "Cities", prefixes: "npt.NDArray[np.uint64]") -> "Rows":
    """Return the row numbers by city and prefix of `ad_id`; ties in any order."""
    return _group_by_city(cities, np.argsort(prefixes))


def order_devices(cities: "Cities", packed: pa.Table) -> "tuple[Rows, Flags]":
    """Return the row numbers by city, `ad_id` and time, and who ties with the one before.

    Args:
        cities: the number of each row's city.
        packed: the rows.
    """
    ids = packed.column(DEVICE).combine_chunks().dictionary_encode()
    count = len(ids.dictionary)
    rank = np.empty(count + 1, dtype=np.int64)
    rank[pc.array_sort_indices(ids.dictionary).to_numpy()] = np.arange(count)
    rank[count] = count
    codes: Rows = pc.fill_null(ids.indices, count).to_numpy()
    devices, times = rank[codes], _read_times(packed)
    order = _group_by_city(cities, _order_pairs(devices, times))
    ties = np.zeros(len(order), dtype=np.bool_)
    ties[1:] = (
        _equals_previous(cities[order])
        & _equals_previous(devices[order])
        & _equals_previous(times[order])
    )
    return order, ties


def break_ties(
    packed: pa.Table,
    order: "Rows",
    ties: "Flags",
    unpack: Callable[[pa.Table], pa.Table],
) -> "Rows":
    """Order rows that tie by the rest of what they hold.

    First by the flat columns, then by the text of all; each step looks only at rows that
    still tie. Rows that tie to the end are equal, so their order shows nowhere.

    Args:
        packed: the rows.
        order: as `order_devices` returns it, and so are `ties`.
        ties: of each row in order, whether it ties with the one before.
        unpack: gives plain rows, since the numbers of coded text mean nothing.
    """
    if not ties.any():
        return order
    is_tied = ties.copy()
    is_tied[:-1] |= ties[1:]
    places = np.flatnonzero(is_tied)
    groups = np.cumsum(~ties, dtype=np.int64)[places]
    rows = order[places]
    inside = _order_within(unpack(packed.take(pa.array(rows))), groups)
    ordered = order.copy()
    ordered[places] = rows[inside]
    return ordered


def _equals_previous(values: "npt.NDArray[Any]") -> "Flags":
    return values[1:] == values[:-1]


def _read_times(packed: pa.Table) -> "Rows":
    ticks = packed.column(TIME).combine_chunks().view(pa.int64())
    latest = pc.max(ticks).as_py()
    return pc.fill_null(ticks, 0 if latest is None else latest + 1).to_numpy()


def _order_pairs(major: "Rows", minor: "Rows") -> "Rows":
    """Sort by two numbers; as one where they fit into one, which is much faster."""
    if not len(major):
        return np.zeros(0, dtype=np.int64)
    low, high = int(minor.min()), int(minor.max())
    span = (high - low).bit_length()
    if int(major.max()).bit_length() + span > _KEY_BITS:
        return np.lexsort((minor, major))
    return np.argsort((major << span) | (minor - low))


def _group_by_city(cities: "Cities", order: "Rows") -> "Rows":
    # A stable sort of 16-bit numbers is a radix sort: as good as free.
    return order.take(np.argsort(cities.take(order), kind="stable"))


def _order_within(table: pa.Table, groups: "Rows") -> "Rows":
    """Return the row numbers of a plain table: ascending groups, inside by content."""
    flat = [field.name for field in table.schema if _is_flat(field.type)]
    order = np.arange(table.num_rows, dtype=np.int64)
    groups = np.searchsorted(groups, groups)  # each by the place of its first row
    for names, read_key in ((flat, to_plain), (table.column_names, _to_text)):
        tied = _find_tied(groups)
        rows = table.select(names).take(order[tied])
        keys = [pa.array(groups[tied]), *(read_key(column) for column in rows.columns)]
        inside = _sort(keys)
        order[tied] = order[tied][inside]
        starts = _find_starts([key.take(inside) for key in keys])
        groups[tied] = tied[starts]
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


def _differs_from_previous(key: pa.Array) -> "Flags":
    before, after = key[:-1], key[1:]
    same = pc.fill_null(pc.equal(before, after), fill_value=False)
    same = pc.or_(same, pc.and_(pc.is_null(before), pc.is_null(after)))
    if pt.is_floating(key.type):
        both_nan = pc.and_(pc.is_nan(before), pc.is_nan(after))
        same = pc.or_(same, pc.fill_null(both_nan, fill_value=False))
    return ~same.to_numpy(zero_copy_only=False)
