"""One request to the vendor: which areas, which days, and the exact body sent."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Literal, cast

from shapely.geometry import Point

from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import UsageError
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.planner import Limits

AreaKind = Literal["geo_radius", "geo_json"]


@dataclass(frozen=True)
class Area:
    """One area of a request; the delivery names it by `area_id` or by `kind_index`."""

    area_id: str
    """Sent as `poi_id`."""
    city: str
    """The city's key."""
    boundary_sha256: str
    kind: AreaKind
    """The array of the body it stands in."""
    index: int
    """Its position in that array, from 0, as sent."""


@dataclass(frozen=True)
class JobRequest:
    """A request that may be sent: it has areas, and days in the right order.

    Raises:
        UsageError: no city, a city without an area, two cities with one area id, or an
            end before the start. A request without areas would buy the whole world.
    """

    feed: Feed
    start: date
    end: date
    """Inclusive."""
    cities: tuple[City, ...]
    """Sorted by key, whatever order they are given in."""

    def __post_init__(self) -> None:
        """Refuse what must not be sent."""
        ordered = tuple(sorted(self.cities, key=lambda city: city.key))
        object.__setattr__(self, "cities", ordered)
        if not ordered:
            raise UsageError(
                f"{self.feed.name}: a request without any area buys the whole world; "
                "name at least one city"
            )
        if self.end < self.start:
            raise UsageError(
                f"{self.feed.name}: the days are reversed: {self.start} is after "
                f"{self.end}"
            )
        _refuse_bad_areas(ordered)

    @property
    def days(self) -> int:
        """Number of days, both ends included."""
        return (self.end - self.start).days + 1

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """The areas, in the order of `cities`; each with its place in its array."""
        counts: dict[AreaKind, int] = {"geo_radius": 0, "geo_json": 0}
        areas: list[Area] = []
        for city in self.cities:
            kind = _kind_of(city)
            areas.append(
                Area(city.area_id, city.key, city.boundary_sha256, kind, counts[kind])
            )
            counts[kind] += 1
        return tuple(areas)

    def body(self) -> dict[str, Any]:  # JSON
        """Return the POST body, of plain JSON values."""
        body: dict[str, Any] = {
            "date_range": {
                "from_date": self.start.isoformat(),
                "to_date": self.end.isoformat(),
            },
            "schema_type": self.feed.schema_type,
        }
        for city in self.cities:
            body.setdefault(_kind_of(city), []).append(_area_entry(city))
        # Through JSON, so that what is stored and hashed is what is sent.
        return json.loads(json.dumps(body))

    @property
    def sha256(self) -> str:
        """Fingerprint of the endpoint and the body: equal requests have equal ones."""
        canonical = json.dumps(
            {"endpoint": self.feed.endpoint, "body": self.body()},
            sort_keys=True,
            separators=(",", ":"),
        )
        return hashlib.sha256(canonical.encode()).hexdigest()

    def check_limits(self, limits: Limits) -> None:
        """Refuse a request that the contract does not allow.

        Raises:
            UsageError: more areas or days than one job may have.
        """
        if len(self.cities) > limits.max_areas:
            raise UsageError(
                f"{len(self.cities)} areas in one vendor job: VERASET_MAX_AREAS allows "
                f"{limits.max_areas}"
            )
        if self.days > limits.max_days:
            raise UsageError(
                f"{self.days} days in one vendor job ({self.start} to {self.end}): "
                f"VERASET_MAX_DAYS allows {limits.max_days}"
            )


def _refuse_bad_areas(cities: tuple[City, ...]) -> None:
    keys_by_area: dict[str, str] = {}
    for city in cities:
        if city.geometry.is_empty or (_is_point(city) and not city.radius_m):
            raise UsageError(f"city {city.key} has no area: correct it in the registry")
        if city.area_id in keys_by_area:
            raise UsageError(
                f"cities {keys_by_area[city.area_id]} and {city.key} have the same area "
                f"id {city.area_id}: rows of one could not be told from the other's"
            )
        keys_by_area[city.area_id] = city.key


def _is_point(city: City) -> bool:
    return isinstance(city.geometry, Point)


def _kind_of(city: City) -> AreaKind:
    return "geo_radius" if _is_point(city) else "geo_json"


def _area_entry(city: City) -> dict[str, Any]:  # JSON
    if not _is_point(city):
        return {"poi_id": city.area_id, "geo_json": city.boundary()}
    point = cast("Point", city.geometry)
    return {
        "poi_id": city.area_id,
        "latitude": point.y,
        "longitude": point.x,
        "distance_in_meters": city.radius_m,
    }
