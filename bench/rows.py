"""The rows of delivered files: FULL pings, with the quirks deliveries have."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.areas import COUNTRIES, make_cities
from bench.people import Devices, Ints, Places, make_devices, make_places
from bench.shapes import Shape

INDEX_ID_RATIO = 0.15
"""Areas named by `geo_radius_<i>` instead of the id that was sent."""
TWO_AREAS_RATIO, THREE_AREAS_RATIO = 0.07, 0.03
NO_AREA_RATIO = 0.006
"""Rows that name no area: null, empty and `[null]`, a third each."""
NULL_ID_RATIO, BLANK_ID_RATIO = 0.005, 0.005
NAN_RATIO, OUT_OF_RANGE_RATIO = 0.003, 0.002
COORDINATES = ("horizontal_accuracy", "latitude", "longitude")

_PLACE_RATIOS = (0.6, 0.85)
"""Pings at a device's first place, and at its first two."""
_QUALITY_KEYS = ("ping_origin_type", "source_type", "ha_type", "ping_circle_score")
_QUALITY_VALUES = ("gps", "wifi", "cell", "sdk", "measured", "1", "2", "3")
_GEO_KEYS = ("region", "city", "zipcode", "h3_res10", "h3_res12", "geohash")
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Rows:
    """Some rows of one date, and what landing has to make of them."""

    table: pa.Table
    rows_by_area: NDArray[np.int64]
    """Rows that name it."""
    rejected: int
    """Rows that name none."""


def make_rows(
    shape: Shape, date_number: int, count: int, rng: np.random.Generator
) -> Rows:
    """Make rows of one date: any of its devices, in no order.

    Texts of few values are dictionaries, unless the rows are to be cut into small files:
    each would get the whole dictionary.
    """
    devices, places = make_devices(shape, date_number), make_places(shape)
    device = rng.integers(0, len(devices.area), count, dtype=np.int32)
    draw = rng.random(count)
    spot = (draw > _PLACE_RATIOS[0]).astype(int) + (draw > _PLACE_RATIOS[1])
    place = devices.places[device, spot]
    area_lists, codes, rejected = _area_lists(rng, shape, devices.area[device])
    accuracy_m = rng.lognormal(3.0, 1.0, count).clip(1, 2000).round(1)
    country = devices.area[device] % len(COUNTRIES)
    columns = {
        "ad_id": _ad_ids(rng, devices, device),
        "utc_timestamp": _times(rng, shape, date_number, count),
        "horizontal_accuracy": pa.array(
            accuracy_m, mask=devices.lacks_accuracy[device]
        ),
        "id_type": _pick(("aaid", "idfa"), devices.is_idfa[device].astype(np.int32)),
        "ip_address": devices.ip_addresses.take(pa.array(device)),
        "latitude": _coordinates(rng, places.lat[place]),
        "longitude": _coordinates(rng, places.lon[place]),
        "iso_country_code": _pick(COUNTRIES, country),
        "poi_ids": area_lists,
        "quality_fields": _quality_fields(accuracy_m),
        "geo_fields": _geo_fields(places, devices.area[device], place),
    }
    if shape.has_small_files:
        columns = {name: _decode(column) for name, column in columns.items()}
    rows_by_area = np.bincount(codes, minlength=shape.areas)
    return Rows(pa.table(columns), rows_by_area, rejected)


def to_text_coordinates(table: pa.Table) -> pa.Table:
    """Return the rows with coordinates as text, as some of the vendor's files have them."""
    for name in COORDINATES:
        place = table.schema.get_field_index(name)
        table = table.set_column(place, name, table[name].cast(pa.string()))
    return table


