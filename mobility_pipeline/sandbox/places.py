"""Where the simulated people live: known places, and every area somebody asks for.

A requested area that is a known place (same boundary) is that place; any other has
people of its own. With all registered cities known, a city-day holds the same pings
whichever other cities are in the vendor job, overlapping ones included.
"""

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.sandbox.boundaries import (
    circle,
    fingerprint,
    geometry_from_geojson,
)

_LOG = logging.getLogger(__name__)
_REACH_RATIO = 0.8
"""How far beyond its bounds, in parts of their size, a place's people are ever seen."""


@dataclass(frozen=True)
class Place:
    """An area with people in it."""

    geometry: BaseGeometry
    """Polygon or MultiPolygon; EPSG:4326, (lon, lat)."""
    iso_country_code: str = "ZZ"
    """`ZZ` where the sandbox does not know."""
    region: str = ""
    city: str = ""

    @cached_property
    def digest(self) -> str:
        """Identity: a hash of the boundary."""
        return fingerprint(self.geometry)

    @cached_property
    def reach(self) -> BaseGeometry:
        """The box that holds every ping of the place's people."""
        west, south, east, north = self.geometry.bounds
        margin = _REACH_RATIO * max(east - west, north - south) + 0.02
        return shapely.box(west - margin, south - margin, east + margin, north + margin)


@dataclass(frozen=True)
class World:
    """Every known place."""

    known: tuple[Place, ...] = ()

    def places_of(self, areas: Iterable[BaseGeometry]) -> list[Place]:
        """Return the places whose people can be seen in these areas, in fixed order."""
        wanted = list(areas)
        places = {Place(area).digest: Place(area) for area in wanted}
        places |= {place.digest: place for place in self.known}
        tree = shapely.STRtree(wanted)
        seen = [p for p in places.values() if len(tree.query(p.reach))]
        return sorted(seen, key=lambda place: place.digest)


def load_world(folder: Path | None) -> World:
    """Read every `*.geojson` city of a folder; one that cannot be read is logged."""
    if folder is None or not folder.is_dir():
        return World()
    places: list[Place] = []
    for path in sorted(folder.rglob("*.geojson")):
        try:
            places.append(_read_place(json.loads(path.read_text("utf-8"))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            _LOG.warning("nobody lives in %s: %s", path, error)
    return World(tuple(places))


def _read_place(feature: dict[str, Any]) -> Place:
    properties = feature["properties"]
    if feature["geometry"]["type"] == "Point":
        lon, lat = feature["geometry"]["coordinates"][:2]
        geometry = circle(lat, lon, float(properties["radius_m"]))
    else:
        geometry = geometry_from_geojson(feature)
    return Place(
        geometry,
        str(properties.get("iso_country_code", "ZZ")),
        str(properties.get("state_province", "")),
        str(properties.get("city", "")),
    )
