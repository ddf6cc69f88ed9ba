"""Client for Nominatim: which points a name means, and where a relation belongs.

Source: nominatim.org/release-docs/latest/api/Search, …/Lookup and …/Output, format
`jsonv2`. Shape: a list of `{"osm_type", "osm_id", "lat", "lon", "display_name",
"geojson"?}`; `lat` and `lon` are text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from shapely.errors import ShapelyError
from shapely.geometry import shape

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.boundaries import Position
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.errors import MapServerError

_FORMAT = {"format": "jsonv2", "accept-language": "en"}
_POINTS = 5
_MOST_IDS = 50
"""Of one lookup, by its documentation."""
_OUTLINE_DEGREES = "0.0005"
"""How much outlines are simplified: 55 m, below 1 % of the area of a city."""


class _Place(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    osm_type: str = ""
    osm_id: int = 0
    lat: float
    lon: float
    display_name: str
    geojson: dict[str, Any] | None = None


_PLACES = TypeAdapter(list[_Place])


@dataclass(frozen=True)
class Whereabouts:
    """Where a relation belongs, and about how large it is."""

    place: str
    """Its name and those of what it lies in: `Esenler, İstanbul, Türkiye`."""
    area_km2: float | None
    """Of a simplified outline; null where its ways form no area."""


def find_points(servers: MapServers, name: str, country: str) -> list[Position]:
    """Find the points, (lon, lat), that a name means in a country; best first.

    Args:
        servers: to ask.
        name: in any language; part of a name, or with its state, is fine.
        country: ISO 3166-1 alpha-2.
    """
    fields = {"q": name, "countrycodes": country.lower(), "limit": str(_POINTS)}
    url = f"{servers.nominatim_url}/search"
    places = servers.ask(url, {**fields, **_FORMAT}, _read)
    return [(place.lon, place.lat) for place in places]


def find_whereabouts(
    servers: MapServers, relations: Sequence[int]
) -> dict[int, Whereabouts]:
    """Say where relations belong; those that Nominatim does not know are left out."""
    found: dict[int, Whereabouts] = {}
    for start in range(0, len(relations), _MOST_IDS):
        ids = relations[start : start + _MOST_IDS]
        fields = {
            "osm_ids": ",".join(f"R{number}" for number in ids),
            "polygon_geojson": "1",
            "polygon_threshold": _OUTLINE_DEGREES,
        }
        url = f"{servers.nominatim_url}/lookup"
        for place in servers.ask(url, {**fields, **_FORMAT}, _read):
            area = _measure(place.geojson)
            found[place.osm_id] = Whereabouts(place.display_name, area)
    return found


def _read(document: object) -> list[_Place]:
    try:
        return _PLACES.validate_python(document)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the answer"
        raise MapServerError(
            f"Nominatim sent something else than it should: {where}: {problem['msg']}"
        ) from None


def _measure(outline: dict[str, Any] | None) -> float | None:
    if outline is None or outline.get("type") not in ("Polygon", "MultiPolygon"):
        return None
    try:
        return area_km2(shape(outline), None)
    except (ShapelyError, ValueError, TypeError, KeyError, IndexError):
        return None
