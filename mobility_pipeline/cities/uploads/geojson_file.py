"""GeoJSON from anybody, as one layer.

Source: RFC 7946 (WGS 84), and the `crs` member of its predecessor of 2008, which QGIS
and ogr2ogr still write.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import NoReturn, cast

import shapely
from pyproj import CRS
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.layers import Layer, clean_text
from mobility_pipeline.cities.uploads.projection import parse_urn
from mobility_pipeline.errors import UploadRefusedError

_GEOMETRIES = (
    *("Polygon", "MultiPolygon", "LineString", "MultiLineString"),
    *("Point", "MultiPoint", "GeometryCollection"),
)


def read_geojson(content: bytes, file_name: str) -> Layer:
    """Read a FeatureCollection, a Feature or a geometry.

    Raises:
        UploadRefusedError: not UTF-8, not JSON, not GeoJSON; names the feature.
    """
    document = _parse(content, file_name)
    features = _list_features(document, file_name)
    properties = [_read_properties(feature) for feature in features]
    columns = dict.fromkeys(name for row in properties for name in row)
    return Layer(
        name=clean_text(PurePosixPath(file_name).stem) or "GeoJSON",
        crs=_read_crs(document),
        crs_problem="",
        geometries=[
            _read_geometry(number, feature)
            for number, feature in enumerate(features, 1)
        ],
        fields={name: [row.get(name) for row in properties] for name in columns},
    )


def _parse(content: bytes, file_name: str) -> Mapping[str, object]:
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise UploadRefusedError(
            f"{quote(file_name)} is not UTF-8 text: save it as UTF-8"
        ) from error
    except RecursionError as error:
        raise UploadRefusedError(
            f"{quote(file_name)} is not GeoJSON: nested too deeply"
        ) from error
    except ValueError as error:
        raise UploadRefusedError(f"{quote(file_name)} is not JSON: {error}") from error
    if not isinstance(document, Mapping):
        raise UploadRefusedError(f"{quote(file_name)} is JSON, but not GeoJSON")
    return cast("Mapping[str, object]", document)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not a finite number")


def _list_features(
    document: Mapping[str, object], file_name: str
) -> list[Mapping[str, object]]:
    kind = document.get("type")
    if kind == "FeatureCollection":
        features = document.get("features")
        if not isinstance(features, list):
            raise UploadRefusedError(f"{quote(file_name)} has no list of features")
    elif kind == "Feature":
        features = [document]
    elif kind in _GEOMETRIES:
        features = [{"type": "Feature", "geometry": document}]
    else:
        raise UploadRefusedError(
            f"{quote(file_name)} is JSON, but not GeoJSON: its type is {quote(kind)}"
        )
    for number, feature in enumerate(cast("Sequence[object]", features), 1):
        if not isinstance(feature, Mapping):
            raise UploadRefusedError(f"feature {number} is not a GeoJSON Feature")
    return cast("list[Mapping[str, object]]", features)


def _read_properties(feature: Mapping[str, object]) -> Mapping[str, object]:
    properties = feature.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    return cast("Mapping[str, object]", properties)


def _read_geometry(number: int, feature: Mapping[str, object]) -> BaseGeometry | None:
    geometry = feature.get("geometry")
    if geometry is None:
        return None
    try:
        return shapely.from_geojson(json.dumps(geometry, allow_nan=False))
    except ValueError as error:
        raise UploadRefusedError(
            f"feature {number} has a coordinate that is not a finite number"
        ) from error
    except GEOSException as error:
        raise UploadRefusedError(
            f"feature {number} has a geometry that is not GeoJSON: "
            f"{str(error).partition(': ')[2] or error}"
        ) from error


def _read_crs(document: Mapping[str, object]) -> CRS:
    member = document.get("crs")
    if member is None:
        return CRS.from_epsg(4326)
    name: object = None
    if isinstance(member, Mapping):
        name = _read_properties(cast("Mapping[str, object]", member)).get("name")
    return parse_urn(name)
