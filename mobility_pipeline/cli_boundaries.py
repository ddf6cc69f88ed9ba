"""`mobility cities boundary · regions · guide`: files from city administrations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Group

from mobility_pipeline.cities.cell_layers import CellLayer
from mobility_pipeline.cities.guide.page import render_guide
from mobility_pipeline.cities.regions import RegionLayer
from mobility_pipeline.cities.uploads.boundary import Boundary, prepare_boundary
from mobility_pipeline.cities.uploads.cells import read_cells
from mobility_pipeline.cities.uploads.layers import Upload, choose_layer
from mobility_pipeline.cities.uploads.regions import read_regions
from mobility_pipeline.cli_output import (
    DONE,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.cli_upload_output import (
    boundary_table,
    describe_boundary,
    describe_layers,
    layer_table,
)
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import (
    open_cell_layers,
    open_regions,
    open_registry,
)
from mobility_pipeline.settings import load_settings

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_layer_option = click.option("--layer", metavar="NAME", help="Which layer of the file.")
_crs_option = click.option(
    "--crs", metavar="EPSG:N", help="The file's CRS, where it does not say it."
)
_simplify_option = click.option(
    "--simplify", is_flag=True, help="Take the simplification that is offered."
)


_LAYER_COLUMNS = ("layer", "name", "regions", "cells", "source")


@dataclass(frozen=True)
class BoundaryFile:
    """A file with a boundary, and how to read it."""

    file: Path
    layer: str | None
    crs: str | None
    simplify: bool

    def read(self) -> tuple[Upload, Boundary]:
        """Read the file's layers and make a boundary of the one that is meant."""
        upload = _open(self.file)
        layer = choose_layer(upload, self.layer)
        return upload, prepare_boundary(layer, crs=self.crs, simplify=self.simplify)

    def source(self, boundary: Boundary) -> str:
        """Say where the boundary is from."""
        return f"uploaded {self.file.name}, layer {boundary.layer}, {boundary.crs}"


def boundary_options(*, required: bool) -> Callable[..., Callable[..., int]]:
    """Give a verb `--boundary` and what belongs to it, read into one `BoundaryFile`."""

    def decorate(verb: Callable[..., int]) -> Callable[..., int]:
        @wraps(verb)
        def read(
            boundary: Path | None,
            layer: str | None,
            crs: str | None,
            simplify: bool,
            **options: Any,
        ) -> int:
            if boundary is None and (layer or crs or simplify):
                raise UsageError("--layer, --crs and --simplify belong to --boundary")
            file = boundary and BoundaryFile(boundary, layer, crs, simplify)
            return verb(boundary=file, **options)

        wrapped = _simplify_option(_crs_option(_layer_option(read)))
        return click.option(
            "--boundary",
            type=_FILE,
            required=required,
            help="GeoJSON, GeoPackage or zipped shapefile.",
        )(wrapped)

    return decorate


@click.command("boundary", help="Say what boundary a file holds; changes nothing.")
@click.argument("file", type=_FILE)
@_layer_option
@_crs_option
@_simplify_option
@json_option
def report_boundary(
    file: Path, layer: str | None, crs: str | None, simplify: bool, as_json: bool
) -> int:
    """Read a boundary and report everything that would be changed."""
    upload, boundary = BoundaryFile(file, layer, crs, simplify).read()
    document = {
        "layers": describe_layers(upload),
        "boundary": describe_boundary(boundary),
    }
    answer(as_json, document, Group(layer_table(upload), boundary_table(boundary)))
    return DONE


@click.group(help="Region layers of a city: neighbourhoods, public spaces, …")
def regions() -> None:
    """Group the verbs."""


