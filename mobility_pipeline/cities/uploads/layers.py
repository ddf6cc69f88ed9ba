"""The layers of an uploaded file, and which of them is the boundary."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import shapely
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.errors import UploadRefusedError

Kind = Literal["polygons", "lines", "points", "mixed", "empty"]

BOUNDARY_SUFFIXES = ("Admin_Boundary", "Urban_Boundary")
"""How the submission guide's boundary layers end, the more usual one first."""

_KINDS: Mapping[str, Kind] = {
    "Polygon": "polygons",
    "MultiPolygon": "polygons",
    "LineString": "lines",
    "LinearRing": "lines",
    "MultiLineString": "lines",
    "Point": "points",
    "MultiPoint": "points",
}
_BOUNDARY_NAME = re.compile(r"(?:^|.*[_\- ])(admin|urban)[_\- ]boundary", re.IGNORECASE)
_PARTS_NAME = re.compile(
    r"(?:.*[_\- ])?(?:neighbou?rhoods?|public[_\- ]?spaces?)(?:[_\- ].*)?",
    re.IGNORECASE,
)
_MAX_NAME = 120


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer as the file holds it, in its own CRS; nothing is changed yet."""

    name: str
    """Unique in the upload; without control characters."""
    crs: CRS | None
    """Null where the file does not say it, or says something unknown."""
    crs_problem: str
    """What to do about a missing CRS; empty where there is one."""
    geometries: Sequence[BaseGeometry | None]
    """One per feature; null where a feature has none."""
    fields: Mapping[str, Sequence[object]]
    """Column -> one value per feature."""
    notes: tuple[str, ...] = ()
    """What the library that read it remarked."""

    @property
    def present(self) -> list[BaseGeometry]:
        """The geometries that hold anything."""
        return [shape for shape in self.geometries if shape and not shape.is_empty]

    @property
    def kind(self) -> Kind:
        """What the layer holds."""
        kinds: set[Kind] = {
            _KINDS.get(shape.geom_type, "mixed") for shape in self.present
        }
        if len(kinds) > 1:
            return "mixed"
        return kinds.pop() if kinds else "empty"

    @property
    def bbox(self) -> tuple[float, float, float, float] | None:
        """Least x, least y, greatest x, greatest y, in the layer's CRS."""
        present = self.present
        if not present:
            return None
        west, south, east, north = shapely.GeometryCollection(present).bounds
        return west, south, east, north

    @property
    def is_boundary_by_name(self) -> bool:
        """Whether the name is one that the submission guide gives a boundary."""
        return _BOUNDARY_NAME.fullmatch(_last_part(self.name)) is not None

    @property
    def is_parts_by_name(self) -> bool:
        """Whether the name is one that the submission guide gives parts of a city."""
        is_parts = _PARTS_NAME.fullmatch(_last_part(self.name)) is not None
        return is_parts and not self.is_boundary_by_name

    def describe(self) -> str:
        """Say in words what the layer is."""
        count = len(self.geometries)
        return (
            f"{self.name} ({self.kind}, {count:,} feature{'s' if count != 1 else ''})"
        )


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that was read."""

    file_name: str
    layers: tuple[Layer, ...]
    """At least one; the guide's boundary layers first, the others as the file has them."""


def choose_layer(upload: Upload, name: str | None = None) -> Layer:
    """Choose the layer that is the boundary.

    Without a name: the one layer that is called as the guide says, or the only layer of
    the file. Never the largest: a region layer may well be larger than the boundary.

    Raises:
        UploadRefusedError: there is no such layer, or a person has to choose.
    """
    listed = "; ".join(layer.describe() for layer in upload.layers)
    if name is not None:
        for layer in upload.layers:
            if layer.name == name:
                return layer
        raise UploadRefusedError(f"there is no layer {name!r}; there are: {listed}")
    matching = [layer for layer in upload.layers if layer.is_boundary_by_name]
    if len(matching) == 1:
        return matching[0]
    if len(upload.layers) == 1:
        return upload.layers[0]
    why = (
        f"{len(matching)} layers are called like a boundary"
        if matching
        else "no layer is called …_Admin_Boundary or …_Urban_Boundary"
    )
    raise UploadRefusedError(f"{why}: choose the layer; there are: {listed}")


def order_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Put administrative, then urban boundaries first; keep the order of the others."""

    def rank(layer: Layer) -> int:
        match = _BOUNDARY_NAME.fullmatch(_last_part(layer.name))
        return ("admin", "urban").index(match[1].lower()) if match else 2

    return tuple(sorted(layers, key=rank))


def clean_text(text: str) -> str:
    """Make a stranger's text fit to be shown: no control characters, not too long."""
    shown = "".join(
        " " if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character
        for character in text
    )
    return " ".join(shown.split())[:_MAX_NAME]


def _last_part(name: str) -> str:
    return name.rsplit("/", 1)[-1]
