"""Cities and their regions: which city has a region, and what it looks like."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import shapely

from mobility_pipeline.analytics.regions import RegionMap
from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import QuestionRefusedError, UnknownPlaceError
from mobility_pipeline.serving.api.memory import about_to_read

REGISTRY_AGE_S = 60.0
"""The registry is read again after this long."""


@dataclass(frozen=True)
class Place:
    """A city and the regions it is cut into."""

    city: City
    regions: RegionMap

    @cached_property
    def names(self) -> Mapping[str, str | None]:
        """Region id -> its name; null in layers without names."""
        return dict(self.regions.regions.select("region_id", "name").iter_rows())

    @cached_property
    def centers(self) -> Mapping[str, tuple[float, float]]:
        """Region id -> lon, lat."""
        columns = self.regions.regions.select("region_id", "center_lon", "center_lat")
        return {region: (lon, lat) for region, lon, lat in columns.iter_rows()}

    @cached_property
    def geometries(self) -> Mapping[str, dict[str, Any]]:
        """Region id -> its boundary as GeoJSON, EPSG:4326."""
        table = self.regions.regions
        texts = shapely.to_geojson(shapely.from_wkb(table["boundary_wkb"].to_list()))
        return {
            region: json.loads(text)
            for region, text in zip(table["region_id"], texts, strict=True)
        }

    def check(self, region_id: str) -> None:
        """Refuse what is no region here.

        Raises:
            UnknownPlaceError: it is none.
        """
        if region_id not in self.names:
            raise UnknownPlaceError(
                f"{self.city.key} has no such region in its layer {self.regions.layer}",
                city=self.city.key,
            )


class Places:
    """The active cities of the registry; safe to use from several threads."""

    def __init__(
        self,
        load_cities: Callable[[], Mapping[str, City]],
        open_regions: Callable[[City], RegionMap],
        now_s: Callable[[], float],
    ) -> None:
        """Begin without having read anything.

        Args:
            load_cities: gives the active cities by key.
            open_regions: gives the layer a city is cut by.
            now_s: seconds of a clock that only goes forward.
        """
        self._load_cities = load_cities
        self._open_regions = open_regions
        self._now_s = now_s
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._cities: Mapping[str, City] = {}
        self._places: dict[str, Place] = {}
        self._index: Mapping[str, Sequence[str]] | None = None

    def cities(self) -> Mapping[str, City]:
        """Return the active cities by key, sorted."""
        if not self._is_fresh():
            about_to_read()
            with self._lock:
                self._refresh()
        return self._cities

    def find(self, key: str) -> Place:
        """Return a city.

        Raises:
            UnknownPlaceError: there is no active city of that key.
        """
        place = self._places.get(key) if self._is_fresh() else None
        if place is not None:
            return place
        about_to_read()
        with self._lock:
            self._refresh()
            return self._place(key)

    def find_by_region(self, region_id: str, key: str | None) -> Place:
        """Return the city that has a region.

        Args:
            region_id: the region.
            key: the city's, where the asker names it.

        Raises:
            UnknownPlaceError: no such city or region.
            QuestionRefusedError: several cities have it, and none was named.
        """
        if key is not None:
            place = self.find(key)
            place.check(region_id)
            return place
        keys = self._read_index().get(region_id)
        if not keys:
            raise UnknownPlaceError("no city has such a region")
        if len(keys) > 1:
            raise QuestionRefusedError(
                "several cities have this region: name one with `city`", cities=[*keys]
            )
        return self.find(keys[0])

    def _is_fresh(self) -> bool:
        return self._now_s() - self._read_at < REGISTRY_AGE_S

    def _refresh(self) -> None:
        if self._is_fresh():
            return
        cities = dict(sorted(self._load_cities().items()))
        if cities != self._cities:
            self._cities, self._index, self._places = cities, None, {}
        self._read_at = self._now_s()

    def _read_index(self) -> Mapping[str, Sequence[str]]:
        index = self._index if self._is_fresh() else None
        if index is not None:
            return index
        about_to_read()
        with self._lock:
            self._refresh()
            if self._index is None:
                self._index = _make_index(
                    {key: self._place(key) for key in self._cities}
                )
            return self._index

    def _place(self, key: str) -> Place:
        city = self._cities.get(key)
        if city is None:
            raise UnknownPlaceError("no such city: /v1/cities names them")
        if key not in self._places:
            self._places[key] = Place(city, self._open_regions(city))
        return self._places[key]


def _make_index(places: Mapping[str, Place]) -> Mapping[str, Sequence[str]]:
    """Return the cities that have a region; most regions share the tuple of their city."""
    index: dict[str, tuple[str, ...]] = {}
    for key, place in places.items():
        alone = (key,)
        for region_id in place.names:
            others = index.get(region_id)
            index[region_id] = alone if others is None else (*others, key)
    return index
