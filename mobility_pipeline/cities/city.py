"""A city, its area of interest and its days."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal, NamedTuple

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.keys import make_area_id


class CityDay(NamedTuple):
    """One city's UTC day: the unit of completeness, publishing and recovery.

    A tuple, as there are hundreds of thousands at once in sets.
    """

    city: str
    """The city's key."""
    date: date


@dataclass(frozen=True)
class City:
    """A city we watch. Its key never changes; its names and boundary may."""

    key: str
    """`canada/british_columbia/vancouver`."""
    country: str
    """As people write it."""
    state_province: str
    """As people write it; empty where a city has no state."""
    city: str
    """As people write it, any script."""
    iso_country_code: str
    """ISO 3166-1 alpha-2, upper case."""
    time_zone: str
    """IANA name."""
    status: Literal["active", "retired"]
    geometry: BaseGeometry
    """Polygon or MultiPolygon, or Point with `radius_m`; EPSG:4326, (lon, lat)."""
    radius_m: float | None
    """Metres around a Point; null for polygons."""
    source: str
    """Where the boundary is from, and how exact it is."""
    first_date: date | None = None
    """First UTC day expected; null = MOBILITY_START_DATE."""
    legacy_prefix: str | None = None
    """Storage prefix in the predecessor's bucket, where the city was imported."""

    @property
    def is_active(self) -> bool:
        """Whether days of the city are asked for."""
        return self.status == "active"

    @cached_property
    def boundary_sha256(self) -> str:
        """Hex digest of the area of interest; changes when, and only when, it does."""
        boundary = {
            "geometry": mapping(shapely.normalize(self.geometry)),
            "radius_m": self.radius_m,
        }
        canonical = json.dumps(boundary, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def area_id(self) -> str:
        """The id sent to the vendor: at most 32 ASCII characters, one per boundary."""
        return make_area_id(self.key, self.boundary_sha256)

    def boundary(self) -> dict[str, Any]:  # GeoJSON
        """Return the geometry as a GeoJSON object."""
        return mapping(self.geometry)
