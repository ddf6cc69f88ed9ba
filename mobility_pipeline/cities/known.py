"""What a registry holds: the cities that can be used, and why the others cannot."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import CityRefusedError, UnknownCityError


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

    @property
    def taken(self) -> frozenset[str]:
        """Keys that have a file, be it refused."""
        return frozenset(self.by_key) | {refused.name for refused in self.refused}

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
