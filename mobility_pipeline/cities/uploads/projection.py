"""From any CRS to WGS 84; what can't be done exactly is an error, never a guess."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.boundaries import looks_swapped
from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.layers import Layer
from mobility_pipeline.errors import UploadRefusedError

Positions = np.ndarray[Any, np.dtype[np.float64]]

_CODE = re.compile(r"(EPSG|ESRI):([0-9]{4,6})", re.IGNORECASE)
_URN = re.compile(r"urn:ogc:def:crs:([A-Za-z]+):[0-9.]*:([A-Za-z0-9]+)")
_GRID_FILES = re.compile(r"PARAMETERFILE|nadgrids=(?!@null)|geoidgrids", re.IGNORECASE)
_EDGE_DEGREES = 2.0
"""How far beyond its area of use a CRS may be used: cities lie on borders of zones."""
_WGS84 = "EPSG:4326"
_HOW = "give the CRS by hand, e.g. EPSG:32636"


@dataclass(frozen=True, eq=False)
class Located:
    """A layer's geometries in EPSG:4326, two-dimensional, nothing empty."""

    geometries: list[BaseGeometry | None]
    """One per feature; null where the layer has none."""
    crs: str
    """The CRS they came in, as people read it."""
    changes: tuple[str, ...]


def parse_crs(text: str) -> CRS:
    """Read a CRS that a person gave by hand, `EPSG:32636`.

    Raises:
        UploadRefusedError: it is not written like that, or unknown.
    """
    match = _CODE.fullmatch(text.strip())
    if match is None:
        raise UploadRefusedError(
            f"CRS {quote(text)} is not written like EPSG:32636: authority, colon, number"
        )
    try:
        return CRS.from_authority(match[1].upper(), match[2])
    except CRSError as error:
        raise UploadRefusedError(f"CRS {quote(text)} is unknown; {_HOW}") from error


def parse_urn(name: object) -> CRS:
    """Read the name of a CRS as GeoJSON of 2008 writes it.

    Raises:
        UploadRefusedError: it is unknown.
    """
    match = _URN.fullmatch(name) if isinstance(name, str) else None
    if match and match[1].upper() == "OGC" and match[2].upper() in ("CRS84", "84"):
        return CRS.from_epsg(4326)
    if not isinstance(name, str):
        raise UploadRefusedError(f"the file's crs is {quote(name)}, which is unknown")
    return parse_crs(f"{match[1]}:{match[2]}" if match else name)


def read_gdal_crs(text: str | None) -> tuple[CRS | None, str]:
    """Read the CRS that GDAL found in a file.

    Returns:
        The CRS and an empty text, or null and what is wrong.
    """
    if text is None:
        return None, "the file does not say its CRS"
    if _GRID_FILES.search(text):  # PROJ would open the files it names
        return None, "its CRS names grid files"
    try:
        return CRS.from_string(text), ""
    except CRSError:
        return None, f"its CRS {quote(text[:80])} is unknown"


def locate(layer: Layer, crs_text: str | None) -> Located:
    """Reproject a layer to EPSG:4326 and drop heights and measures.

    Args:
        layer: as it was read.
        crs_text: the CRS by hand; goes before what the file says; null = the file's.

    Raises:
        UploadRefusedError: no known CRS, no exact way from it to WGS 84, coordinates
            that are not finite or not where the CRS is used.
    """
    changes: list[str] = []
    crs = layer.crs if crs_text is None else parse_crs(crs_text)
    if crs is None:
        raise UploadRefusedError(
            f"the CRS of layer {quote(layer.name)} is not known: {layer.crs_problem}; {_HOW}"
        )
    if crs_text is not None and layer.crs is not None and layer.crs != crs:
        changes.append(
            f"the file says {describe_crs(layer.crs)}; {describe_crs(crs)} was given by "
            "hand and used instead"
        )
    crs = _horizontal(crs)
    present = layer.present
    if any(shape.has_z for shape in present):
        changes.append("heights (Z) were dropped")
    moved = iter(_to_wgs84([_flatten(shape) for shape in present], crs))
    if crs != CRS.from_string(_WGS84):
        changes.append(f"reprojected from {describe_crs(crs)} to WGS 84 ({_WGS84})")
    return Located(
        geometries=[
            next(moved) if shape and not shape.is_empty else None
            for shape in layer.geometries
        ],
        crs=describe_crs(crs),
        changes=tuple(changes),
    )


