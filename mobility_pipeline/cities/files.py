"""The files of a registry: one GeoJSON file per city, read and replaced one by one."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson, parse_city
from mobility_pipeline.cities.known import RefusedCity
from mobility_pipeline.cities.layer_files import is_region_path
from mobility_pipeline.cities.stores import hold_file, list_paths, translated_errors
from mobility_pipeline.errors import CityChangedError, CityRefusedError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

    from mobility_pipeline.cities.versions import CityChange

SUFFIX = ".geojson"

_PARALLEL_READS = 16
_LOCK = ".registry.lock"
_REMOVED = b'"being removed: run `mobility cities history` once to end it"\n'
"""Stands in a city's place for a moment: refused, so that nobody replaces it."""


@dataclass(frozen=True)
class CityFile:
    """One file, as it was read."""

    key: str
    e_tag: str | None
    content: City | RefusedCity
    is_being_removed: bool = False


@lru_cache(maxsize=4_096)
def _parse(content: bytes, key: str) -> City:
    """Read the same bytes once: a console and a daemon load the registry all day."""
    return parse_city(content, key)


class CityFiles:
    """The files of one store."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    @contextmanager
    def held(self) -> Generator[None]:
        """Keep others from a folder's files; on S3 each write has its condition.

        Raises:
            StorageError: another process took too long.
            StorageForbiddenError: the folder may not be written.
        """
        if isinstance(self._store, LocalStore) and self._store.prefix is not None:
            list_paths(self._store)  # says in words what is wrong with a folder
            with hold_file(self._store.prefix / _LOCK):
                yield
        else:
            yield

    def read_all(self) -> list[CityFile]:
        """Read every city's file, in no order."""
        paths = list_paths(self._store)
        keys = [
            path.removesuffix(SUFFIX)
            for path in paths
            if path.endswith(SUFFIX) and not is_region_path(path)
        ]
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            return [file for file in pool.map(self.read, keys) if file is not None]

    def read(self, key: str) -> CityFile | None:
        """Read one city's file; None where there is none."""
        found = self._get(key)
        if found is None:
            return None
        content, e_tag = found
        try:
            return CityFile(key, e_tag, _parse(content, key))
        except CityRefusedError as error:
            refused = RefusedCity(key, error.problems)
            return CityFile(key, e_tag, refused, content == _REMOVED)

    def make(self, change: "CityChange", files: Sequence[CityFile]) -> None:
        """Make a change to the file that was read.

        Raises:
            CityChangedError: it is not that file any more (S3).
            CityRefusedError: there is one where none was.
            StorageError: the store failed: the change may be made or not.
            StorageForbiddenError: not allowed to write.
        """
        e_tag = next((file.e_tag for file in files if file.key == change.key), None)
        mode: PutMode = "create" if change.before is None else self._replacing(e_tag)
        content = _REMOVED
        if change.after is not None:
            content = dump_geojson(city_to_feature(change.after)).encode()
        try:
            self._put(change.key, content, mode)
        except (AlreadyExistsError, CityChangedError) as error:
            # obstore repeats a request whose answer was lost: it may be our own file.
            found = self._get(change.key)
            if found is None or found[0] != content:
                if isinstance(error, CityChangedError):
                    raise
                raise CityRefusedError(change.key, ["key exists already"]) from error
        if change.after is None:
            self.end_removal(change.key)

    def end_removal(self, key: str) -> None:
        """Delete what stands in the place of a removed city."""
        with translated_errors(f"removing city {key}"):
            obstore.delete(self._store, key + SUFFIX)

    def _replacing(self, e_tag: str | None) -> "PutMode":
        """Return the condition under which the file that was read may be replaced."""
        # A folder's files are held.
        return "overwrite" if isinstance(self._store, LocalStore) else {"e_tag": e_tag}

    def _get(self, key: str) -> tuple[bytes, str | None] | None:
        """Return content and ETag; None where there is no file."""
        with translated_errors(f"reading city {key}"):
            try:
                stored = obstore.get(self._store, key + SUFFIX)
                return bytes(stored.bytes()), stored.meta["e_tag"]
            except FileNotFoundError:
                return None

    def _put(self, key: str, content: bytes, mode: "PutMode") -> None:
        with translated_errors(f"writing city {key}"):
            obstore.put(self._store, key + SUFFIX, content, mode=mode)
