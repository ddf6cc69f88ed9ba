"""Bodies of the vendor's POST routes, and what it refuses with 422."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from mobility_pipeline.sandbox.areas import RequestedArea
from mobility_pipeline.sandbox.boundaries import (
    circle,
    geometry_from_geojson,
    geometry_from_wkt,
)

AREA_ENDPOINTS = (
    "movement/job/pings",
    "movement/job/devices",
    "movement/job/aggregate",
    "movement/job/cohort",
    "visits/job/aggregate",
    *(
        f"{kind}/job/{what}"
        for kind in ("home", "work")
        for what in ("devices", "aggregate", "cohort")
    ),
)


def _plain_date(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
        return value
    raise ValueError("must be YYYY-MM-DD")


def _check_geojson(value: dict[str, Any]) -> dict[str, Any]:
    geometry_from_geojson(value)
    return value


def _check_wkt(value: str) -> str:
    geometry_from_wkt(value)
    return value


PlainDate = Annotated[date, BeforeValidator(_plain_date)]
PoiId = Annotated[str, Field(min_length=1, max_length=32, pattern=r"^[\x20-\x7e]+$")]


class DateRange(BaseModel):
    """Both days included."""

    from_date: PlainDate
    to_date: PlainDate

    @model_validator(mode="after")
    def _in_order(self) -> "DateRange":
        if self.to_date < self.from_date:
            raise ValueError("to_date is before from_date")
        return self

    @property
    def days(self) -> int:
        """Days asked for."""
        return (self.to_date - self.from_date).days + 1


class GeoRadius(BaseModel):
    """A circle."""

    poi_id: PoiId | None = None
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    distance_in_meters: float = Field(gt=0, le=100_000)


class GeoJson(BaseModel):
    """A polygon as GeoJSON."""

    poi_id: PoiId | None = None
    geo_json: Annotated[dict[str, Any], AfterValidator(_check_geojson)]


class WktGeometry(BaseModel):
    """A polygon as well-known text."""

    poi_id: PoiId | None = None
    wkt: Annotated[str, AfterValidator(_check_wkt)]


class PlaceKey(BaseModel):
    """A place by its key."""

    poi_id: PoiId | None = None
    placekey: str = Field(min_length=1)


class JobRequest(BaseModel):
    """What every job states."""

    date_range: DateRange
    schema_type: Literal["BASIC", "FULL", "TRIPS"] = "BASIC"

    def areas(self) -> tuple[RequestedArea, ...]:
        """Return the areas asked for, in the order sent."""
        return ()


class AreaRequest(JobRequest):
    """An area filter; nothing forces one area at least."""

    geo_radius: list[GeoRadius] = []
    geo_json: list[GeoJson] = []
    geometry: list[WktGeometry] = []
    place_key: list[PlaceKey] = []

    def areas(self) -> tuple[RequestedArea, ...]:
        """Return the areas asked for, in the order sent."""
        circles = [
            circle(a.latitude, a.longitude, a.distance_in_meters)
            for a in self.geo_radius
        ]
        polygons = [geometry_from_geojson(a.geo_json) for a in self.geo_json]
        drawn = [geometry_from_wkt(a.wkt) for a in self.geometry]
        kinds = {
            "geo_radius": zip(self.geo_radius, circles, strict=True),
            "geo_json": zip(self.geo_json, polygons, strict=True),
            "geometry": zip(self.geometry, drawn, strict=True),
            "place_key": ((area, None) for area in self.place_key),
        }
        return tuple(
            RequestedArea(area.poi_id or f"{kind}_{i}", f"{kind}_{i}", geometry)
            for kind, areas in kinds.items()
            for i, (area, geometry) in enumerate(areas)
        )


class VisitsCohortRequest(AreaRequest):
    """An area filter and what visits are compared with."""

    cohort_poi_filters: Mapping[str, Any] | list[Any]


class DeviceRequest(JobRequest):
    """Pings of known devices."""

    device_ids: list[str] = Field(min_length=1)
    whitelist_iso_country_codes: list[str] = []


class AddressRequest(JobRequest):
    """Pings of known addresses."""

    ip_addresses: list[str] = Field(min_length=1)
    whitelist_iso_country_codes: list[str] = []


REQUESTS: Mapping[str, type[JobRequest]] = {
    **dict.fromkeys(AREA_ENDPOINTS, AreaRequest),
    "visits/job/cohort": VisitsCohortRequest,
    "movement/job/pings_by_device": DeviceRequest,
    "movement/job/pings_by_ip": AddressRequest,
}
"""Every POST route and its body. Trips are pings with `schema_type` TRIPS."""
