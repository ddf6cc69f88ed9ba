"""Areas as one request names them."""

from dataclasses import dataclass
from functools import cached_property

from shapely.geometry.base import BaseGeometry

from mobility_pipeline.sandbox.boundaries import fingerprint


@dataclass(frozen=True)
class RequestedArea:
    """One area of one request."""

    poi_id: str
    """As sent; the index form where none was sent."""
    index_id: str
    """`geo_radius_<i>`: its position in the array it was sent in."""
    geometry: BaseGeometry | None
    """Null for place keys: the sandbox does not know where those are."""

    @cached_property
    def digest(self) -> str:
        """Identity of the boundary, whatever id it was sent under."""
        return self.poi_id if self.geometry is None else fingerprint(self.geometry)
