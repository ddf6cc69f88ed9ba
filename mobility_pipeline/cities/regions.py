"""Parts of a city, for its analytics: neighbourhoods, public spaces, … beside the city.

Shape: one RFC 7946 FeatureCollection per region layer at `<city key>.regions/<slug>
.geojson` of the registry's store, EPSG:4326, with members `name` and `source`; each
Feature has an `id` and the property `name`. A key never holds a dot, so a city can't be
stored there; the registry leaves these files alone.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import obstore
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import dump_geojson
from mobility_pipeline.cities.stores import list_paths, translated_errors
from mobility_pipeline.errors import UnknownRegionLayerError, UploadRefusedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_FOLDER = ".regions/"
_SLUG = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


@dataclass(frozen=True)
class Region:
    """One part of a city."""

    id: str
    """ASCII, unique in its layer."""
    name: str
    """As people write it, any script."""
    geometry: BaseGeometry
    """Polygon, MultiPolygon, Point or MultiPoint; EPSG:4326, (lon, lat)."""


@dataclass(frozen=True)
class RegionLayer:
    """One kind of parts of a city."""

    slug: str
    """Its file's name: `neighbourhoods`."""
    name: str
    """As people write it."""
    source: str
    """Where it is from."""
    regions: tuple[Region, ...]


class Regions:
    """The region layers of all cities of one registry's store."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def write(self, city: City, layer: RegionLayer) -> list[str]:
        """Store a region layer, in place of the city's former one of that slug.

        Returns:
            Names of the regions that do not touch a polygon city, for the person to see.

        Raises:
            UploadRefusedError: none of them touches it.
        """
        outside = _find_outside(city, layer.regions)
        if outside and len(outside) == len(layer.regions):
            raise UploadRefusedError(
                f"no region of {layer.name!r} touches {city.key}: is it another city's, "
                "or in another CRS?"
            )
        path = _path(city.key, layer.slug)
        content = dump_geojson(_to_collection(layer)).encode()
        with translated_errors(f"writing regions of {city.key}"):
            obstore.put(self._store, path, content)
        return outside

    def list_slugs(self, key: str) -> list[str]:
        """Return the slugs of a city's region layers, sorted; may be empty."""
        prefix = key + _FOLDER
        return sorted(
            path.removeprefix(prefix).removesuffix(".geojson")
            for path in list_paths(self._store)
            if path.startswith(prefix) and path.endswith(".geojson")
        )

    def read(self, key: str, slug: str) -> RegionLayer:
        """Read a region layer.

        Raises:
            UnknownRegionLayerError: the city has none of that slug, or its file was
                broken by hand.
        """
        if not _SLUG.fullmatch(slug):
            raise UnknownRegionLayerError(f"{slug!r} is not the name of a region layer")
        try:
            with translated_errors(f"reading regions of {key}"):
                try:
                    stored = obstore.get(self._store, _path(key, slug))
                    content = bytes(stored.bytes())
                except FileNotFoundError as error:
                    raise UnknownRegionLayerError(
                        f"{key} has no region layer {slug!r}: "
                        f"`mobility cities regions list {key}` names them"
                    ) from error
            return _from_collection(slug, json.loads(content))
        except (ValueError, KeyError, TypeError, AttributeError, ShapelyError) as error:
            raise UnknownRegionLayerError(
                f"the file of region layer {slug!r} of {key} is broken: {error!r}"
            ) from error


def is_region_path(path: str) -> bool:
    """Return whether a file of the registry's store is a region layer, not a city."""
    return _FOLDER in path


def _path(key: str, slug: str) -> str:
    return f"{key}{_FOLDER}{slug}.geojson"


def _find_outside(city: City, regions: Sequence[Region]) -> list[str]:
    if city.radius_m is not None:
        return []
    return [
        region.name
        for region in regions
        if not region.geometry.intersects(city.geometry)
    ]


def _to_collection(layer: RegionLayer) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "name": layer.name,
        "source": layer.source,
        "features": [
            {
                "type": "Feature",
                "id": region.id,
                "properties": {"name": region.name},
                "geometry": mapping(region.geometry),
            }
            for region in layer.regions
        ],
    }


def _from_collection(slug: str, document: dict[str, Any]) -> RegionLayer:
    regions = (
        Region(feature["id"], feature["properties"]["name"], shape(feature["geometry"]))
        for feature in document["features"]
    )
    return RegionLayer(slug, document["name"], document["source"], tuple(regions))
