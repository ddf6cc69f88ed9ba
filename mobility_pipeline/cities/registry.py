"""The registry: one GeoJSON file per city, in a folder or under an S3 prefix.

A file is replaced in one step on both (obstore writes a folder's file beside it and
renames it), so a reader sees the old city or the new one. On S3 a change made by
somebody else in the same moment is noticed; a folder has its version control for that.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import city_to_feature, dump_geojson, parse_city
from mobility_pipeline.cities.regions import is_region_path
from mobility_pipeline.cities.stores import list_paths, translated_errors
from mobility_pipeline.cities.validation import admit, find_conflicts, find_problems
from mobility_pipeline.errors import (
    CityRefusedError,
    StorageError,
    StorageForbiddenError,
    UnknownCityError,
)

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore

SUFFIX = ".geojson"

_PARALLEL_READS = 16


@dataclass(frozen=True)
class RefusedCity:
    """A city that cannot be used, with every reason."""

    name: str
    """Its key; the name people write where an import refuses it."""
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Cities:
    """What a registry held when it was loaded."""

    by_key: Mapping[str, City]
    """Valid cities, active and retired, sorted by key."""
    refused: tuple[RefusedCity, ...]
    """Files that are not a city, or conflict with one; sorted by name."""

    @cached_property
    def active(self) -> Mapping[str, City]:
        """The cities whose days are asked for."""
        return {key: city for key, city in self.by_key.items() if city.is_active}

    @property
    def country_spellings(self) -> Mapping[str, str]:
        """How each country is written here, by its code: `{"TR": "Türkiye"}`."""
        last_first = [*self.by_key.values()][::-1]
        return {city.iso_country_code: city.country for city in last_first}

    def find(self, key: str) -> City:
        """Return the city of a key, active or retired.

        Raises:
            CityRefusedError: its file is there, but refused.
            UnknownCityError: there is none.
        """
        for refused in self.refused:
            if refused.name == key:
                raise CityRefusedError(key, refused.problems)
        if key not in self.by_key:
            raise UnknownCityError(
                f"unknown city {key!r}: `mobility cities list` names the known ones"
            )
        return self.by_key[key]


class Registry:
    """The cities of one store. Each change is checked against all others first."""

    def __init__(self, store: "ObjectStore") -> None:
        self._store = store

    def load(self) -> Cities:
        """Read every `.geojson` file; a bad one is refused and hides no other.

        Raises:
            ConfigurationError: the folder or bucket does not exist.
            StorageError: S3 failed after retries.
            StorageForbiddenError: S3 or the file system refused.
        """
        return _sort_out(self._read_all())

    def add(self, city: City) -> None:
        """Add a new city.

        Raises:
            CityRefusedError: it is invalid, its key exists, or it conflicts.
        """
        existing = self.load()
        taken = {*existing.by_key, *(refused.name for refused in existing.refused)}
        problems = [f"key {city.key} exists already"] if city.key in taken else []
        self._check(city, existing, problems)
        try:
            self._write(city, "create")
        except AlreadyExistsError as error:
            raise CityRefusedError(city.key, ["key exists already"]) from error

    def add_all(self, cities: Sequence[City]) -> tuple[RefusedCity, ...]:
        """Add new cities that go with each other, as an import makes them.

        Returns:
            Those that could not be added, each with its problems; the others are stored.
        """
        existing = self.load()
        taken = {*existing.by_key, *(refused.name for refused in existing.refused)}
        admitted, conflicts = admit(
            (city for city in cities if city.key not in taken),
            tuple(existing.by_key.values()),
        )
        problems = {city.key: ["key exists already"] for city in cities} | conflicts
        for city in admitted:
            problems.pop(city.key)
            try:
                self._write(city, "create")
            except AlreadyExistsError:
                problems[city.key] = ["key exists already"]
            except (StorageError, StorageForbiddenError) as error:
                problems[city.key] = [f"could not be stored: {error}"]
        return tuple(RefusedCity(key, tuple(texts)) for key, texts in problems.items())

    def edit(self, city: City) -> None:
        """Replace a city; its key and `legacy_prefix` are frozen.

        Raises:
            CityRefusedError: the new version is invalid, conflicts, or changes
                `legacy_prefix`; or the present file is refused itself.
            UnknownCityError: there is no city of this key.
            RegistryConflictError: somebody else changed it in the same moment (S3).
        """
        files = self._read_all()
        existing = _sort_out(files)
        present = existing.find(city.key)
        problems: list[str] = []
        if city.legacy_prefix != present.legacy_prefix:
            problems.append(f"legacy_prefix is frozen as {present.legacy_prefix!r}")
        self._check(city, existing, problems)
        self._write(city, self._condition(city.key, files))

    def retire(self, key: str) -> None:
        """Stop asking for a city; its file and data stay. Twice is as good as once.

        Raises:
            CityRefusedError: its file is refused.
            UnknownCityError: there is no city of this key.
            RegistryConflictError: somebody else changed it in the same moment (S3).
        """
        files = self._read_all()
        city = _sort_out(files).find(key)
        if city.is_active:
            retired = replace(city, status="retired")
            self._write(retired, self._condition(key, files))

    def _read_all(self) -> list["_CityFile"]:
        with ThreadPoolExecutor(_PARALLEL_READS) as pool:
            files = pool.map(self._read, self._list_keys())
            return [file for file in files if file is not None]

    def _list_keys(self) -> list[str]:
        paths = list_paths(self._store)
        return [
            path.removesuffix(SUFFIX)
            for path in paths
            if path.endswith(SUFFIX) and not is_region_path(path)
        ]

    def _read(self, key: str) -> "_CityFile | None":
        """Read one city's file; None where it went away after it was listed."""
        with translated_errors(f"reading city {key}"):
            try:
                stored = obstore.get(self._store, key + SUFFIX)
                content = bytes(stored.bytes())
            except FileNotFoundError:
                return None
        try:
            return _CityFile(key, stored.meta["e_tag"], parse_city(content, key))
        except CityRefusedError as error:
            refused = RefusedCity(key, error.problems)
            return _CityFile(key, stored.meta["e_tag"], refused)

    def _check(self, city: City, existing: Cities, problems: list[str]) -> None:
        problems = problems + find_problems(city_to_feature(city), city.key)
        if not problems:
            others = [
                other for key, other in existing.by_key.items() if key != city.key
            ]
            problems = find_conflicts([*others, city]).get(city.key, [])
        if problems:
            raise CityRefusedError(city.key, problems)

    def _condition(self, key: str, files: Sequence["_CityFile"]) -> "PutMode":
        """Return the condition under which the file that was read may be replaced."""
        if isinstance(self._store, LocalStore):
            return "overwrite"
        return {"e_tag": next(file.e_tag for file in files if file.key == key)}

    def _write(self, city: City, mode: "PutMode") -> None:
        content = dump_geojson(city_to_feature(city)).encode()
        with translated_errors(f"writing city {city.key}"):
            obstore.put(self._store, city.key + SUFFIX, content, mode=mode)


@dataclass(frozen=True)
class _CityFile:
    key: str
    e_tag: str | None
    content: City | RefusedCity


def _sort_out(files: Sequence[_CityFile]) -> Cities:
    contents = [file.content for file in files]
    refused = [content for content in contents if isinstance(content, RefusedCity)]
    admitted, conflicts = admit(
        content for content in contents if isinstance(content, City)
    )
    refused += [RefusedCity(key, tuple(texts)) for key, texts in conflicts.items()]
    return Cities(
        by_key={city.key: city for city in admitted},
        refused=tuple(sorted(refused, key=lambda city: city.name)),
    )
