"""Do a city-day's pings lie in the area of interest they were bought for?"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from pyproj import Geod

from mobility_pipeline.checks.finding import Finding, failed, passed, warned
from mobility_pipeline.cities.city import City

NAME = "inside_area"
COLUMNS = ("longitude", "latitude")
MIN_INSIDE_RATIO = 0.8
"""Distances on a sphere are up to 0.56 % off those on the ellipsoid: 1.1 % of a disc; and
the vendor may tag the whole day of a device that was inside for a moment."""
MIN_PLACED_RATIO = 0.95
"""Pings without a readable position say nothing of the area; one in a hundred is usual."""

_WGS84 = Geod(ellps="WGS84")


@dataclass(frozen=True)
class PlaceCount:
    """Pings by what their position says."""

    rows: int = 0
    placed: int = 0
    """With both coordinates finite and in range."""
    inside: int = 0
    """Of those placed, in the area or on its rim."""

    def __add__(self, other: "PlaceCount") -> "PlaceCount":
        return PlaceCount(
            self.rows + other.rows,
            self.placed + other.placed,
            self.inside + other.inside,
        )


def count_inside(pings: pa.RecordBatch, city: City) -> PlaceCount:
    """Count the pings of a batch that lie in a city's area of interest.

    Args:
        pings: with `COLUMNS`, EPSG:4326 degrees; null, NaN and out of range are not placed.
        city: whose polygon, or geodesic disc around a point, it is.
    """
    longitude, latitude = (
        pings.column(name).to_numpy(zero_copy_only=False).astype(float)
        for name in COLUMNS
    )
    # Comparisons with NaN, which also stands for null here, are false.
    is_placed = (np.abs(longitude) <= 180) & (np.abs(latitude) <= 90)
    longitude, latitude = longitude[is_placed], latitude[is_placed]
    inside = int(np.count_nonzero(is_inside(longitude, latitude, city)))
    return PlaceCount(pings.num_rows, len(longitude), inside)


def is_inside(
    longitude: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    latitude: "np.ndarray[tuple[int], np.dtype[np.float64]]",
    city: City,
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Return which points lie in a city's area of interest or on its rim.

    Args:
        longitude: EPSG:4326 degrees, finite and in range.
        latitude: the same.
        city: whose polygon, or geodesic disc around a point, it is.
    """
    if city.radius_m is None:
        shapely.prepare(city.geometry)
        return shapely.intersects_xy(city.geometry, longitude, latitude)
    center = city.geometry.centroid
    _, _, distance_m = _WGS84.inv(  # pyright: ignore[reportUnknownMemberType]
        np.full_like(longitude, center.x),
        np.full_like(latitude, center.y),
        longitude,
        latitude,
    )
    return np.asarray(distance_m) <= city.radius_m


def inside_area(
    count: PlaceCount,
    *,
    min_inside_ratio: float = MIN_INSIDE_RATIO,
    min_placed_ratio: float = MIN_PLACED_RATIO,
) -> Finding:
    """Judge the share of pings that lie geometrically in the area.

    Args:
        count: of all pings of the city-day.
        min_inside_ratio: of those placed; fewer is an error.
        min_placed_ratio: of all; fewer is a warning.

    Returns:
        Without rows it passes, and there is no ratio.
    """
    numbers: dict[str, str | int | float] = {
        "rows": count.rows,
        "pings_with_position": count.placed,
        "pings_inside": count.inside,
    }
    if not count.rows:
        return passed(NAME, "there are no pings to judge", numbers)
    if not count.placed:
        text = f"none of {count.rows} pings has a position"
        return failed(NAME, text, numbers)
    numbers["inside_ratio"] = round(count.inside / count.placed, 6)
    text = f"{count.inside} of {count.placed} pings with a position are in the area"
    if count.inside < min_inside_ratio * count.placed:
        return failed(NAME, text, numbers)
    if count.placed < min_placed_ratio * count.rows:
        lost = count.rows - count.placed
        return warned(NAME, f"{lost} of {count.rows} pings have no position", numbers)
    return passed(NAME, text, numbers)


def other_boundary(bought_sha256: str, city: City | None) -> Finding | None:
    """Warn where pings were bought for another boundary than the city has now, or none."""
    if city is None:
        text = (
            "the registry has no such city, so not judged; see `mobility cities list`"
        )
        return warned(NAME, text, {"bought_for": bought_sha256[:8]})
    if bought_sha256 == city.boundary_sha256:
        return None
    return warned(
        NAME,
        "bought for another boundary than the city has now, so not judged; request the "
        "day again with --refresh",
        {"bought_for": bought_sha256[:8], "now": city.boundary_sha256[:8]},
    )