def describe_crs(crs: CRS) -> str:
    """Name a CRS as people know it."""
    code = cast("tuple[str, str] | None", crs.to_authority())
    return f"{code[0]}:{code[1]} {crs.name}" if code else crs.name


def _flatten(shape: BaseGeometry) -> BaseGeometry:
    # Its **kwargs have no type.
    return shapely.force_2d(shape)  # pyright: ignore[reportUnknownMemberType]


def _horizontal(crs: CRS) -> CRS:
    if crs.is_compound:
        crs = crs.sub_crs_list[0]
    crs = crs.to_2d()
    if not (crs.is_geographic or crs.is_projected):
        raise UploadRefusedError(
            f"CRS {crs.name} is not a place on a map; {_HOW}",
        )
    return crs


def _to_wgs84(shapes: Sequence[BaseGeometry], crs: CRS) -> list[BaseGeometry]:
    if not shapes:
        return []
    positions = shapely.get_coordinates(shapes)
    _check_positions(positions, crs)
    try:
        transformer = Transformer.from_crs(
            crs, _WGS84, always_xy=True, allow_ballpark=False
        )
        x_and_y = cast(
            "tuple[Any, Any]", transformer.transform(*positions.T, errcheck=True)
        )
    except ProjError as error:
        raise UploadRefusedError(
            f"{describe_crs(crs)} can't be turned into WGS 84 here ({error}): "
            "is it the right CRS? Else save the layer as EPSG:4326 and send that"
        ) from error
    moved: Positions = np.column_stack(x_and_y)
    _check_degrees(moved, crs)
    return list(shapely.set_coordinates(np.array(shapes, dtype=object), moved))


def _check_positions(positions: Positions, crs: CRS) -> None:
    if not np.isfinite(positions).all():
        raise UploadRefusedError(
            "the layer has coordinates that are not finite numbers"
        )
    if crs.is_projected and (np.abs(positions) <= (180, 90)).all():
        raise UploadRefusedError(
            f"the coordinates look like degrees, but the CRS is {describe_crs(crs)}: "
            "if they are longitude and latitude, give EPSG:4326 by hand"
        )


def _check_degrees(positions: Positions, crs: CRS) -> None:
    """Refuse what is no place, or a place far from where the CRS is used."""
    outside = (np.abs(positions) > (360, 90)).any(axis=1)
    if outside.any():
        x, y = positions[outside][0]
        swapped = looks_swapped([(float(lon), float(lat)) for lon, lat in positions])
        raise UploadRefusedError(
            f"{int(outside.sum()):,} of {len(positions):,} positions are no degrees, "
            f"first [{x:g}, {y:g}]: "
            + (
                "longitude and latitude look swapped"
                if swapped
                else f"{describe_crs(crs)} is not their CRS; {_HOW}"
            )
        )
    area = crs.area_of_use
    if area is None:
        return
    west, south, east, north = area.bounds
    east += 360 if east < west else 0
    lon = west - _EDGE_DEGREES + (positions[:, 0] - west + _EDGE_DEGREES) % 360
    lat = positions[:, 1]
    far = (lon > east + _EDGE_DEGREES) | (lat < south - _EDGE_DEGREES)
    far |= lat > north + _EDGE_DEGREES
    if far.any() and east - west + 2 * _EDGE_DEGREES < 360:
        x, y = positions[far][0]
        raise UploadRefusedError(
            f"{int(far.sum()):,} of {len(positions):,} positions lie outside the area "
            f"{describe_crs(crs)} is for ({area.name}), first [{x:g}, {y:g}]: "
            f"is it the right CRS? If not, {_HOW}"
        )
