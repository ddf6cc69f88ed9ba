"""The cells of a mobile network and the regions they serve, beside the city.

Shape: see `layer_files.py`, suffix `.cells.geojson`, with members `name` and `source`;
each Feature is a cell: a Point with an `id` and the property `region_id`, null where it
is in no region.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import shapely
from shapely.geometry import Point

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.layer_files import LayerFiles
from mobility_pipeline.errors import UploadRefusedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_NEAR_DEGREES = 0.1


@dataclass(frozen=True)
class NetworkCell:
    """One cell of a mobile network."""

    id: str
    """Unique in its layer."""
    region_id: str | None
    """Null: it serves no region."""
    lon: float
    """EPSG:4326 degrees."""
    lat: float
    """EPSG:4326 degrees."""


@dataclass(frozen=True)
class CellLayer:
    """The cells of one network in and around a city."""

    slug: str
    """Its file's name: `operator_cells`."""
    name: str
    """As people write it."""
    source: str
    """Where it is from."""
    cells: tuple[NetworkCell, ...]

    @property
    def region_ids(self) -> list[str]:
        """The regions that at least one cell serves, sorted."""
        return sorted({cell.region_id for cell in self.cells if cell.region_id})


class CellLayers(LayerFiles[CellLayer]):
    """The cell layers of all cities of one registry's store."""

    def __init__(self, store: "ObjectStore") -> None:
        super().__init__(store, ".cells.geojson", _from_collection)

    def write(self, city: City, layer: CellLayer) -> None:
        """Store a cell layer, in place of the city's former one of that slug.

        Raises:
            UploadRefusedError: no cell is near a polygon city, or the name is taken.
        """
        points = shapely.points([(cell.lon, cell.lat) for cell in layer.cells])
        near = shapely.dwithin(city.geometry, points, _NEAR_DEGREES)
        if city.radius_m is None and not near.any():
            raise UploadRefusedError(
                f"no cell of {layer.name!r} is near {city.key}: are they another city's, "
                "or are lat and lon swapped?"
            )
        self.put(city.key, layer.slug, _to_collection(layer))


def _to_collection(layer: CellLayer) -> dict[str, Any]:
    return {
        "type": "FeatureCollection",
        "name": layer.name,
        "source": layer.source,
        "features": [
            {
                "type": "Feature",
                "id": cell.id,
                "properties": {"region_id": cell.region_id},
                "geometry": {"type": "Point", "coordinates": [cell.lon, cell.lat]},
            }
            for cell in layer.cells
        ],
    }


def _from_collection(slug: str, document: dict[str, Any]) -> CellLayer:
    cells = [_from_feature(feature) for feature in document["features"]]
    return CellLayer(slug, document["name"], document["source"], tuple(cells))


def _from_feature(feature: dict[str, Any]) -> NetworkCell:
    point = Point(feature["geometry"]["coordinates"])
    region_id = feature["properties"]["region_id"]
    return NetworkCell(feature["id"], region_id, point.x, point.y)
