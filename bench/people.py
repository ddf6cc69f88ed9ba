"""Who and where: the places of every area, and the devices of one date.

Values that repeat within a device or a place are made once here, as pools; what differs from
ping to ping is made in `rows.py`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from bench.areas import make_cities
from bench.shapes import PINGS_PER_DEVICE, Shape

Ints = NDArray[np.int32]
Floats = NDArray[np.float64]

PLACES_PER_DEVICE = 3
_DEVICES_PER_PLACE = 4
_MAX_PLACES = 400_000
_BASE32 = np.frombuffer(b"0123456789bcdefghjkmnpqrstuvwxyz", np.uint8)
_DIGITS = np.frombuffer(b"0123456789", np.uint8)


@dataclass(frozen=True)
class Places:
    """Where pings are: each place is of one area, and is one H3 cell of about 10 m."""

    first: Ints
    """Per area its first place; one more at the end."""
    lat: Floats
    lon: Floats
    zip_code: Ints
    """Number of its zip code."""
    geo_values: pa.Array
    """Every value of `geo_fields`: regions, cities, zip codes, then three per place."""
    first_city: int
    first_zip: int
    first_cell: int


@dataclass(frozen=True)
class Devices:
    """The devices of one date; each has one area all day."""

    ad_ids: pa.Array
    """One more than there are devices: the last is blank."""
    area: Ints
    places: Ints
    """`PLACES_PER_DEVICE` of each."""
    ip_addresses: pa.Array
    is_idfa: NDArray[np.bool_]
    lacks_accuracy: NDArray[np.bool_]


def make_rng(*seeds: int) -> np.random.Generator:
    """Make a fast generator for one thing; other seeds, other numbers."""
    return np.random.Generator(np.random.SFC64(seeds))


@lru_cache(maxsize=1)
def make_places(shape: Shape) -> Places:
    """Make the places of all areas; big areas have more of them."""
    rng = make_rng(shape.seed, shape.areas, 1)
    devices = max(shape.rows_by_date) // PINGS_PER_DEVICE
    wanted = min(devices // _DEVICES_PER_PLACE, _MAX_PLACES)
    counts = np.maximum(PLACES_PER_DEVICE, (_zipf(shape.areas) * wanted).astype(int))
    first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    area = np.repeat(np.arange(shape.areas, dtype=np.int32), counts)
    cities = make_cities(shape.areas)
    centres = [city.geometry for city in cities]
    zip_of_place = np.arange(len(area), dtype=np.int32) // 50
    regions = [f"Region {number // 4:02d}" for number in range(shape.areas)]
    names = [city.city for city in cities]
    zips = _texts(rng, _DIGITS, int(zip_of_place[-1]) + 1, 5)
    return Places(
        first=first,
        lat=_around(rng, shapely.get_y(centres), area),
        lon=_around(rng, shapely.get_x(centres), area),
        zip_code=zip_of_place,
        geo_values=pa.concat_arrays(
            [pa.array([*regions, *names]), zips, *_cells(rng, len(area))]
        ),
        first_city=shape.areas,
        first_zip=2 * shape.areas,
        first_cell=2 * shape.areas + len(zips),
    )


@lru_cache(maxsize=1)
def make_devices(shape: Shape, date_number: int) -> Devices:
    """Make the devices of one date; their areas follow Zipf's law."""
    rng = make_rng(shape.seed, shape.areas, 2, date_number)
    count = max(1, shape.rows_by_date[date_number] // PINGS_PER_DEVICE)
    area = rng.choice(shape.areas, count, p=_zipf(shape.areas)).astype(np.int32)
    first = make_places(shape).first
    drawn = rng.random((count, PLACES_PER_DEVICE))
    spans = (first[area + 1] - first[area])[:, None]
    return Devices(
        ad_ids=pa.concat_arrays([_uuids(rng, count), pa.array([""])]),
        area=area,
        places=(first[area][:, None] + drawn * spans).astype(np.int32),
        ip_addresses=_ip_addresses(rng, count),
        is_idfa=rng.random(count) < 0.6,
        lacks_accuracy=rng.random(count) < 0.02,
    )


def fixed_width(characters: NDArray[np.uint8]) -> pa.Array:
    """Make texts of equal length from one row of ASCII codes each."""
    count, width = characters.shape
    offsets = np.arange(count + 1, dtype=np.int32) * width
    data = np.ascontiguousarray(characters)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def _zipf(count: int) -> Floats:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


def _around(rng: np.random.Generator, centres: Floats, area: Ints) -> Floats:
    return centres[area] + rng.normal(0, 0.05, len(area))


def _texts(
    rng: np.random.Generator, alphabet: NDArray[np.uint8], count: int, width: int
) -> pa.Array:
    return fixed_width(alphabet[rng.integers(0, len(alphabet), (count, width))])


def _cells(rng: np.random.Generator, count: int) -> list[pa.Array]:
    digits = _hex_digits(rng, count)
    res10, res12 = digits[:, :15].copy(), digits[:, :15].copy()
    res10[:, :2], res10[:, 12:] = np.frombuffer(b"8a", np.uint8), ord("f")
    res12[:, :2], res12[:, 14:] = np.frombuffer(b"8c", np.uint8), ord("f")
    return [fixed_width(res10), fixed_width(res12), _texts(rng, _BASE32, count, 9)]


def _uuids(rng: np.random.Generator, count: int) -> pa.Array:
    digits = _hex_digits(rng, count)
    text = np.full((count, 36), ord("-"), np.uint8)
    for start, end, at in (
        (0, 8, 0),
        (8, 12, 9),
        (12, 16, 14),
        (16, 20, 19),
        (20, 32, 24),
    ):
        text[:, at : at + end - start] = digits[:, start:end]
    text[:, 14] = ord("4")
    return fixed_width(text)


def _hex_digits(rng: np.random.Generator, count: int) -> NDArray[np.uint8]:
    digits = rng.bytes(16 * count).hex().encode()
    return np.frombuffer(digits, np.uint8).reshape(count, 32)


def _ip_addresses(rng: np.random.Generator, count: int) -> pa.Array:
    """Give devices v4 addresses that some of them share, and 3 % of them none."""
    distinct = max(1, count // 3)
    numbers = rng.integers(1, 255, (distinct, 4))
    texts = [b"%d.%d.%d.%d" % tuple(row) for row in numbers.tolist()]
    texts += [b"unknown", b""]
    pick = rng.integers(0, distinct, count)
    draw = rng.random(count)
    pick[draw < 0.03] = distinct
    pick[draw < 0.01] = distinct + 1
    return pa.array(texts, pa.string()).take(pa.array(pick))
