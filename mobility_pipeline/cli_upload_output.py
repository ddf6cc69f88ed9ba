"""What the command line says about an uploaded file and the boundary made of it."""

from typing import Any

from rich.console import Group

from mobility_pipeline.cities.uploads.boundary import Boundary
from mobility_pipeline.cities.uploads.layers import Upload
from mobility_pipeline.cities.uploads.projection import describe_crs
from mobility_pipeline.cli_output import make_table


def describe_layers(upload: Upload) -> list[dict[str, Any]]:
    """Describe the layers of a file as documents do."""
    return [
        {
            "name": layer.name,
            "kind": layer.kind,
            "features": len(layer.geometries),
            "crs": describe_crs(layer.crs) if layer.crs else None,
            "bbox": layer.bbox,
        }
        for layer in upload.layers
    ]


def describe_boundary(boundary: Boundary) -> dict[str, Any]:
    """Describe a boundary and what was changed as documents do."""
    offer = boundary.offer
    return {
        "layer": boundary.layer,
        "crs": boundary.crs,
        "features": boundary.features,
        "vertices": boundary.vertices,
        "area_km2": boundary.area_km2,
        "bbox": boundary.geometry.bounds,
        "changes": [
            {
                "kind": change.kind,
                "text": change.text,
                "area_before_km2": change.area_before_km2,
                "area_after_km2": change.area_after_km2,
            }
            for change in boundary.changes
        ],
        "simplification_offered": offer
        and {
            "vertices": offer.vertices,
            "tolerance_m": offer.tolerance_m,
            "area_before_km2": offer.area_before_km2,
            "area_after_km2": offer.area_after_km2,
            "moved_km2": offer.moved_km2,
        },
    }


def boundary_table(boundary: Boundary) -> Group:
    """Show a boundary and what was changed."""
    rows = [
        ("area", f"{boundary.area_km2:,.3f} km²"),
        ("vertices", f"{boundary.vertices:,}"),
        *(("changed", change.text) for change in boundary.changes),
    ]
    if boundary.offer is not None:
        text = boundary.offer.describe(boundary.vertices)
        rows.append(("offered", f"with --simplify {text}"))
    return make_table(("boundary", boundary.layer), rows)


def layer_table(upload: Upload) -> Group:
    """Show the layers of a file."""
    rows = [
        [row["name"], row["kind"], row["features"], row["crs"] or "not known"]
        for row in describe_layers(upload)
    ]
    return make_table(("layer", "kind", "features", "CRS"), rows)
