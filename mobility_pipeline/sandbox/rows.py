"""Pings of a place as rows of a job: which requested areas each names, and row quirks.

Which pings are quirky is drawn with the pings, so it is the same in every job.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.sandbox.people import Bools
from mobility_pipeline.sandbox.pings import Ints, Pings
from mobility_pipeline.sandbox.places import Place

NULL_ID_RATIO, BLANK_ID_RATIO = 0.005, 0.005
NAN_RATIO, OUT_OF_RANGE_RATIO = 0.003, 0.002
NO_AREA_RATIO = 0.006
"""Rows that name no area: null, empty and `[null]`, a third each."""

NULL_LIST, EMPTY_LIST, LIST_OF_NULL = 1, 2, 3
"""Values of `poi_form`; 0 = a list of areas."""


@dataclass(frozen=True)
class TaggedArea:
    """A requested area as a number."""

    code: int
    """Index into the areas of the request."""
    geometry: BaseGeometry


def make_rows(
    place: Place, pings: Pings, areas: Sequence[TaggedArea], rng: np.random.Generator
) -> pa.Table:
    """Make the rows that a job for these areas gets of a place's day.

    Returns:
        One row per ping inside a requested area, or of a day-tagged device that was.
        `area_codes` holds the codes of its areas, ascending.
    """
    tags = _tag(pings, areas)
    count = len(pings.device)
    draws = {name: rng.random(count) for name in ("id", "coordinate", "area")}
    kept = np.flatnonzero(tags.any(axis=1))
    poi_form = _poi_form(draws["area"][kept])
    columns = _device_columns(pings, kept, draws["id"][kept])
    columns |= _position_columns(pings, kept, draws["coordinate"][kept])
    columns |= _trip_columns(pings, kept)
    columns["area_codes"] = _area_codes(tags[kept], areas, poi_form)
    columns["poi_form"] = pa.array(poi_form)
    for name in ("iso_country_code", "region", "city"):
        columns[name] = pa.repeat(pa.scalar(getattr(place, name)), len(kept))
    return pa.table(columns)


def _tag(pings: Pings, areas: Sequence[TaggedArea]) -> Bools:
    tags = np.zeros((len(pings.device), len(areas)), dtype=np.bool_)
    is_day_tagged = pings.devices.is_day_tagged
    for column, area in enumerate(areas):
        shapely.prepare(area.geometry)
        inside = shapely.contains_xy(area.geometry, pings.lon, pings.lat)
        visited = np.zeros(len(is_day_tagged), dtype=np.bool_)
        visited[pings.device[inside]] = True
        tags[:, column] = inside | (visited & is_day_tagged)[pings.device]
    return tags


def _poi_form(draws: NDArray[np.float64]) -> NDArray[np.int8]:
    form = np.floor(draws / NO_AREA_RATIO * 3).clip(max=3) + 1
    return np.where(form <= LIST_OF_NULL, form, 0).astype(np.int8)


def _device_columns(
    pings: Pings, kept: Ints, draws: NDArray[np.float64]
) -> dict[str, pa.Array]:
    device = pings.device[kept]
    ids = np.array(pings.devices.ad_ids, dtype=object)[pings.device[kept]]
    ids[draws < NULL_ID_RATIO + BLANK_ID_RATIO] = ""
    lacks_accuracy = pings.devices.lacks_accuracy[pings.device[kept]]
    return {
        "ad_id": pa.array(ids, pa.string(), mask=draws < NULL_ID_RATIO),
        "id_type": pa.array(pings.devices.id_types).take(device),
        "ip_address": pa.array(pings.devices.ip_addresses).take(device),
        "lacks_accuracy": pa.array(lacks_accuracy),
    }


def _position_columns(
    pings: Pings, kept: Ints, draws: NDArray[np.float64]
) -> dict[str, pa.Array]:
    is_nan = draws < NAN_RATIO
    is_far = ~is_nan & (draws < NAN_RATIO + OUT_OF_RANGE_RATIO)
    lat = np.where(is_nan, np.nan, np.where(is_far, 999.0, pings.lat[kept]))
    lon = np.where(is_nan, np.nan, np.where(is_far, -999.0, pings.lon[kept]))
    return {
        "utc_s": pa.array(pings.utc_s[kept]),
        # from_pandas=False: NaN must stay NaN, not become null.
        "latitude": pa.array(lat, from_pandas=False),
        "longitude": pa.array(lon, from_pandas=False),
        "horizontal_accuracy": pa.array(pings.accuracy_m[kept]),
    }


def _trip_columns(pings: Pings, kept: Ints) -> dict[str, pa.Array]:
    trips = pings.trips
    on_trip = trips.number[kept] >= 0
    # Counted over all pings, kept or not: the same in every job.
    keys = np.column_stack([pings.device, trips.number, trips.start_s])
    _, group, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    values: dict[str, NDArray[np.int64] | NDArray[np.float64]] = {
        "trip_number": trips.number[kept],
        "trip_start_s": trips.start_s[kept],
        "trip_end_s": trips.end_s[kept],
        "trip_distance_m": trips.distance_m[kept],
        "trip_heading_deg": trips.heading_deg[kept],
        "trip_pings": counts[group.ravel()][kept],
    }
    return {name: pa.array(value, mask=~on_trip) for name, value in values.items()}


def _area_codes(
    tags: Bools, areas: Sequence[TaggedArea], poi_form: NDArray[np.int8]
) -> pa.Array:
    tags = tags & (poi_form == 0)[:, None]
    offsets = np.concatenate([[0], np.cumsum(tags.sum(axis=1))]).astype(np.int32)
    code_of = np.array([area.code for area in areas], dtype=np.int32)
    codes = code_of[np.nonzero(tags)[1]]
    offset_array: Any = pa.array(offsets)  # the stubs ask for an Int32Array
    return pa.ListArray.from_arrays(offset_array, pa.array(codes))
