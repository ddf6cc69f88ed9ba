"""Days of a derived table that others rest on: which are there, and their rows."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.derived import DerivedTables
from mobility_pipeline.lake.derived_manifest import DerivedManifest, Input
from mobility_pipeline.schemas.derived import DerivedTable


@dataclass(frozen=True)
class DerivedDays:
    """Those of some days that stand, of one table and city."""

    tables: DerivedTables
    table: DerivedTable
    city: str
    manifests: Mapping[date, DerivedManifest]
    """By date, ascending."""

    @classmethod
    def find(
        cls,
        tables: DerivedTables,
        table: DerivedTable,
        city: str,
        days: Iterable[date],
    ) -> "DerivedDays":
        """Read the manifests of days.

        Raises:
            ManifestError: one is not readable.
        """
        found = {
            day: tables.read_manifest(table, CityDay(city, day)) for day in sorted(days)
        }
        there = {day: known for day, known in found.items() if known is not None}
        return cls(tables, table, city, there)

    @property
    def dates(self) -> Set[date]:
        """The days that are there."""
        return self.manifests.keys()

    @property
    def inputs(self) -> list[Input]:
        """What a table made from them rests on."""
        return [
            Input(
                uri=self.tables.uri(self.table, CityDay(self.city, day)),
                sha256=manifest.sha256,
            )
            for day, manifest in self.manifests.items()
        ]

    @property
    def observed_hours(self) -> list[datetime]:
        """Instants at which their observed hours start, ascending."""
        return [
            hour
            for manifest in self.manifests.values()
            for hour in manifest.observed_hours
        ]

    def read(self, *days: date) -> pl.DataFrame:
        """Return the rows of some of them, day by day; none given = of all.

        Raises:
            ManifestError: parts are not the manifest's.
        """
        return pl.concat(
            self.tables.read(self.table, CityDay(self.city, day))
            for day in days or self.manifests
        )
