"""Files as administrations send them, written by GDAL as their programs do."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
from shapely.geometry.base import BaseGeometry

from mobility_pipeline_tests.cities.examples import make_square

Shapes = Sequence[BaseGeometry | None]


def make_zip(members: Mapping[str, bytes]) -> bytes:
    """Zip some files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return content.getvalue()


def make_shapefile(
    folder: Path,
    shapes: Shapes,
    crs: str | None = "EPSG:32636",
    name: str = "area",
    **columns: list[Any],
) -> dict[str, bytes]:
    """Write a shapefile, without .prj where the CRS is null; file name -> content."""
    folder.mkdir(parents=True, exist_ok=True)
    columns = columns or {"name": [f"part {n}" for n in range(len(shapes))]}
    frame = geopandas.GeoDataFrame(
        columns, geometry=list(shapes), crs=crs or "EPSG:32636"
    )
    frame.to_file(folder / f"{name}.shp", driver="ESRI Shapefile", engine="pyogrio")
    if crs is None:
        (folder / f"{name}.prj").unlink()
    return {file.name: file.read_bytes() for file in sorted(folder.glob(f"{name}.*"))}


def make_geopackage(
    path: Path, layers: Mapping[str, Shapes], crs: str = "EPSG:4326"
) -> bytes:
    """Write a GeoPackage."""
    for name, shapes in layers.items():
        columns = {"name": [f"part {n}" for n in range(len(shapes))]}
        frame = geopandas.GeoDataFrame(columns, geometry=list(shapes), crs=crs)
        frame.to_file(path, layer=name, driver="GPKG", engine="pyogrio")
    return path.read_bytes()


def make_geojson(
    *geometries: object, crs: str | None = None, **properties: Any
) -> bytes:
    """A FeatureCollection of some geometries; of one square without any."""
    features = [
        {"type": "Feature", "properties": properties, "geometry": geometry}
        for geometry in geometries or (make_square(),)
    ]
    document: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs is not None:
        document["crs"] = {"type": "name", "properties": {"name": crs}}
    return json.dumps(document).encode()
