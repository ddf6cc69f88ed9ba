"""Where layers of parts of a city are kept: beside the city, in the registry's store.

Shape: one RFC 7946 FeatureCollection per layer at `<city key>.regions/<slug><suffix>`,
EPSG:4326. A key never holds a dot, so a city can't be stored there; the registry leaves
these files alone.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import obstore
from shapely.errors import ShapelyError

from mobility_pipeline.cities.geojson import dump_geojson
from mobility_pipeline.cities.stores import list_paths, translated_errors
from mobility_pipeline.errors import UnknownRegionLayerError, UploadRefusedError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

GRID = "h3"
"""The layer that every city has, so that none is uploaded under its name."""

Suffix = Literal[".geojson", ".cells.geojson"]
Layer = TypeVar("Layer")

_FOLDER = ".regions/"
_SLUG = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
_KINDS: Mapping[Suffix, str] = {
    ".geojson": "polygons or points",
    ".cells.geojson": "network cells",
}


class LayerFiles(Generic[Layer]):
    """The layers of one kind, of all cities of one registry's store."""

    def __init__(
        self,
        store: "ObjectStore",
        suffix: Suffix,
        parse: Callable[[str, dict[str, Any]], Layer],
    ) -> None:
        """Address the layers of a kind.

        Args:
            store: the registry's.
            suffix: of the kind's files.
            parse: reads a layer of its slug and its FeatureCollection.
        """
        self._store = store
        self._suffix: Suffix = suffix
        self._parse = parse

    def put(self, key: str, slug: str, collection: Mapping[str, Any]) -> None:
        """Store a layer, in place of the city's former one of that slug.

        Raises:
            UploadRefusedError: the name is taken by a layer of another kind.
        """
        if slug == GRID:
            raise UploadRefusedError(
                f"{GRID!r} is the name of the grid that every city has: give the layer "
                "another name"
            )
        for suffix, kind in _KINDS.items():
            if suffix != self._suffix and slug in self._list(key, suffix):
                raise UploadRefusedError(
                    f"{key} has a layer {slug!r} of {kind}: give this one another name"
                )
        content = dump_geojson(collection).encode()
        with translated_errors(f"writing regions of {key}"):
            obstore.put(self._store, self._path(key, slug), content)

    def list_slugs(self, key: str) -> list[str]:
        """Return the slugs of a city's layers, sorted; may be empty."""
        return self._list(key, self._suffix)

    def read(self, key: str, slug: str) -> Layer:
        """Read a layer.

        Raises:
            UnknownRegionLayerError: the city has none of that slug, or its file was
                broken by hand.
        """
        if not _SLUG.fullmatch(slug):
            raise UnknownRegionLayerError(f"{slug!r} is not the name of a region layer")
        try:
            return self._parse(slug, json.loads(self._get(key, slug)))
        except (ValueError, KeyError, TypeError, AttributeError, ShapelyError) as error:
            raise UnknownRegionLayerError(
                f"the file of region layer {slug!r} of {key} is broken: {error!r}"
            ) from error

    def _get(self, key: str, slug: str) -> bytes:
        with translated_errors(f"reading regions of {key}"):
            try:
                return bytes(obstore.get(self._store, self._path(key, slug)).bytes())
            except FileNotFoundError as error:
                raise UnknownRegionLayerError(
                    f"{key} has no region layer {slug!r}: "
                    f"`mobility cities regions list {key}` names them"
                ) from error

    def _list(self, key: str, suffix: Suffix) -> list[str]:
        prefix = key + _FOLDER
        slugs = (
            path.removeprefix(prefix).removesuffix(suffix)
            for path in list_paths(self._store)
            if path.startswith(prefix) and path.endswith(suffix)
        )
        return sorted(filter(_SLUG.fullmatch, slugs))

    def _path(self, key: str, slug: str) -> str:
        return f"{key}{_FOLDER}{slug}{self._suffix}"


def is_region_path(path: str) -> bool:
    """Return whether a file of the registry's store is a region layer, not a city."""
    return _FOLDER in path
