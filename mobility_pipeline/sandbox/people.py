"""The people of a place: where they live, work and go out, and when."""

from dataclasses import dataclass
from uuid import UUID

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.sandbox.places import Place
from mobility_pipeline.sandbox.randomness import make_rng

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY_TAGGED_RATIO = 0.05
"""Devices whose whole day carries each area visited, pings outside it included."""
WITHOUT_ACCURACY_RATIO = 0.1
"""Devices whose app reports no accuracy; in BASIC the column is absent for them."""
STAYS_IN_RATIO = 0.5
"""People who spend the evening at home."""
M_PER_DEGREE = 111_195.0
_SPEED_M_PER_H = 25_000.0
_IP_FORMS = ("unknown", "", "203.0.113.{}", "198.51.100.{}", "2001:db8::{:x}")


@dataclass(frozen=True)
class Devices:
    """What is constant for a device; one entry per device."""

    ad_ids: list[str]
    id_types: list[str]
    ip_addresses: list[str]
    is_day_tagged: Bools
    lacks_accuracy: Bools


@dataclass(frozen=True)
class People:
    """The regular people of a place; row i of each array is person i."""

    devices: Devices
    anchors: Floats
    """(n, 3, 2): home, work, evening place; lon, lat."""
    hours: Floats
    """(n, 8) local hours: 0, leaves home, at work, leaves, out, leaves, home, 24."""


def settle_people(place: Place, count: int, seed: int) -> People:
    """Give a place its people; the same for the same boundary and seed."""
    rng = make_rng(seed, place.digest, "people")
    devices = make_devices(rng, count)
    homes, sites, evenings = (
        sample_inside(place.geometry, rng, n) for n in (count, count // 8 + 1, count)
    )
    works = sites[rng.integers(len(sites), size=count)]
    stays_in = rng.random(count) < STAYS_IN_RATIO
    evenings = np.where(stays_in[:, None], homes, evenings)
    beyond = _beyond(place.geometry, rng, count)
    evenings = np.where(devices.is_day_tagged[:, None], beyond, evenings)
    anchors = np.stack([homes, works, evenings], axis=1)
    return People(devices, anchors, _make_hours(anchors, rng))


def make_devices(rng: np.random.Generator, count: int) -> Devices:
    """Make devices with synthetic identifiers."""
    raw = rng.bytes(16 * count)
    ad_ids = [
        str(UUID(bytes=raw[16 * i : 16 * i + 16], version=4)) for i in range(count)
    ]
    forms = rng.choice(len(_IP_FORMS), size=count, p=[0.05, 0.05, 0.45, 0.25, 0.2])
    hosts = rng.integers(1, 255, size=count)
    return Devices(
        ad_ids,
        [("idfa", "aaid")[i] for i in rng.integers(2, size=count)],
        [_IP_FORMS[f].format(h) for f, h in zip(forms, hosts, strict=True)],
        rng.random(count) < DAY_TAGGED_RATIO,
        rng.random(count) < WITHOUT_ACCURACY_RATIO,
    )


def sample_inside(
    geometry: BaseGeometry, rng: np.random.Generator, count: int
) -> Floats:
    """Draw points inside a polygon by rejection; (count, 2) of lon, lat."""
    west, south, east, north = geometry.bounds
    shapely.prepare(geometry)
    found = np.empty((0, 2))
    for _ in range(50):
        box = rng.random((4 * count + 16, 2))
        points = box * (east - west, north - south) + (west, south)
        inside = shapely.contains_xy(geometry, points[:, 0], points[:, 1])
        found = np.concatenate([found, points[inside]])
        if len(found) >= count:
            return found[:count]
    # A sliver that rejection hardly ever hits.
    point = geometry.representative_point()
    return np.tile([point.x, point.y], (count, 1))


def distance_m(start: Floats, end: Floats) -> Floats:
    """Return metres between lon/lat points, flat over the few km of a trip."""
    scale = np.cos(np.radians(start[..., 1]))
    delta_lon = (end[..., 0] - start[..., 0]) * scale
    return M_PER_DEGREE * np.hypot(delta_lon, end[..., 1] - start[..., 1])


def _beyond(geometry: BaseGeometry, rng: np.random.Generator, count: int) -> Floats:
    west, south, east, north = geometry.bounds
    radius = 0.75 * max(east - west, north - south)
    angle = rng.random(count) * 2 * np.pi
    lon = (west + east) / 2 + radius * np.cos(angle)
    lat = (south + north) / 2 + radius * np.sin(angle)
    return np.column_stack([np.clip(lon, -180, 180), np.clip(lat, -89, 89)])


def _make_hours(anchors: Floats, rng: np.random.Generator) -> Floats:
    count = len(anchors)
    home, work, evening = anchors[:, 0], anchors[:, 1], anchors[:, 2]
    commute, outing, way_home = (
        np.clip(distance_m(start, end) / _SPEED_M_PER_H, 0.1, 1.5)
        for start, end in ((home, work), (work, evening), (evening, home))
    )
    leaves = np.clip(rng.normal(8, 1, count), 5, 10)
    departs = np.clip(rng.normal(17, 1, count), 14, 18)
    out = departs + outing
    back = out + rng.uniform(0.5, 2.5, count)
    return np.column_stack(
        [
            np.zeros(count),
            leaves,
            leaves + commute,
            departs,
            out,
            back,
            back + way_home,
            np.full(count, 24.0),
        ]
    )
