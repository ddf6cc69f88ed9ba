"""Parts of a city, for its analytics: neighbourhoods, public spaces, … beside the city.

Shape: see `layer_files.py`, suffix `.geojson`, with members `name` and `source`; each
Feature has an `id` and the property `name`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.layer_files import LayerFiles
from mobility_pipeline.errors import UploadRefusedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore


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


class Regions(LayerFiles[RegionLayer]):
    """The region layers of all cities of one registry's store."""

    def __init__(self, store: "ObjectStore") -> None:
        super().__init__(store, ".geojson", _from_collection)

    def write(self, city: City, layer: RegionLayer) -> list[str]:
        """Store a region layer, in place of the city's former one of that slug.

        Returns:
            Names of the regions that do not touch a polygon city, for the person to see.

        Raises:
            UploadRefusedError: none of them touches it, or the name is taken.
        """
        outside = _find_outside(city, layer.regions)
        if outside and len(outside) == len(layer.regions):
            raise UploadRefusedError(
                f"no region of {layer.name!r} touches {city.key}: is it another city's, "
                "or in another CRS?"
            )
        self.put(city.key, layer.slug, _to_collection(layer))
        return outside


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
