"""From a layer of neighbourhoods or public spaces to a city's region layer."""

from collections import Counter
from collections.abc import Sequence

from shapely.geometry.base import BaseGeometry
from slugify import slugify

from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.regions import Region, RegionLayer
from mobility_pipeline.cities.uploads.layers import Layer, clean_text
from mobility_pipeline.cities.uploads.projection import locate
from mobility_pipeline.cities.uploads.repair import (
    crosses_antimeridian,
    cut_at_antimeridian,
    make_polygons_valid,
    only_polygons,
)
from mobility_pipeline.cities.uploads.simplify import snap_to_grid, unwrap_single
from mobility_pipeline.errors import UploadRefusedError


def read_regions(
    layer: Layer, name_field: str, *, source: str, crs: str | None = None
) -> tuple[RegionLayer, tuple[str, ...]]:
    """Make a city's region layer of a layer of polygons or points.

    Args:
        layer: one feature per region.
        name_field: the column that holds the regions' names.
        source: where the file is from.
        crs: by hand, `EPSG:32636`; null = what the file says.

    Returns:
        The regions in the file's order, EPSG:4326, and what was changed, one sentence
        each.

    Raises:
        UploadRefusedError: no such column, a region without name or geometry, or neither
            polygons nor points.
    """
    if layer.kind not in ("polygons", "points"):
        raise UploadRefusedError(
            f"layer {quote(layer.name)} is {layer.kind}: regions are polygons or points"
        )
    names = _read_names(layer, name_field)
    located = locate(layer, crs)
    changes = [*layer.notes, *located.changes]
    repaired = sum(not shape.is_valid for shape in located.geometries if shape)
    if repaired:
        changes.append(f"{repaired} regions crossed themselves and were repaired")
    if any(count > 1 for count in Counter(names).values()):
        changes.append("several regions have one name: their ids are numbered")
    regions = tuple(
        Region(region_id, name, _prepare(number, name, shape))
        for number, (region_id, name, shape) in enumerate(
            zip(_make_ids(names), names, located.geometries, strict=True), 1
        )
    )
    slug = slugify(layer.name, separator="_") or "regions"
    return RegionLayer(slug, layer.name, source, regions), tuple(changes)


def _read_names(layer: Layer, name_field: str) -> list[str]:
    if name_field not in layer.fields:
        columns = ", ".join(map(clean_text, layer.fields)) or "none"
        raise UploadRefusedError(
            f"layer {quote(layer.name)} has no column {quote(name_field)}; "
            f"its columns: {columns}"
        )
    names: list[str] = []
    for number, value in enumerate(layer.fields[name_field], 1):
        name = "" if value is None or value != value else clean_text(str(value))
        if not name:
            raise UploadRefusedError(
                f"region {number} of layer {quote(layer.name)} has no name in "
                f"{quote(name_field)}"
            )
        names.append(name)
    return names


def _make_ids(names: Sequence[str]) -> list[str]:
    """Make one id per name; what would be the same gets a number."""
    taken: set[str] = set()
    ids: list[str] = []
    for name in names:
        slug = slugify(name, separator="_") or "region"
        number, region_id = 1, slug
        while region_id in taken:
            number += 1
            region_id = f"{slug}-{number}"
        taken.add(region_id)
        ids.append(region_id)
    return ids


def _prepare(number: int, name: str, shape: BaseGeometry | None) -> BaseGeometry:
    if shape is None:
        raise UploadRefusedError(f"region {number}, {quote(name)}, has no geometry")
    if shape.geom_type in ("Point", "MultiPoint"):
        return shape
    polygons = only_polygons(shape)
    if crosses_antimeridian(polygons):
        polygons = cut_at_antimeridian(polygons)
    prepared = snap_to_grid(make_polygons_valid(polygons))
    if prepared.is_empty:
        raise UploadRefusedError(f"region {number}, {quote(name)}, has no area")
    return unwrap_single(prepared)
