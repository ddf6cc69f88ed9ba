"""The map<string,string> columns of FULL and TRIPS deliveries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute  # its stubs know no plain scalars

_GEOHASH_DIGITS = np.array(list("0123456789bcdefghjkmnpqrstuvwxyz"))
_GEOHASH_LENGTH = 7
_BITS = 5 * _GEOHASH_LENGTH


def quality_fields(rows: pa.Table) -> pa.Array:
    """How the position was found; every row has them."""
    accuracy_m = rows["horizontal_accuracy"].to_numpy()
    origin = np.where(
        accuracy_m < 20, "gps", np.where(accuracy_m < 100, "wifi", "cell")
    )
    score = np.where(accuracy_m < 20, "1", np.where(accuracy_m < 100, "2", "3"))
    count = rows.num_rows
    return _text_map(
        {
            "ping_origin_type": pa.array(origin.tolist(), pa.string()),
            "source_type": pa.repeat("sdk", count),
            "ha_type": pa.repeat("measured", count),
            "ping_circle_score": pa.array(score.tolist(), pa.string()),
        },
        count,
    )


def geo_fields(rows: pa.Table) -> pa.Array:
    """Names of the place and the cell; h3 cells are not simulated."""
    geohash = _geohash(rows["longitude"].to_numpy(), rows["latitude"].to_numpy())
    return _text_map(
        {
            "region": rows["region"].combine_chunks(),
            "city": rows["city"].combine_chunks(),
            "geohash": geohash,
        },
        rows.num_rows,
    )


def trip_fields(rows: pa.Table) -> pa.Array:
    """The trip as a whole; null outside one."""
    traverse_s = pc.subtract(rows["trip_end_s"], rows["trip_start_s"])
    return _text_map(
        {
            "index": _text(rows["trip_number"]),
            "start_time": _moment_text(rows["trip_start_s"]),
            "end_time": _moment_text(rows["trip_end_s"]),
            "traverse_time": _text(traverse_s),
            "pings": _text(rows["trip_pings"]),
            "displacement": _text(pc.round(rows["trip_distance_m"], 1)),
        },
        rows.num_rows,
        mask=_outside_trips(rows),
    )


def trip_ping_fields(rows: pa.Table) -> pa.Array:
    """The ping within its trip; null outside one."""
    elapsed_s = pc.subtract(rows["utc_s"], rows["trip_start_s"])
    return _text_map(
        {
            "heading": _text(pc.round(rows["trip_heading_deg"], 1)),
            "velocity": _text(pc.round(_velocity(rows), 2)),
            "displacement": _text(
                pc.round(pc.multiply(_velocity(rows), elapsed_s.cast(pa.float64())), 1)
            ),
        },
        rows.num_rows,
        mask=_outside_trips(rows),
    )


def trip_to_trip_fields(rows: pa.Table) -> pa.Array:
    """How the trip relates to the one before; null outside one."""
    return _text_map(
        {"previous_index": _text(pc.subtract(rows["trip_number"], 1))},
        rows.num_rows,
        mask=_outside_trips(rows),
    )


def _velocity(rows: pa.Table) -> pa.ChunkedArray:
    seconds = pc.subtract(rows["trip_end_s"], rows["trip_start_s"]).cast(pa.float64())
    return pc.divide(rows["trip_distance_m"], pc.max_element_wise(seconds, 1.0))


def _outside_trips(rows: pa.Table) -> pa.Array:
    return rows["trip_number"].is_null().combine_chunks()


def _text(values: pa.ChunkedArray) -> pa.Array:
    return pc.fill_null(values.cast(pa.string()), "").combine_chunks()


def _moment_text(epoch_s: pa.ChunkedArray) -> pa.Array:
    moments = epoch_s.cast(pa.timestamp("s"))
    text = pc.strftime(moments, format="%Y-%m-%d %H:%M:%S")
    return pc.fill_null(text, "").combine_chunks()


def _text_map(
    fields: Mapping[str, pa.Array], count: int, mask: pa.Array | None = None
) -> pa.Array:
    width = len(fields)
    # Row by row: field j of row i stands at j * count + i of the columns in a line.
    order = (np.arange(width)[None, :] * count + np.arange(count)[:, None]).ravel()
    items = pa.concat_arrays(list(fields.values())).take(order)
    keys = pa.array(list(fields)).take(np.tile(np.arange(width), count))
    # The stubs ask for 64 bits, the library for 32.
    offsets: Any = pa.array(np.arange(count + 1) * width, pa.int32())
    if mask is None:
        return pa.MapArray.from_arrays(offsets, keys, items)
    return pa.MapArray.from_arrays(offsets, keys, items, mask=mask)


def _geohash(lon: np.ndarray, lat: np.ndarray) -> pa.Array:
    # Interleave the bits of both, longitude first; broken coordinates give a cell too.
    lon_bits, lat_bits = (_BITS + 1) // 2, _BITS // 2
    x = _cell((lon + 180) / 360, lon_bits)
    y = _cell((lat + 90) / 180, lat_bits)
    code = np.zeros(len(x), dtype=np.int64)
    for bit in range(_BITS):
        source, index = (x, lon_bits) if bit % 2 == 0 else (y, lat_bits)
        code = (code << 1) | ((source >> (index - 1 - bit // 2)) & 1)
    digits = [
        _GEOHASH_DIGITS[(code >> (5 * (_GEOHASH_LENGTH - 1 - i))) & 31]
        for i in range(_GEOHASH_LENGTH)
    ]
    return pc.binary_join_element_wise(
        *(pa.array(digit.tolist(), pa.string()) for digit in digits), ""
    )


def _cell(ratio: np.ndarray, bits: int) -> np.ndarray:
    return np.floor(np.clip(np.nan_to_num(ratio), 0, 1 - 1e-12) * 2**bits).astype(
        np.int64
    )