def _area_lists(
    rng: np.random.Generator, shape: Shape, area: Ints
) -> tuple[pa.Array, Ints, int]:
    """Name the device's area, and the next one or two in some rows."""
    count, draw = len(area), rng.random(len(area))
    lengths = 1 + (draw < TWO_AREAS_RATIO + THREE_AREAS_RATIO)
    lengths = np.minimum(lengths + (draw < THREE_AREAS_RATIO), shape.areas)
    none = draw > 1 - NO_AREA_RATIO
    is_null, holds_null = none & (draw > 1 - 0.002), none & (draw < 1 - 0.004)
    lengths[none] = holds_null[none]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    row = np.repeat(np.arange(count, dtype=np.int32), lengths)
    codes = (area[row] + np.arange(len(row)) - offsets[row]) % shape.areas
    is_index = rng.random(len(row)) < INDEX_ID_RATIO
    ids = [city.area_id for city in make_cities(shape.areas)]
    ids += [f"geo_radius_{number}" for number in range(shape.areas)]
    names = _pick(ids, codes + shape.areas * is_index, mask=holds_null[row])
    lists = pa.ListArray.from_arrays(pa.array(offsets), names, mask=pa.array(is_null))
    return lists, codes[~holds_null[row]], int(none.sum())


def _ad_ids(rng: np.random.Generator, devices: Devices, device: Ints) -> pa.Array:
    draw = rng.random(len(device))
    blank = len(devices.ad_ids) - 1
    is_blank = (draw >= NULL_ID_RATIO) & (draw < NULL_ID_RATIO + BLANK_ID_RATIO)
    picks = pa.array(np.where(is_blank, blank, device), mask=draw < NULL_ID_RATIO)
    return devices.ad_ids.take(picks)


def _times(
    rng: np.random.Generator, shape: Shape, date_number: int, count: int
) -> pa.Array:
    midnight = np.datetime64(shape.days[date_number], "ms")
    return pa.array(midnight + rng.integers(0, _DAY_MS, count))


def _coordinates(rng: np.random.Generator, degrees: NDArray[np.float64]) -> pa.Array:
    moved = np.round(degrees + rng.normal(0, 5e-5, len(degrees)), 7)
    draw = rng.random(len(degrees))
    moved[draw < NAN_RATIO + OUT_OF_RANGE_RATIO] = 999.0
    moved[draw < NAN_RATIO] = np.nan
    # from_pandas=False: NaN must stay NaN, not become null.
    return pa.array(moved, from_pandas=False)


def _quality_fields(accuracy_m: NDArray[np.float64]) -> pa.Array:
    step = (accuracy_m >= 20).astype(np.int32) + (accuracy_m >= 100)
    values = np.empty((len(step), 4), np.int32)
    values[:, 0], values[:, 1], values[:, 2], values[:, 3] = step, 3, 4, step + 5
    return _text_map(_QUALITY_KEYS, _pick(_QUALITY_VALUES, values.ravel()))


def _geo_fields(places: Places, area: Ints, place: Ints) -> pa.Array:
    cells = len(places.lat)
    values = np.empty((len(area), len(_GEO_KEYS)), np.int32)
    values[:, 0] = area
    values[:, 1] = places.first_city + area
    values[:, 2] = places.first_zip + places.zip_code[place]
    for number in range(3):
        values[:, 3 + number] = places.first_cell + number * cells + place
    return _text_map(_GEO_KEYS, places.geo_values.take(pa.array(values.ravel())))


def _text_map(keys: tuple[str, ...], values: pa.Array) -> pa.Array:
    width, count = len(keys), len(values) // len(keys)
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * width)
    names = _pick(keys, np.tile(np.arange(width, dtype=np.int32), count))
    return pa.MapArray.from_arrays(offsets, names, values)


def _pick(
    values: pa.Array | list[str] | tuple[str, ...],
    picks: Ints,
    mask: NDArray[np.bool_] | None = None,
) -> pa.DictionaryArray:
    dictionary = values if isinstance(values, pa.Array) else pa.array(values)
    return pa.DictionaryArray.from_arrays(pa.array(picks, mask=mask), dictionary)


def _decode(column: pa.Array) -> pa.Array:
    if isinstance(column, pa.DictionaryArray):
        return column.dictionary_decode()
    if isinstance(column, pa.MapArray):
        return pa.MapArray.from_arrays(
            column.offsets, _decode(column.keys), _decode(column.items)
        )
    if isinstance(column, pa.ListArray):
        is_null = pc.is_null(column)
        return pa.ListArray.from_arrays(
            column.offsets, _decode(column.values), mask=is_null
        )
    return column
