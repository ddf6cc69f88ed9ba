"""One UTC day of the people of one place, as pings; deterministic in its arguments.

Days follow local solar time (longitude / 15 hours), so nights are at home and quiet. On
local Saturdays and Sundays the way to work leads to the evening place instead.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from mobility_pipeline.sandbox.people import (
    M_PER_DEGREE,
    Devices,
    Floats,
    People,
    distance_m,
    make_devices,
    sample_inside,
)
from mobility_pipeline.sandbox.places import Place

Ints = NDArray[np.int64]

PRESENT_RATIO = 0.9
"""Chance that a regular person is seen on a day."""
TRIP_PINGS_RATIO = 0.3
"""Pings sent on the move; far more than the time spent there, as phones do."""
TRANSIENT_RATIO = 0.06
"""Devices of one day with 1-3 pings, per regular one: 20-70 % of ids over 3-31 days."""

# Pings by local hour: few at night, most at noon and in the evening.
_HOURLY = np.array(
    [2, 1, 1, 1, 1, 2, 4, 6, 7, 7, 7, 8, 9, 8, 7, 7, 8, 9, 9, 9, 8, 6, 5, 3]
)
_SEGMENT_ANCHORS = np.array([0, 0, 1, 1, 2, 2, 0, 0])
_DAY_S = 86_400


@dataclass(frozen=True)
class Trips:
    """The trip each ping belongs to; values mean nothing where `number` is -1."""

    number: Ints
    """0, 1, 2 in the order of the day; -1 = not on a trip."""
    start_s: Ints
    end_s: Ints
    """Epoch seconds, UTC."""
    distance_m: Floats
    heading_deg: Floats


@dataclass(frozen=True)
class Pings:
    """Pings of one place and UTC day; entry i of each array is ping i."""

    devices: Devices
    device: Ints
    """Index into `devices`."""
    utc_s: Ints
    """Epoch seconds, within the UTC day."""
    lon: Floats
    lat: Floats
    accuracy_m: Floats
    trips: Trips


def simulate_day(
    place: Place,
    people: People,
    day: date,
    pings_per_person: float,
    rng: np.random.Generator,
) -> Pings:
    """Simulate the pings of one UTC day, regular people and passers-by."""
    midnight_s = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    everyone = _with_transients(place, people, rng)
    device = _draw_devices(len(people.anchors), everyone, pings_per_person, rng)
    offset_h = everyone.anchors[device, 0, 0] / 15
    is_transient = device >= len(people.anchors)
    local_h = _draw_local_hours(everyone, device, is_transient, rng)
    second = np.floor(((local_h - offset_h) % 24) * 3600).astype(np.int64) % _DAY_S
    utc_s = midnight_s + second
    local_day = np.floor((utc_s + offset_h * 3600) / _DAY_S).astype(np.int64)
    is_weekend = (local_day + 3) % 7 >= 5  # 1970-01-01 was a Thursday
    points, trips = _locate(everyone, device, local_h, utc_s, is_weekend)
    accuracy_m = np.round(np.clip(rng.lognormal(2.7, 0.8, len(device)), 1, 5000), 1)
    noise = (
        rng.normal(0, 1, (len(device), 2)) * np.minimum(accuracy_m, 200)[:, None] / 3
    )
    lat = points[:, 1] + noise[:, 1] / M_PER_DEGREE
    lon = points[:, 0] + noise[:, 0] / (M_PER_DEGREE * np.cos(np.radians(points[:, 1])))
    return Pings(
        everyone.devices,
        device,
        utc_s,
        np.round(lon, 6),
        np.round(lat, 6),
        accuracy_m,
        trips,
    )


def _with_transients(place: Place, people: People, rng: np.random.Generator) -> People:
    count = max(1, round(TRANSIENT_RATIO * len(people.anchors)))
    spots = sample_inside(place.geometry, rng, count)
    more, regular = make_devices(rng, count), people.devices
    devices = Devices(
        regular.ad_ids + more.ad_ids,
        regular.id_types + more.id_types,
        regular.ip_addresses + more.ip_addresses,
        np.concatenate([regular.is_day_tagged, more.is_day_tagged]),
        np.concatenate([regular.lacks_accuracy, more.lacks_accuracy]),
    )
    anchors = np.repeat(spots[:, None, :], 3, axis=1)
    hours = np.tile(np.array([0.0, 8, 9, 17, 18, 19, 20, 24]), (count, 1))
    return People(
        devices,
        np.concatenate([people.anchors, anchors]),
        np.concatenate([people.hours, hours]),
    )


def _draw_devices(
    regulars: int, everyone: People, pings_per_person: float, rng: np.random.Generator
) -> Ints:
    is_seen = rng.random(regulars) < PRESENT_RATIO
    many = np.maximum(rng.poisson(pings_per_person, regulars), 1) * is_seen
    few = rng.integers(1, 4, len(everyone.anchors) - regulars)
    counts = np.concatenate([many, few])
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)


def _draw_local_hours(
    people: People,
    device: Ints,
    is_transient: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Floats:
    count = len(device)
    hour = rng.choice(24, size=count, p=_HOURLY / _HOURLY.sum()) + rng.random(count)
    trip = 1 + 2 * rng.integers(3, size=count)
    start, end = people.hours[device, trip], people.hours[device, trip + 1]
    moving = start + rng.random(count) * (end - start)
    on_trip = (rng.random(count) < TRIP_PINGS_RATIO) & ~is_transient
    return np.where(on_trip, moving, hour)


def _locate(
    people: People,
    device: Ints,
    local_h: Floats,
    utc_s: Ints,
    is_weekend: NDArray[np.bool_],
) -> tuple[Floats, Trips]:
    hours = people.hours[device]
    segment = np.clip((local_h[:, None] >= hours).sum(axis=1) - 1, 0, 6)
    rows = np.arange(len(device))
    start_h, end_h = hours[rows, segment], hours[rows, segment + 1]
    from_anchor, to_anchor = (
        np.where(is_weekend & (anchor == 1), 2, anchor)
        for anchor in (_SEGMENT_ANCHORS[segment], _SEGMENT_ANCHORS[segment + 1])
    )
    start, end = people.anchors[device, from_anchor], people.anchors[device, to_anchor]
    done = ((local_h - start_h) / (end_h - start_h))[:, None]
    length_m = distance_m(start, end)
    trips = Trips(
        np.where(length_m > 0, segment // 2, -1),
        utc_s - np.round((local_h - start_h) * 3600).astype(np.int64),
        utc_s + np.round((end_h - local_h) * 3600).astype(np.int64),
        length_m,
        _heading_deg(start, end),
    )
    return start + done * (end - start), trips


def _heading_deg(start: Floats, end: Floats) -> Floats:
    east = (end[:, 0] - start[:, 0]) * np.cos(np.radians(start[:, 1]))
    return np.degrees(np.arctan2(east, end[:, 1] - start[:, 1])) % 360
