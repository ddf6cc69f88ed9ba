"""GeoPackages and shapefiles from anybody, read by GDAL from a private folder.

GDAL opens far more than it should of a stranger's file: virtual tables and drivers that
name other files or URLs. So it only ever sees files we have written ourselves, under
names of ours, in an empty folder, and only after their content was checked.
"""

import sqlite3
import warnings
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pyogrio
import shapely
from pyogrio.errors import (
    CRSError,
    DataLayerError,
    DataSourceError,
    FeatureError,
    FieldError,
    GeometryError,
)
from pyogrio.raw import read as read_raw
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.layers import Layer, clean_text
from mobility_pipeline.cities.uploads.projection import read_gdal_crs
from mobility_pipeline.errors import UploadRefusedError

SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")

_REQUIRED = (".shx", ".dbf")
_GDAL_ERRORS = (
    *(CRSError, DataLayerError, DataSourceError, FeatureError, FieldError),
    *(GeometryError, UnicodeDecodeError),
)


def read_shapefile(parts: Mapping[str, bytes], name: str) -> Layer:
    """Read a shapefile.

    Args:
        parts: suffix, lower case with the dot -> content.
        name: of the files, without suffix.

    Raises:
        UploadRefusedError: a part is missing or damaged; names it.
    """
    missing = [suffix for suffix in _REQUIRED if suffix not in parts]
    if missing:
        raise UploadRefusedError(
            f"shapefile {quote(name)} has no {' and no '.join(missing)}: "
            "a shapefile is a .shp, .shx, .dbf and .prj of one name; send all of them"
        )
    with TemporaryDirectory(prefix="mobility-upload-") as folder:
        for suffix in SHAPEFILE_PARTS:
            if suffix in parts:
                (Path(folder) / f"layer{suffix}").write_bytes(parts[suffix])
        path = Path(folder) / "layer.shp"
        return _read_layer(path, 0, name, "ESRI Shapefile", has_prj=".prj" in parts)


def read_geopackage(content: bytes, file_name: str) -> list[Layer]:
    """Read the map layers of a GeoPackage: its registered tables, and nothing else.

    Raises:
        UploadRefusedError: it is damaged, another SQLite file, or unsafe.
    """
    with TemporaryDirectory(prefix="mobility-upload-") as folder:
        path = Path(folder) / "upload.gpkg"
        path.write_bytes(content)
        names = _list_feature_tables(path, file_name)
        return [_read_layer(path, table, table, "GPKG") for table in names]


def _list_feature_tables(path: Path, file_name: str) -> list[str]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            objects = database.execute(
                "SELECT type, name, coalesce(sql, '') FROM sqlite_master"
            ).fetchall()
            registered = database.execute(
                "SELECT table_name FROM gpkg_contents WHERE data_type = 'features'"
            ).fetchall()
    except sqlite3.Error as error:
        raise UploadRefusedError(
            f"{quote(file_name)} is not a readable GeoPackage: {error}"
        ) from error
    _refuse_virtual_tables(objects)
    kinds = {name: kind for kind, name, _ in objects if kind in ("table", "view")}
    names = [str(name) for (name,) in registered]
    for name in names:
        if kinds.get(name) != "table":
            raise UploadRefusedError(
                f"layer {quote(name)} of the GeoPackage is not a table but "
                f"{'a view' if name in kinds else 'missing'}: export it as a layer"
            )
    return names


def _refuse_virtual_tables(objects: list[tuple[str, str, str]]) -> None:
    """Refuse tables that are programs: VirtualOGR and its like open other files."""
    for kind, name, sql in objects:
        words = sql.lower().split()
        is_index = "using rtree" in " ".join(words)
        if kind == "table" and words[:2] == ["create", "virtual"] and not is_index:
            raise UploadRefusedError(
                f"the GeoPackage holds a virtual table, {quote(name)}: "
                "export the layers into a new GeoPackage"
            )


def _read_layer(
    path: Path, layer: str | int, name: str, driver: str, *, has_prj: bool = False
) -> Layer:
    options = {"LIST_ALL_TABLES": "NO"} if driver == "GPKG" else {}
    try:
        with warnings.catch_warnings(record=True) as remarks:
            warnings.simplefilter("always")
            used = pyogrio.read_info(path, layer=layer, **options)["driver"]
            if used != driver:
                raise UploadRefusedError(f"{quote(name)} is not a {driver}")
            meta, _, geometries, columns = read_raw(
                path, layer=layer, datetime_as_string=True, **options
            )
    except _GDAL_ERRORS as error:
        # GDAL names our private file; the person knows only the layer.
        reason = str(error).replace(str(path), path.name)
        raise UploadRefusedError(
            f"layer {quote(name)} can't be read: {reason}"
        ) from error
    if geometries is None:
        raise UploadRefusedError(f"layer {quote(name)} has no geometry column")
    crs, problem = read_gdal_crs(meta["crs"])
    if problem and driver != "GPKG":
        problem = "its .prj is unknown" if has_prj else "it has no .prj"
    return Layer(
        name=clean_text(name) or "layer",
        crs=crs,
        crs_problem=problem,
        geometries=[
            _read_wkb(name, number, wkb) for number, wkb in enumerate(geometries, 1)
        ],
        fields={
            str(field): column.tolist()
            for field, column in zip(meta["fields"], columns, strict=True)
        },
        notes=tuple(dict.fromkeys(_say(str(item.message)) for item in remarks)),
    )


def _say(remark: str) -> str:
    if remark.startswith("Measured (M)"):
        return "measures (M) were dropped"
    return clean_text(remark)


def _read_wkb(name: str, number: int, wkb: bytes | None) -> BaseGeometry | None:
    if wkb is None:
        return None
    try:
        return shapely.from_wkb(wkb)
    except GEOSException as error:
        raise UploadRefusedError(
            f"feature {number} of layer {quote(name)} has an unreadable geometry: {error}"
        ) from error
