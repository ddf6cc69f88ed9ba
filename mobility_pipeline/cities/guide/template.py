"""The template that administrations fill in: shapefiles and a GeoPackage in one zip."""

import zipfile
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyogrio
import shapely
from pyogrio.raw import write as write_raw
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

_CITY = "City"
_CRS = "EPSG:32631"
_CORNER_M = (450_000, 110_000)
"""South-west corner, in the Gulf of Guinea: an example that somebody forgot to replace
lies in the ocean, where the checks of a city see it."""
_DAY = "2000-01-01"
_ZIP_TIME = (2000, 1, 1, 0, 0, 0)
_README = """\
Template for a city's boundary
==============================

Replace the example shapes by yours and keep the layer names; write your city's name
in place of "City", e.g. Port_Louis_Admin_Boundary.

  City_Admin_Boundary    the area your administration is responsible for (needed)
  City_Urban_Boundary    the built-up area, if it differs
  City_Neighbourhoods    polygons with a name, if you have them
  City_Public_Spaces     points or polygons with a name, if you have them

Use EITHER shapefile/ (keep .shp, .shx, .dbf, .prj and .cpg together, zip the folder)
OR City.gpkg. The examples are in EPSG:32631 (WGS 84 / UTM zone 31N), in the ocean;
your own CRS is welcome as long as it is in the file.

The submission guide says how to check the file before you send it.
"""

_Example = tuple[list[str], list[BaseGeometry]]


def make_template() -> bytes:
    """Make the template as a zip file; the same bytes each time."""
    with TemporaryDirectory(prefix="mobility-template-") as name:
        folder = Path(name)
        (folder / "shapefile").mkdir()
        # GeoPackages and tables hold the time they were written at.
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{_DAY}T00:00:00.000Z"})
        try:
            for layer, example in _make_examples().items():
                shapefile = folder / "shapefile" / f"{layer}.shp"
                _write(shapefile, layer, example, "ESRI Shapefile")
                _write(folder / f"{_CITY}.gpkg", layer, example, "GPKG")
        finally:
            pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
        (folder / "README.txt").write_text(_README, encoding="utf-8", newline="\r\n")
        return _zip(folder)


def _make_examples() -> dict[str, _Example]:
    """Make small shapes in metres: a city of 12 × 10 km, a lake in it, its parts."""
    lake = box(4_000, 4_000, 5_000, 5_500)
    admin = Polygon(
        [(0, 0), (12_000, 0), (12_000, 7_000), (9_000, 10_000), (0, 10_000)],
        [lake.exterior.coords],
    )
    urban = box(2_000, 2_000, 10_000, 8_000).difference(lake)
    districts = [box(2_000, 2_000, 6_000, 4_000), box(6_000, 2_000, 10_000, 4_000)]
    return {
        f"{_CITY}_Admin_Boundary": ([_CITY], [admin]),
        f"{_CITY}_Urban_Boundary": ([_CITY], [urban]),
        f"{_CITY}_Neighbourhoods": (["West", "East"], [*districts]),
        f"{_CITY}_Public_Spaces": (
            ["Market square", "Central park"],
            [Point(3_000, 3_000), Point(7_000, 3_000)],
        ),
    }


def _write(path: Path, layer: str, example: _Example, driver: str) -> None:
    names, shapes = example
    moved = [shapely.transform(shape, lambda xy: xy + _CORNER_M) for shape in shapes]
    options = (
        {"DBF_DATE_LAST_UPDATE": _DAY}
        if driver == "ESRI Shapefile"
        else {"VERSION": "1.2"}
    )
    write_raw(
        path,
        geometry=shapely.to_wkb(np.array(moved, dtype=object)),
        field_data=[np.array(names, dtype=object)],
        fields=np.array(["name"], dtype=object),
        layer=layer,
        driver=driver,
        geometry_type=shapes[0].geom_type,
        crs=_CRS,
        encoding="UTF-8",
        append=path.exists(),
        **options,
    )


def _zip(folder: Path) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _ZIP_TIME)
            member.external_attr = 0o644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, file.read_bytes())
    return content.getvalue()
