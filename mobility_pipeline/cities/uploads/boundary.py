"""From a layer to a city's boundary, with everything that was changed on the way."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import shapely
from shapely.geometry import MultiPolygon, Polygon, mapping
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.boundaries import find_boundary_problems
from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.layers import Layer
from mobility_pipeline.cities.uploads.projection import locate
from mobility_pipeline.cities.uploads.repair import (
    crosses_antimeridian,
    cut_at_antimeridian,
    make_polygons_valid,
    only_polygons,
)
from mobility_pipeline.cities.uploads.simplify import (
    MAX_VERTICES,
    Simplification,
    count_vertices,
    simplify_boundary,
    snap_to_grid,
    unwrap_single,
)
from mobility_pipeline.errors import UploadRefusedError

ChangeKind = Literal[
    "note",
    "doubt",
    "crs",
    "left_out",
    "antimeridian",
    "repaired",
    "merged",
    "rounded",
    "simplified",
]

_OVERLAP_KM2 = 1e-4
"""A hundred square metres: less is how neighbours are drawn."""


@dataclass(frozen=True)
class Change:
    """One thing that was done to what was sent."""

    kind: ChangeKind
    text: str
    """In words."""
    area_before_km2: float | None = None
    area_after_km2: float | None = None
    """Null where the area did not change."""


@dataclass(frozen=True)
class Boundary:
    """A boundary that passes the checks of `cities/boundaries.py`."""

    geometry: Polygon | MultiPolygon
    """EPSG:4326, valid, two-dimensional."""
    layer: str
    crs: str
    """The CRS it came in, as people read it."""
    features: int
    vertices: int
    area_km2: float
    changes: tuple[Change, ...]
    """In the order they were made; empty = the boundary is just as it was sent."""
    offer: Simplification | None
    """Where there are more than MAX_VERTICES vertices and it was not taken yet."""


def prepare_boundary(
    layer: Layer, *, crs: str | None = None, simplify: bool = False
) -> Boundary:
    """Make a city's boundary of a layer.

    Args:
        layer: as `choose_layer` gave it.
        crs: by hand, `EPSG:32636`; goes before the file's; null = what the file says.
        simplify: take the simplification, where one is offered.

    Raises:
        UploadRefusedError: the layer is no area, its CRS is not known, or what comes of
            it cannot be a boundary; names every reason.
    """
    _require_polygons(layer)
    located = locate(layer, crs)
    changes = [Change("note", text) for text in layer.notes]
    if layer.is_parts_by_name:
        text = (
            f"layer {quote(layer.name)} looks like parts of the city, not its boundary"
        )
        changes.append(Change("doubt", text))
    changes += [Change("crs", text) for text in located.changes]
    shapes = [shape for shape in located.geometries if shape is not None]
    if missing := len(located.geometries) - len(shapes):
        text = f"{missing} of {len(located.geometries)} features have no geometry"
        changes.append(Change("left_out", f"{text} and were left out"))
    polygons = _repair(_cut(shapes, changes), changes)
    merged = _round(_merge(polygons, changes), changes)
    _require_fit(layer, merged)
    return _finish(layer, merged, located.crs, changes, simplify=simplify)


def _finish(
    layer: Layer,
    merged: Polygon | MultiPolygon,
    crs: str,
    changes: list[Change],
    *,
    simplify: bool,
) -> Boundary:
    before = count_vertices(merged)
    offer = simplify_boundary(merged) if before > MAX_VERTICES else None
    if simplify and before > MAX_VERTICES and offer is None:
        raise UploadRefusedError(
            f"layer {quote(layer.name)} can't be simplified below {MAX_VERTICES:,} "
            "vertices: it has too many separate parts; remove the smallest ones"
        )
    geometry = merged
    if simplify and offer is not None:
        areas = (offer.area_before_km2, offer.area_after_km2)
        changes.append(
            Change("simplified", f"simplified: {offer.describe(before)}", *areas)
        )
        geometry, offer = offer.geometry, None
        _require_fit(layer, geometry)
    return Boundary(
        geometry=geometry,
        layer=layer.name,
        crs=crs,
        features=len(layer.geometries),
        vertices=count_vertices(geometry),
        area_km2=area_km2(geometry, None),
        changes=tuple(changes),
        offer=offer,
    )


def _require_polygons(layer: Layer) -> None:
    if layer.kind == "empty":
        raise UploadRefusedError(
            f"layer {quote(layer.name)} is empty: it has no geometry"
        )
    if layer.kind != "polygons":
        what = "several kinds of geometry" if layer.kind == "mixed" else layer.kind
        raise UploadRefusedError(
            f"layer {quote(layer.name)} holds {what}: a boundary is made of polygons; "
            "choose another layer, or save it as polygons"
        )


def _cut(shapes: Sequence[BaseGeometry], changes: list[Change]) -> list[BaseGeometry]:
    crossing = [crosses_antimeridian(shape) for shape in shapes]
    if not any(crossing):
        return list(shapes)
    changes.append(
        Change(
            "antimeridian",
            "the area crosses 180° of longitude and was cut in two there",
        )
    )
    return [
        cut_at_antimeridian(only_polygons(shape)) if is_crossing else shape
        for shape, is_crossing in zip(shapes, crossing, strict=True)
    ]


def _repair(
    shapes: Sequence[BaseGeometry], changes: list[Change]
) -> list[MultiPolygon]:
    polygons = [make_polygons_valid(shape) for shape in shapes]
    broken = [shape for shape in shapes if not shape.is_valid]
    if broken:
        before = sum(area_km2(shape, None) for shape in shapes)
        after = sum(area_km2(shape, None) for shape in polygons)
        changes.append(
            Change(
                "repaired",
                f"{len(broken)} of {len(shapes)} features were not valid "
                f"({explain_validity(broken[0])}) and were repaired: {before:,.3f} km² "
                f"before, {after:,.3f} km² after",
                before,
                after,
            )
        )
    return polygons


def _merge(
    polygons: Sequence[MultiPolygon], changes: list[Change]
) -> Polygon | MultiPolygon:
    merged = only_polygons(shapely.union_all(polygons))
    if len(polygons) > 1:
        before = sum(area_km2(shape, None) for shape in polygons)
        after = area_km2(merged, None)
        text = f"{len(polygons)} features were merged into one area"
        if before - after > _OVERLAP_KM2:
            text += f"; {before - after:,.4f} km² where they overlap count once"
        changes.append(Change("merged", text, before, after))
    return unwrap_single(merged)


def _round(
    merged: Polygon | MultiPolygon, changes: list[Change]
) -> Polygon | MultiPolygon:
    rounded = unwrap_single(snap_to_grid(merged))
    if not rounded.equals_exact(merged, 1e-12, normalize=True):
        changes.append(Change("rounded", "positions were rounded to 7 decimals (1 cm)"))
        return rounded
    return merged


def _require_fit(layer: Layer, geometry: Polygon | MultiPolygon) -> None:
    problems = find_boundary_problems(mapping(geometry), None)
    if problems:
        raise UploadRefusedError(
            f"layer {quote(layer.name)} can't be a boundary: {'; '.join(problems)}"
        )
