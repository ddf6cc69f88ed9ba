"""One delivered parquet file: rows in a schema type, with the quirks files have."""

from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from mobility_pipeline.sandbox.rows import LIST_OF_NULL, NULL_LIST
from mobility_pipeline.sandbox.text_maps import (
    geo_fields,
    quality_fields,
    trip_fields,
    trip_ping_fields,
    trip_to_trip_fields,
)

pc: Any = pyarrow.compute  # its stubs know no plain scalars

SchemaType = Literal["BASIC", "FULL", "TRIPS"]
TimeForm = Literal["int96", "micros", "text", "epoch_ms"]
_INDEX_ID_RATIO = 0.15
"""Areas named by `geo_radius_<i>` instead of the id that was sent."""


@dataclass(frozen=True)
class FileForm:
    """How one file differs from its neighbours."""

    has_text_coordinates: bool
    has_accuracy: bool
    times: TimeForm


@dataclass(frozen=True)
class AreaNames:
    """What the codes of a request's areas stand for."""

    poi_ids: pa.Array
    index_ids: pa.Array


def form_of(number: int, *, has_accuracy: bool) -> FileForm:
    """Give the n-th file of a job its form: quirks come round at a low, known rate."""
    times: dict[int, TimeForm] = {2: "text", 5: "epoch_ms", 8: "micros"}
    return FileForm(number % 5 == 3, has_accuracy, times.get(number % 10, "int96"))


def make_file(
    rows: pa.Table,
    schema_type: SchemaType,
    names: AreaNames,
    form: FileForm,
    rng: np.random.Generator,
    *,
    has_caid: bool = False,
) -> pa.Table:
    """Turn rows into the table one file holds."""
    coordinate = pa.string() if form.has_text_coordinates else pa.float64()
    columns: dict[str, Any] = {}  # arrays, chunked or not
    if has_caid:
        columns["caid"] = _caids(rows["ad_id"])
    else:
        columns["ad_id"] = rows["ad_id"]
    columns["utc_timestamp"] = _times(rows["utc_s"], form.times)
    if form.has_accuracy or schema_type != "BASIC":
        columns["horizontal_accuracy"] = pc.if_else(
            rows["lacks_accuracy"], None, rows["horizontal_accuracy"]
        ).cast(coordinate)
    columns["id_type"] = rows["id_type"]
    columns["ip_address"] = rows["ip_address"]
    columns["latitude"] = rows["latitude"].cast(coordinate)
    columns["longitude"] = rows["longitude"].cast(coordinate)
    columns["iso_country_code"] = rows["iso_country_code"]
    columns["poi_ids"] = _poi_ids(rows, names, rng)
    if schema_type == "FULL":
        columns |= {
            "quality_fields": quality_fields(rows),
            "geo_fields": geo_fields(rows),
        }
    if schema_type == "TRIPS":
        columns["trip_fields"] = trip_fields(rows)
        columns["trip_ping_fields"] = trip_ping_fields(rows)
        columns["trip_to_trip_fields"] = trip_to_trip_fields(rows)
    return pa.table(columns)


def encode(table: pa.Table, form: FileForm) -> bytes:
    """Write one file as Spark 3.3 does: Snappy, one row group, INT96 times."""
    sink = BytesIO()
    pq.write_table(
        table,
        sink,
        compression="snappy",
        row_group_size=max(1, table.num_rows),
        use_deprecated_int96_timestamps=form.times == "int96",
    )
    return sink.getvalue()


def _caids(ad_ids: pa.ChunkedArray) -> pa.Array:
    # 64 hex digits, one to one with the ad_id.
    ids = ad_ids.combine_chunks()
    hexes = pc.replace_substring(ids, "-", "")
    doubled = pc.binary_join_element_wise(hexes, pc.utf8_reverse(hexes), "")
    return pc.if_else(pc.equal(ids, ""), "", doubled)


def _times(utc_s: pa.ChunkedArray, form: TimeForm) -> pa.ChunkedArray:
    moments = utc_s.cast(pa.timestamp("s"))
    if form == "text":
        return pc.strftime(moments, format="%Y-%m-%d %H:%M:%S")
    if form == "epoch_ms":
        return pc.multiply(utc_s, 1000)
    if form == "micros":
        return moments.cast(pa.timestamp("us", tz="UTC"))
    return moments.cast(pa.timestamp("us"))


def _poi_ids(rows: pa.Table, names: AreaNames, rng: np.random.Generator) -> pa.Array:
    codes: Any = rows["area_codes"].combine_chunks()  # a ListArray
    form = rows["poi_form"].to_numpy()
    by_id = names.poi_ids.take(codes.flatten())
    by_index = names.index_ids.take(codes.flatten())
    is_index = pa.array(rng.random(len(by_id)) < _INDEX_ID_RATIO)
    # A null is appended for the rows that hold `[null]`.
    values = pa.concat_arrays(
        [pc.if_else(is_index, by_index, by_id), pa.nulls(1, pa.string())]
    )
    lengths = codes.value_lengths().to_numpy() + (form == LIST_OF_NULL)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    picks = np.full(offsets[-1], len(by_id))
    is_code = np.repeat(form != LIST_OF_NULL, lengths)
    picks[is_code] = np.arange(len(by_id))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        values.take(picks),
        mask=pa.array(form == NULL_LIST),
    )
