"""Cast cells one by one: what a cell can't become is null, never an error.

Every function takes a plain array (no dictionary, view or large type) and returns one
of the target type and the same length. A null stays null.
"""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

TIMESTAMP = pa.timestamp("us", tz="UTC")
TEXT_MAP = pa.map_(pa.string(), pa.string())
TEXT_LIST = pa.list_(pa.string())

MAX_EPOCH_S = 1e11
"""Numbers below are seconds (year 5138), above milliseconds (from March 1973 on)."""
MAX_EPOCH_MS = 1e14

_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
"""0001-01-01 and the end of 9999, the range of a Python datetime."""
_UNIT_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_NUMBER_OR_NAN = rf"{_NUMBER}|^[+-]?(?i:nan|inf|infinity)$"
_INSTANT = (
    r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,9})?( ?(Z|UTC)|[+-]\d{2}:?\d{2})?$"
)
_LISTS = (
    pt.is_list,
    pt.is_large_list,
    pt.is_fixed_size_list,
    pt.is_list_view,
    pt.is_large_list_view,
)


def to_plain(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, free of dictionary, view, large and logical types."""
    array = pa.concat_arrays(column.chunks or [pa.nulls(0, column.type)])
    if array.type == pa.uuid():
        texts = [None if cell is None else str(cell) for cell in array.to_pylist()]
        return pa.array(texts, pa.string())
    if pt.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    return array.cast(plain_type(array.type))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type that `to_plain` gives a column of this type."""
    if pt.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    if pt.is_large_binary(kind) or pt.is_binary_view(kind):
        return pa.binary()
    if any(is_list(kind) for is_list in _LISTS):
        return pa.list_(plain_type(kind.value_type))
    if pt.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if pt.is_struct(kind):
        return pa.struct([field.with_type(plain_type(field.type)) for field in kind])
    if isinstance(kind, pa.BaseExtensionType):
        return plain_type(kind.storage_type)
    return kind


def cast_cells(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Cast each cell to a declared type: text, number, instant, map or list of text."""
    if array.type == target and not (target == TIMESTAMP and _leaves_range(array)):
        return array
    return _CASTS[target](array)


def to_any_text(array: pa.Array) -> pa.Array:
    """Write every cell as text, nested ones as JSON; only nulls become null."""
    if pt.is_nested(array.type):
        cells = [_to_json(cell) for cell in array.to_pylist()]
        return pa.array(cells, pa.string())
    if _is_bytes(array.type):
        texts = [_decode(cell, "backslashreplace") for cell in array.to_pylist()]
        return pa.array(texts, pa.string())
    return array.cast(pa.string())


def _to_json(cell: object) -> str | None:
    return None if cell is None else json.dumps(cell, default=str, ensure_ascii=False)


def _to_text(array: pa.Array) -> pa.Array:
    if pt.is_nested(array.type):
        return pa.nulls(len(array), pa.string())
    if _is_bytes(array.type):
        return pa.array([_decode(cell) for cell in array.to_pylist()], pa.string())
    return array.cast(pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    return pt.is_binary(kind) or pt.is_fixed_size_binary(kind)


def _decode(cell: bytes | None, errors: str = "strict") -> str | None:
    try:
        return None if cell is None else cell.decode(errors=errors)
    except UnicodeDecodeError:
        return None


def _to_number(array: pa.Array) -> pa.Array:
    if _is_number(array.type):
        return array.cast(pa.float64(), safe=False)
    return _parse_number(_to_trimmed(array), _NUMBER_OR_NAN)


def _is_number(kind: pa.DataType) -> bool:
    return pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)


def _to_trimmed(array: pa.Array) -> pa.Array:
    if _is_bytes(array.type):
        array = _to_text(array)
    if not pt.is_string(array.type):
        return pa.nulls(len(array), pa.string())
    return pc.utf8_trim_whitespace(array)


def _parse_number(text: pa.Array, pattern: str) -> pa.Array:
    return _keep_where(pc.match_substring_regex(text, pattern), text).cast(pa.float64())


def _keep_where(condition: pa.Array, array: pa.Array) -> pa.Array:
    return pc.if_else(condition, array, pa.scalar(None, array.type))


def _to_instant(array: pa.Array) -> pa.Array:
    if pt.is_timestamp(array.type):
        return _rescale_instant(array)
    if _is_number(array.type):
        return _from_epoch(array.cast(pa.float64(), safe=False))
    text = _to_trimmed(array)
    return pc.coalesce(_from_epoch(_parse_number(text, _NUMBER)), _parse_instant(text))


def _leaves_range(instants: pa.Array) -> bool:
    found = pc.min_max(instants.cast(pa.int64())).as_py()
    return found["min"] is not None and not (
        found["min"] >= _FIRST_US and found["max"] <= _LAST_US
    )


def _rescale_instant(array: pa.Array) -> pa.Array:
    unit: str = array.type.unit
    ticks = array.cast(pa.int64())
    per_s = _UNIT_PER_S[unit]
    first, last = (us * per_s // _UNIT_PER_S["us"] for us in (_FIRST_US, _LAST_US))
    in_range = pc.and_(
        pc.greater_equal(ticks, max(first, -(2**63))),
        pc.less_equal(ticks, min(last, 2**63 - 1)),
    )
    kept = _keep_where(in_range, ticks)
    # A naive timestamp is UTC, and an aware one is stored as UTC: same ticks.
    return kept.cast(pa.timestamp(unit, tz="UTC")).cast(TIMESTAMP, safe=False)


def _from_epoch(number: pa.Array) -> pa.Array:
    size = pc.abs(number)
    factor = pc.if_else(pc.less(size, MAX_EPOCH_S), 1e6, 1e3)
    in_range = pc.less(size, MAX_EPOCH_MS)
    kept = _keep_where(in_range, number)
    return pc.round(pc.multiply(kept, factor)).cast(pa.int64()).cast(TIMESTAMP)


def _parse_instant(text: pa.Array) -> pa.Array:
    instants = _keep_where(pc.match_substring_regex(text, _INSTANT), text)
    instants = pc.replace_substring_regex(instants, r" ?(Z|UTC)$", "Z")
    if instants.null_count == len(instants):
        return pa.nulls(len(instants), TIMESTAMP)
    parsed = pd.to_datetime(
        pd.Series(instants.to_pylist(), dtype=object),
        format="ISO8601",
        errors="coerce",
        utc=True,
    )
    return _rescale_instant(pa.Array.from_pandas(parsed))


def _to_text_map(array: pa.Array) -> pa.Array:
    if not pt.is_map(array.type):
        return pa.nulls(len(array), TEXT_MAP)
    return _cast_or_spell(array, TEXT_MAP, _to_text_pairs)


def _to_text_pairs(cell: list[tuple[object, object]]) -> list[tuple[str, str | None]]:
    return [(_as_text(key) or "", _as_text(value)) for key, value in cell]


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else _to_json(value)


def _to_text_list(array: pa.Array) -> pa.Array:
    if not pt.is_list(array.type):
        return pa.nulls(len(array), TEXT_LIST)
    return _cast_or_spell(array, TEXT_LIST, _to_texts)


def _to_texts(cell: list[object]) -> list[str | None]:
    return [_as_text(value) for value in cell]


def _cast_or_spell(
    array: pa.Array, target: pa.DataType, spell: Callable[[Any], object]
) -> pa.Array:
    try:
        return array.cast(target)
    except pa.ArrowException:  # bytes that are not UTF-8, or a cast that Arrow lacks
        cells: list[Any] = array.to_pylist()
        spelled = [None if cell is None else spell(cell) for cell in cells]
        return pa.array(spelled, target)


_CASTS: dict[pa.DataType, Callable[[pa.Array], pa.Array]] = {
    pa.string(): _to_text,
    pa.float64(): _to_number,
    TIMESTAMP: _to_instant,
    TEXT_MAP: _to_text_map,
    TEXT_LIST: _to_text_list,
}
"""One for every type that `schemas/pings.py` declares."""
