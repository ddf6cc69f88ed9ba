"""Derived tables: what analytics makes of a city's pings, one table per city and day.

Source: the city-days of one feed, or ingested events. Cadence: whenever the city-days they
rest on change. Every table is sorted by its key, so that equal input gives equal bytes.

The day of `positionfixes` is the UTC day of its pings; the day of every other table is the
city's local day, made from the UTC days that overlap it. Counts are exact here: what
leaves through the API or a picture is suppressed there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

HOME_WINDOW_DAYS = 28
"""Days that a home rests on, its own the last: four weeks, every weekday alike."""

_INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class DerivedTable:
    """A table that analytics derives per city and day."""

    name: str
    """`presence`: second part of the asset key and folder in the lake."""
    schema: pa.Schema
    key: tuple[str, ...]
    """Columns that make a row unique; rows are sorted by them."""
    description: str
    """For people, one line."""
    reach: tuple[int, int] = (1, 1)
    """Days before and after a UTC day of pings whose rows rest on it: a local day overlaps
    two or three UTC days."""
    version: int = 1
    """Of the method: raised when equal input gives other rows."""


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_DEVICE = _required("device_id", pa.string())
_REGION = _required("region_id", pa.string())
# The instant at which the local hour starts: tells the two 01:00 of an autumn night apart.
_HOUR = (
    _required("hour_at", _INSTANT),
    _required("local_hour", pa.int8()),
)
# 0 everybody · 1 male · 2 female · 3 = 10–19 · 4 = 20–39 · 5 = 40+ years · 6 unknown: no
# profile, or one without gender. A person is in 0, in one of 1, 2 and 6, and in at most one
# of 3, 4 and 5.
_PORTRAIT = _required("portrait_id", pa.int8())

POSITIONFIXES = DerivedTable(
    "positionfixes",
    pa.schema(
        [
            # Lower-case ad_id, else caid; an event's imsi.
            _DEVICE,
            _required("at", _INSTANT),
            _required("local_date", pa.date32()),
            *_HOUR,
            # EPSG:4326 degrees.
            _required("lat", pa.float64()),
            _required("lon", pa.float64()),
            pa.field("horizontal_accuracy_m", pa.float64()),
            # Whether the point is geometrically inside the city's area.
            _required("is_inside", pa.bool_()),
            # Null: in no region of the city's layer.
            pa.field("region_id", pa.string()),
        ]
    ),
    ("device_id", "at", "lat", "lon"),
    "A UTC day's pings, conformed: local time, region, no impossible ones.",
    reach=(0, 0),
)

DEVICE_HOURS = DerivedTable(
    "device_hours",
    pa.schema([*_HOUR, _REGION, _DEVICE, _required("fixes_count", pa.int32())]),
    ("hour_at", "region_id", "device_id"),
    "Who was in which region in which local hour, each once.",
)
"""Who was where in which local hour, each once: presence, flows, portraits count it."""

PRESENCE = DerivedTable(
    "presence",
    pa.schema(
        [*_HOUR, _REGION, _PORTRAIT, _required("devices_count", pa.int32())],
    ),
    ("hour_at", "region_id", "portrait_id"),
    "Distinct devices by region, local hour and portrait.",
)
"""Distinct devices; only regions with at least one device in the hour have rows, and
each of them has all portraits 0…6."""

FLOWS = DerivedTable(
    "flows",
    pa.schema(
        [
            *_HOUR,
            _REGION,
            _PORTRAIT,
            # Null: this hour or the one before was not observed.
            pa.field("inflow_count", pa.int32()),
            pa.field("outflow_count", pa.int32()),
            pa.field("stay_count", pa.int32()),
        ]
    ),
    ("hour_at", "region_id", "portrait_id"),
    "Who came into a region, left it or stayed, from one local hour to the next.",
    reach=(1, 2),
)
"""From the hour before into `hour_at`: inflow = here now and not before, outflow = here
before and not now, stay = both. Regions with a device in either hour have rows."""

OD = DerivedTable(
    "od",
    pa.schema(
        [
            # first_last: first region of the local day → last one, also where they are
            # equal · consecutive: each change of region.
            _required("kind", pa.string()),
            _required("origin_region_id", pa.string()),
            _required("destination_region_id", pa.string()),
            _required("devices_count", pa.int32()),
            # Trips: for first_last equal to devices_count.
            _required("trips_count", pa.int32()),
        ]
    ),
    ("kind", "origin_region_id", "destination_region_id"),
    "Devices and trips from region to region in a local day.",
)

STAYPOINTS = DerivedTable(
    "staypoints",
    pa.schema(
        [
            _DEVICE,
            _required("started_at", _INSTANT),
            _required("finished_at", _INSTANT),
            # Centroid, EPSG:4326.
            _required("lat", pa.float64()),
            _required("lon", pa.float64()),
            _required("fixes_count", pa.int32()),
            pa.field("region_id", pa.string()),
        ]
    ),
    ("device_id", "started_at"),
    "Where devices dwelt for 20 minutes or more within 200 m.",
)

DWELL = DerivedTable(
    "dwell",
    pa.schema(
        [
            _DEVICE,
            _REGION,
            _required("first_at", _INSTANT),
            _required("last_at", _INSTANT),
            _required("dwell_s", pa.float64()),
            _required("fixes_count", pa.int32()),
        ]
    ),
    ("device_id", "region_id"),
    "From a device's first fix in a region to its last, in a local day.",
)

DEVICE_DAYS = DerivedTable(
    "device_days",
    pa.schema(
        [
            _DEVICE,
            _required("fixes_count", pa.int32()),
            _required("observed_hours_count", pa.int8()),
            _required("radius_of_gyration_m", pa.float64()),
        ]
    ),
    ("device_id",),
    "Daily active devices, how well observed, with their radius of gyration.",
)
"""Active devices of a local day: its rows are the daily active devices."""

HOME_REGIONS = DerivedTable(
    "home_regions",
    pa.schema(
        [
            _DEVICE,
            _REGION,
            # Nights (19:00–07:00 local) with a fix in the home region, and with any fix,
            # in the window of days that ends with this one.
            _required("nights_count", pa.int16()),
            _required("observed_nights_count", pa.int16()),
            # Share of the window's nights whose city-days were there.
            _required("coverage_ratio", pa.float64()),
        ]
    ),
    ("device_id",),
    "The region each device spent most nights in, over four weeks.",
    reach=(1, HOME_WINDOW_DAYS),
)

DERIVED_TABLES: Mapping[str, DerivedTable] = {
    table.name: table
    for table in (
        POSITIONFIXES,
        DEVICE_HOURS,
        PRESENCE,
        FLOWS,
        OD,
        STAYPOINTS,
        DWELL,
        DEVICE_DAYS,
        HOME_REGIONS,
    )
}
"""Table name -> table, in the order in which they are made."""

DAY_TABLES = (DEVICE_HOURS, PRESENCE, OD, STAYPOINTS, DWELL, DEVICE_DAYS)
"""Tables of a local day that rest on its positionfixes alone."""
