"""Write a job's delivery into the vendor's bucket.

`output/<Organisation>/<job_id>/date=YYYY-MM-DD/part-NNNNN-<uuid>-c000.snappy.parquet`,
all areas mixed, holes in the part numbers, `_SUCCESS` beside the parts and at the top.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np
import pyarrow as pa

from mobility_pipeline.sandbox.areas import RequestedArea
from mobility_pipeline.sandbox.files import (
    AreaNames,
    SchemaType,
    encode,
    form_of,
    make_file,
)
from mobility_pipeline.sandbox.randomness import make_rng
from mobility_pipeline.sandbox.simulator import Simulator
from mobility_pipeline.sandbox.vendor_faults import VendorFaults

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VENDOR_BUCKET = "veraset-prd-platform-us-west-2"
UNKNOWN_POI_ID = "nobody_sent_this-deadbeef"
_WRITERS = 4


@dataclass(frozen=True)
class Order:
    """What is to be delivered."""

    job_id: str
    areas: tuple[RequestedArea, ...]
    dates: tuple[date, ...]
    schema_type: SchemaType
    faults: VendorFaults

    @property
    def folder_path(self) -> str:
        """Where in the bucket; with a slash at the end, none at the start."""
        return f"output/Sandbox/{self.job_id}/"


@dataclass(frozen=True)
class Delivered:
    """What was delivered."""

    dates: int
    files: int
    rows: int


@dataclass(frozen=True)
class _Part:
    key: str
    body: bytes
    rows: int


def deliver(
    order: Order,
    is_cancelled: Callable[[], bool],
    *,
    s3: "S3Client",
    simulator: Simulator,
    files_per_day: int,
) -> Delivered:
    """Simulate and write a whole delivery; stops early when the job is cancelled."""
    dates = [day for day in order.dates if day not in order.faults.undelivered_dates]
    rows: list[int] = []
    writes: list[Future[None]] = []
    number = 0
    with ThreadPoolExecutor(_WRITERS) as pool:
        for day in dates:
            if is_cancelled():
                break
            parts = list(_make_parts(simulator, order, day, files_per_day, number))
            number += len(parts)
            rows.append(sum(part.rows for part in parts))
            marker = _Part(f"{_folder(order, day)}_SUCCESS", b"", 0)
            writes += [pool.submit(_write, s3, part) for part in [*parts, marker]]
    for write in writes:
        write.result()
    _write(s3, _Part(f"{order.folder_path}_SUCCESS", b"", 0))
    return Delivered(len(rows), number, sum(rows))


def _make_parts(
    simulator: Simulator, order: Order, day: date, files_per_day: int, number: int
) -> Iterator[_Part]:
    rows = simulator.rows_of(
        order.areas,
        day,
        empty_poi_ids=_emptied(order, day),
        is_restated=day in order.faults.restate_dates,
    )
    if rows is None or day in order.faults.marker_only_dates:
        return
    rng = make_rng(order.job_id, day)
    names = AreaNames(
        pa.array([area.poi_id for area in order.areas]),
        pa.array([area.index_id for area in order.areas]),
    )
    has_caid = order.faults.caid and order.schema_type == "TRIPS"
    slices = _split(rows, files_per_day, rng)
    holes = np.sort(rng.choice(3 * len(slices), len(slices), replace=False))
    write_id = UUID(bytes=rng.bytes(16), version=4)
    for i, (part, has_accuracy) in enumerate(slices):
        form = form_of(number + i, has_accuracy=has_accuracy)
        table = make_file(part, order.schema_type, names, form, rng, has_caid=has_caid)
        if i == 0 and day in order.faults.unknown_poi_dates:
            table = _name_unknown_area(table)
        body = encode(table, form)
        if i == 0:
            body = _damage(body, order.faults, day)
        name = f"part-{holes[i]:05d}-{write_id}-c000.snappy.parquet"
        yield _Part(f"{_folder(order, day)}{name}", body, part.num_rows)


def _emptied(order: Order, day: date) -> set[str]:
    starts = tuple(start for start, empty_day in order.faults.empty if empty_day == day)
    return {area.poi_id for area in order.areas if area.poi_id.startswith(starts)}


def _split(
    rows: pa.Table, files_per_day: int, rng: np.random.Generator
) -> list[tuple[pa.Table, bool]]:
    # Rows without accuracy get a file of their own: in BASIC it has no such column.
    lacks = rows["lacks_accuracy"].to_numpy()
    shuffled = rng.permutation(np.flatnonzero(~lacks))
    groups = np.array_split(shuffled, max(1, files_per_day - bool(lacks.any())))
    parts = [(rows.take(group), True) for group in groups if len(group)]
    if lacks.any():
        without = rng.permutation(np.flatnonzero(lacks))
        parts.append((rows.take(without), False))
    return parts or [(rows, True)]


def _name_unknown_area(table: pa.Table) -> pa.Table:
    count = min(3, table.num_rows)
    column = table.schema.get_field_index("poi_ids")
    old = table["poi_ids"].combine_chunks()
    unknown = pa.array([[UNKNOWN_POI_ID]] * count, old.type)
    poi_ids = pa.concat_arrays([unknown, old[count:]])
    return table.set_column(column, "poi_ids", poi_ids)


def _damage(body: bytes, faults: VendorFaults, day: date) -> bytes:
    if day in faults.corrupt_dates:
        return b"this is not parquet " * 200
    return body[: len(body) // 2] if day in faults.truncated_dates else body


def _folder(order: Order, day: date) -> str:
    return f"{order.folder_path}date={day}/"


def _write(s3: "S3Client", part: _Part) -> None:
    s3.put_object(Bucket=VENDOR_BUCKET, Key=part.key, Body=part.body)