@regions.command("add", help="Keep a layer of named polygons or points for a city.")
@click.argument("key")
@click.argument("file", type=_FILE)
@click.option("--name-field", required=True, help="The column of the regions' names.")
@_layer_option
@_crs_option
@json_option
def add_regions(
    key: str,
    file: Path,
    name_field: str,
    layer: str | None,
    crs: str | None,
    as_json: bool,
) -> int:
    """Add or replace a region layer."""
    settings = load_settings()
    city = open_registry(settings).load().find(key)
    upload = _open(file)
    if layer is None and len(upload.layers) > 1:
        names = "; ".join(known.describe() for known in upload.layers)
        raise UsageError(f"choose the layer with --layer; there are: {names}")
    chosen = choose_layer(upload, layer)
    made, changes = read_regions(chosen, name_field, source=upload.file_name, crs=crs)
    outside = open_regions(settings).write(city, made)
    document = {
        "city": key,
        "layer": made.slug,
        "regions": len(made.regions),
        "changes": [*changes],
        "outside": outside,
    }
    rows = [[made.slug, len(made.regions), "; ".join(changes), ", ".join(outside)]]
    columns = ("layer", "regions", "what was changed", "not touching the city")
    answer(as_json, document, make_table(columns, rows))
    return DONE


@regions.command("add-cells", help="Keep which region each cell of a network serves.")
@click.argument("key")
@click.option(
    "--region-cell", type=_FILE, required=True, help="CSV: region_id, cell_id."
)
@click.option("--cell-loc", type=_FILE, required=True, help="CSV: cell_id, lat, lon.")
@click.option("--layer", metavar="NAME", required=True, help="What to call the layer.")
@json_option
def add_cells(
    key: str, region_cell: Path, cell_loc: Path, layer: str, as_json: bool
) -> int:
    """Add or replace a cell layer."""
    from mobility_pipeline.cities.uploads.opening import read_file  # loads GDAL

    settings = load_settings()
    city = open_registry(settings).load().find(key)
    made, notes = read_cells(
        read_file(region_cell),
        read_file(cell_loc),
        name=layer,
        source=f"{region_cell.name}, {cell_loc.name}",
    )
    open_cell_layers(settings).write(city, made)
    document = {
        "city": key,
        "layer": made.slug,
        "regions": len(made.region_ids),
        "cells": len(made.cells),
        "notes": [*notes],
    }
    rows = [[made.slug, len(made.region_ids), len(made.cells), "; ".join(notes)]]
    columns = ("layer", "regions", "cells", "to know")
    answer(as_json, document, make_table(columns, rows))
    return DONE


@regions.command("list", help="The region layers of a city.")
@click.argument("key")
@json_option
def list_regions(key: str, as_json: bool) -> int:
    """List region layers."""
    settings = load_settings()
    open_registry(settings).load().find(key)
    stored, networks = open_regions(settings), open_cell_layers(settings)
    shapes = [stored.read(key, slug) for slug in stored.list_slugs(key)]
    cells = [networks.read(key, slug) for slug in networks.list_slugs(key)]
    documents = [_describe(it, len(it.regions), None) for it in shapes]
    documents += [_describe(it, len(it.region_ids), len(it.cells)) for it in cells]
    table = make_table([*_LAYER_COLUMNS], [[*row.values()] for row in documents])
    answer(as_json, {"city": key, "region_layers": documents}, table)
    return DONE


@click.command("guide", help="Write the page and the template for administrations.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True)
@json_option
def write_guide(out: Path, as_json: bool) -> int:
    """Write the submission guide and its template zip."""
    from mobility_pipeline.cities.guide.template import make_template  # loads GDAL

    contents = {
        "submission_guide.html": render_guide().encode(),
        "boundary_template.zip": make_template(),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise UsageError(f"{out} can't be written: {error.strerror}") from error
    written = [str(out / name) for name in contents]
    answer(
        as_json, {"written": written}, make_table(("written",), [[w] for w in written])
    )
    return DONE


def _open(file: Path) -> Upload:
    # GDAL takes its time to load.
    from mobility_pipeline.cities.uploads.opening import open_upload, read_file

    return open_upload(read_file(file), file.name)


def _describe(
    layer: RegionLayer | CellLayer, regions: int, cells: int | None
) -> dict[str, Any]:
    values = (layer.slug, layer.name, regions, cells, layer.source)
    return dict(zip(_LAYER_COLUMNS, values, strict=True))
