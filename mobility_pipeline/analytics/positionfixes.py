"""Positionfixes: a city's pings, conformed, and without those that can't be true.

Source: the city-days of one feed, or ingested events. Every ping is a fix or is counted
under the one reason why it is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from mobility_pipeline.analytics.devices import Numbers, number_devices
from mobility_pipeline.analytics.inside import is_inside
from mobility_pipeline.analytics.local_time import local_hours
from mobility_pipeline.analytics.regions import CellRegionMap, RegionMap
from mobility_pipeline.analytics.teleports import find_kept
from mobility_pipeline.cities.city import City
from mobility_pipeline.schemas.derived import POSITIONFIXES

MAX_ACCURACY_M = 500
"""Pings whose horizontal accuracy is worse say little about a region; null is kept."""

NO_DEVICE, NO_TIME, BAD_COORDINATES, INACCURATE, DUPLICATE, TELEPORT = REASONS = (
    "no_device",
    "no_time",
    "bad_coordinates",
    "inaccurate",
    "duplicate",
    "teleport",
)
"""Why a ping is no fix, in the order in which they are asked."""

_COLUMNS = (
    "utc_timestamp",
    "latitude",
    "longitude",
    "horizontal_accuracy",
)
_CELL = "cell_id"
_KEY = ("device", "at", "lat", "lon")


@dataclass(frozen=True)
class Positionfixes:
    """The positionfixes of some pings."""

    table: pl.DataFrame
    """Columns of `schemas.derived.POSITIONFIXES`, sorted by its key."""
    dropped: Mapping[str, int]
    """Pings that are none, by reason; every one of `REASONS`, also those of none."""


def make_positionfixes(
    pings: pa.Table, city: City, regions: RegionMap
) -> Positionfixes:
    """Make positionfixes of pings: rows in = rows out + dropped.

    * no_device: neither an `ad_id` (blank and all zeros are none) nor a `caid`.
    * no_time: null.
    * bad_coordinates: null, NaN, out of range, or 0/0.
    * inaccurate: horizontal accuracy above 500 m; null and what is no accuracy (NaN,
      negative) stay, as null.
    * duplicate: same device, instant and point as another; the most accurate stays.
    * teleport: farther from the last kept fix of the device than 500 km/h can be.

    Args:
        pings: of one city and as many days as there are, with the columns of a feed's
            BASIC schema, in any order. Events have an `imsi` in place of the ids, and a
            `cell_id`: where the layer is of network cells, it decides the region.
        city: whose time zone and area they are judged by.
        regions: the city's region layer.

    Returns:
        The same whatever the order of the pings. May be empty.
    """
    devices = number_devices(pings)
    judged = _conform(pings, devices.number).with_columns(reason=_judge())
    candidates = judged.filter(pl.col("reason").is_null())
    kept = _drop_duplicates(candidates[_find_order(candidates)])
    is_kept = find_kept(
        kept["device"].to_numpy(),
        kept["at"].to_physical().to_numpy(),
        kept["lon"].to_numpy(),
        kept["lat"].to_numpy(),
    )
    fixes = kept.filter(is_kept)
    counts = dict(judged["reason"].drop_nulls().value_counts().rows())
    counts[DUPLICATE] = candidates.height - kept.height
    counts[TELEPORT] = kept.height - fixes.height
    dropped = {reason: counts.get(reason, 0) for reason in REASONS}
    table = _describe(fixes, devices.ids, city, regions)
    return Positionfixes(table, dropped)


def _conform(pings: pa.Table, device: Numbers) -> pl.DataFrame:
    """Give columns our names and units."""
    accuracy = pl.col("horizontal_accuracy")
    cell_id = pl.lit(None, pl.String)
    columns = list(_COLUMNS)
    if _CELL in pings.column_names:
        cell_id, columns = pl.col(_CELL), [*columns, _CELL]
    return pl.DataFrame(pings.select(columns)).select(
        device=pl.Series(device),
        cell_id=cell_id,
        at=pl.col("utc_timestamp").cast(pl.Datetime("us", "UTC")),
        # Adding zero makes 0 of -0: the same point, the same bytes.
        lat=pl.col("latitude") + 0.0,
        lon=pl.col("longitude") + 0.0,
        # To polars NaN is the greatest number.
        horizontal_accuracy_m=pl.when(accuracy.is_not_nan() & (accuracy >= 0)).then(
            accuracy
        ),
    )


def _judge() -> pl.Expr:
    """Say why a conformed ping is no fix, as far as it alone tells; null = it may be."""
    lat, lon = pl.col("lat"), pl.col("lon")
    # Not between: null and NaN neither.
    placed = lat.is_between(-90, 90) & lon.is_between(-180, 180)
    placed = placed.fill_null(value=False) & ~((lat == 0) & (lon == 0))
    return (
        pl.when(pl.col("device") < 0)
        .then(pl.lit(NO_DEVICE))
        .when(pl.col("at").is_null())
        .then(pl.lit(NO_TIME))
        .when(~placed)
        .then(pl.lit(BAD_COORDINATES))
        .when(pl.col("horizontal_accuracy_m") > MAX_ACCURACY_M)
        .then(pl.lit(INACCURATE))
    )


def _find_order(fixes: pl.DataFrame) -> Numbers:
    """Return the order by device, instant, point, and accuracy with nulls last."""
    device, at = fixes["device"].to_numpy(), fixes["at"].to_physical().to_numpy()
    order = np.arange(len(device))
    same_device = np.diff(device) == 0
    # A city-day of the lake mostly is in order, but for devices without ad_id.
    if (np.diff(device) < 0).any() or (np.diff(at)[same_device] < 0).any():
        order = np.lexsort((at, device))
        device, at = device[order], at[order]
        same_device = np.diff(device) == 0
    is_tie = same_device & (np.diff(at) == 0)
    # Few instants of a device have several fixes: only those are sorted by everything.
    tied = np.flatnonzero(np.append(is_tie, False) | np.insert(is_tie, 0, False))
    several = fixes[order[tied]].with_columns(place=order[tied])
    by_all = several.sort(*_KEY, "horizontal_accuracy_m", nulls_last=True)
    order[tied] = by_all["place"].to_numpy()
    return order


def _drop_duplicates(fixes: pl.DataFrame) -> pl.DataFrame:
    """Keep the first of equal neighbours."""
    is_double = pl.all_horizontal(pl.col(name) == pl.col(name).shift() for name in _KEY)
    return fixes.filter(~is_double.fill_null(value=False))


def _describe(
    fixes: pl.DataFrame, ids: pl.Series, city: City, regions: RegionMap
) -> pl.DataFrame:
    """Add whose, where in the city and when in its time fixes are."""
    lon, lat = fixes["lon"].to_numpy(), fixes["lat"].to_numpy()
    return fixes.with_columns(
        ids.gather(fixes["device"]).alias("device_id"),
        *local_hours(fixes["at"], city.time_zone),
        is_inside=is_inside(city, lon, lat),
        region_id=_assign(fixes["cell_id"], regions.assign(lon, lat), regions),
    ).select(POSITIONFIXES.schema.names)


def _assign(cell_id: pl.Series, by_place: pl.Series, regions: RegionMap) -> pl.Series:
    """Return the region of each fix's cell, else the one it lies in."""
    if not isinstance(regions, CellRegionMap):
        return by_place
    return regions.assign_cells(cell_id).fill_null(by_place)
