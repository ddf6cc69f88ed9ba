"""Open an uploaded file: from bytes of anybody to its layers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.cities.uploads.archive import LIMITS, Limits, unpack
from mobility_pipeline.cities.uploads.gdal_files import (
    SHAPEFILE_PARTS,
    read_geopackage,
    read_shapefile,
)
from mobility_pipeline.cities.uploads.geojson_file import read_geojson
from mobility_pipeline.cities.uploads.layers import (
    Layer,
    Upload,
    clean_text,
    order_layers,
)
from mobility_pipeline.errors import UploadRefusedError

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_SQLITE = b"SQLite format 3\x00"
_SHAPE = b"\x00\x00\x27\x0a"
_OTHER_ARCHIVES = {
    b"Rar!": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
}
_JSON_SUFFIXES = (".geojson", ".json")
_WANTED = "send GeoJSON, a GeoPackage (.gpkg) or a zipped shapefile"


def read_file(file: Path, limits: Limits = LIMITS) -> bytes:
    """Read a file of this machine; one that is too large is not read.

    Raises:
        UploadRefusedError: it cannot be read, or is too large.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(limits.file_bytes + 1)
    except OSError as error:
        raise UploadRefusedError(f"{file} can't be read: {error.strerror}") from error
    _check_size(content, limits)
    return content


def open_upload(content: bytes, file_name: str, limits: Limits = LIMITS) -> Upload:
    """Read every layer of a GeoJSON, GeoPackage or zipped shapefile.

    What a file is, is told from its content; its name only names the layer of a GeoJSON.

    Args:
        content: of the file.
        file_name: as the person calls it; never used as a path.
        limits: what is too much.

    Raises:
        UploadRefusedError: too large, damaged, unsafe, of another format, or empty.
    """
    _check_size(content, limits)
    name = clean_text(file_name.replace("\\", "/").rsplit("/", 1)[-1]) or "upload"
    if content.startswith(_ZIP):
        layers = _read_zip(content, limits)
    else:
        layers = _read_single(content, name)
    if not layers:
        raise UploadRefusedError(f"{quote(name)} holds no layer")
    return Upload(name, order_layers(_with_unique_names(layers)))


def _check_size(content: bytes, limits: Limits) -> None:
    if len(content) > limits.file_bytes:
        raise UploadRefusedError(
            f"the file is larger than {limits.file_bytes / 1024 / 1024:.3g} MB: "
            "send only the layers that are needed, or simplify them"
        )
    if not content:
        raise UploadRefusedError(f"the file is empty; {_WANTED}")


def _read_single(content: bytes, name: str) -> list[tuple[str, Layer]]:
    for magic, archive in _OTHER_ARCHIVES.items():
        if content.startswith(magic):
            raise UploadRefusedError(
                f"{quote(name)} is a {archive} archive, which is not read: "
                "pack the files as a zip file"
            )
    if content.startswith(_SHAPE):
        raise UploadRefusedError(
            f"{quote(name)} is one part of a shapefile: pack its .shp, .shx, .dbf and "
            ".prj together as a zip file"
        )
    if content.startswith(_SQLITE):
        return [(name, layer) for layer in read_geopackage(content, name)]
    text = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"{", b"[")) or name.lower().endswith(_JSON_SUFFIXES):
        return [(name, read_geojson(content, name))]
    raise UploadRefusedError(f"{quote(name)} is of another format: {_WANTED}")


def _read_zip(content: bytes, limits: Limits) -> list[tuple[str, Layer]]:
    members = unpack(content, (*SHAPEFILE_PARTS, ".gpkg", *_JSON_SUFFIXES), limits)
    layers: list[tuple[str, Layer]] = []
    for path, parts in _group(members).items():
        if ".shp" in parts:
            layers.append((path, read_shapefile(parts, PurePosixPath(path).stem)))
        elif not any(suffix in parts for suffix in (".gpkg", *_JSON_SUFFIXES)):
            raise UploadRefusedError(
                f"{quote(path)} has a {' and a '.join(sorted(parts))} but no .shp"
            )
        for suffix in (".gpkg", *_JSON_SUFFIXES):
            if suffix in parts:
                whole = path + suffix
                name = PurePosixPath(whole).name
                single = _read_single(parts[suffix], name)
                layers += [(whole, layer) for _, layer in single]
    if not layers:
        raise UploadRefusedError(f"the zip file holds no map layer; {_WANTED}")
    return layers


def _group(members: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Put the parts of one shapefile together: path without suffix -> suffix -> bytes."""
    groups: dict[str, dict[str, bytes]] = {}
    for path, content in members.items():
        pure = PurePosixPath(path)
        parts = groups.setdefault(str(pure.with_suffix("")), {})
        if pure.suffix.lower() in parts:
            raise UploadRefusedError(f"the zip file holds {quote(path)} twice")
        parts[pure.suffix.lower()] = content
    return groups


def _with_unique_names(layers: Sequence[tuple[str, Layer]]) -> list[Layer]:
    """Put the file's path before names that several files of a zip share."""
    counts = Counter(layer.name for _, layer in layers)
    named: list[Layer] = []
    for path, layer in layers:
        # A shapefile's path ends in its own name; a GeoPackage's does not.
        stem = PurePosixPath(path)
        full = path if stem.name == layer.name else f"{path}/{layer.name}"
        name = layer.name if counts[layer.name] == 1 else clean_text(full)
        while any(name == other.name for other in named):
            name += "'"  # control characters were all that told them apart
        named.append(replace(layer, name=name))
    return named
