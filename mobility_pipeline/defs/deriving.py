"""Derive tables in a run, report each city-day that stands, and name those that cannot."""

import base64
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster._core.storage.tags import AUTOMATION_CONDITION_TAG

from mobility_pipeline.alerts.message import write_spans
from mobility_pipeline.alerts.problems import to_days
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_city_day, to_partition
from mobility_pipeline.errors import (
    CityDaysMissingError,
    CityRefusedError,
    ManifestError,
    SchemaError,
    UnknownCityError,
    UnknownRegionLayerError,
)
from mobility_pipeline.resources.adapters import AnalyticsResource, CitiesResource
from mobility_pipeline.schemas.derived import DerivedTable
from mobility_pipeline.wording import number_of

if TYPE_CHECKING:
    # Polars and compiled loops take a second to load; most runs need neither.
    from mobility_pipeline.analytics.derivation import Derivation, Made
    from mobility_pipeline.lake.derived import DerivedPublished

_NAMED_AT_MOST = 20
"""Cities named in a failure's message."""
_DRAWN_AT_MOST = 10
"""City-days of a run with pictures: each has some 100 kB."""
_OF_ONE_CITY = (
    CityRefusedError,
    ManifestError,
    SchemaError,
    UnknownCityError,
    UnknownRegionLayerError,
)
"""Errors that are one city's, and must not take the other 199 down."""

Make = Callable[["Derivation", City, date], "Made | None"]
"""Derives tables of a city and day; None = what they rest on is not there."""
Draw = Callable[[DerivedTable, City, date], bytes | None]
"""Draws what was derived, as a PNG; None = no picture."""


def derive_positionfixes(
    derivation: "Derivation", city: City, day: date
) -> "Made | None":
    """Derive the positionfixes of a UTC day."""
    return derivation.derive_positionfixes(city, day)


def derive_flows(derivation: "Derivation", city: City, day: date) -> "Made | None":
    """Derive the flows of a local day."""
    return derivation.derive_flows(city, day)


def derive_home_regions(
    derivation: "Derivation", city: City, day: date
) -> "Made | None":
    """Derive the home regions known by a local day."""
    return derivation.derive_home_regions(city, day)


@dataclass
class Lacking:
    """What a run was to derive and could not; what it could stands."""

    missing: set[CityDay] = field(default_factory=set[CityDay])
    """They rest on pings that are not in the lake."""
    broken: dict[str, str] = field(default_factory=dict[str, str])
    """City -> what is wrong with it or its tables."""

    @contextmanager
    def noting(self, city: str) -> Generator[None]:
        """Note what is wrong with one city, so that the others are derived."""
        try:
            yield
        except _OF_ONE_CITY as error:
            self.broken[city] = str(error)

    def check(self) -> None:
        """Fail where anything lacks.

        Raises:
            CityDaysMissingError: names every city, and why.
        """
        lines = [*self._say_missing(), *map(": ".join, self.broken.items())]
        if lines:
            reasons = {"not_in_the_lake": len(self.missing), "broken": len(self.broken)}
            raise CityDaysMissingError(". ".join(lines), reasons)

    def _say_missing(self) -> list[str]:
        if not self.missing:
            return []
        named = [
            f"{city} {write_spans(spans)}"
            for city, spans in to_days(sorted(self.missing)).items()
        ]
        more = len(named) - _NAMED_AT_MOST
        return [
            f"{number_of(len(self.missing), 'city-day')} without pings in the lake to derive "
            "from (`mobility gaps` says why; `mobility events ingest` brings events): "
            + "; ".join(named[:_NAMED_AT_MOST])
            + (f"; and {more} more cities" if more > 0 else "")
        ]


def derive_partitions(
    context: dg.AssetExecutionContext,
    cities: CitiesResource,
    analytics: AnalyticsResource,
    make: Make,
) -> None:
    """Derive the partitions of a run.

    Raises:
        CityDaysMissingError: some rest on pings that are not there, which fails a run
            that somebody asked for; or something is wrong with a city. The others stand.
    """
    known, derivation, lacking = cities.create().load(), analytics.open(), Lacking()
    days: dict[str, list[date]] = {}
    for key in context.partition_keys:
        city_day = to_city_day(key)
        days.setdefault(city_day.city, []).append(city_day.date)
    draw = choose_pictures(analytics, len(context.partition_keys))
    for key, dates in days.items():
        with lacking.noting(key):
            city = known.find(key)
            missing = derive(context, derivation, city, dates, make, draw)
            lacking.missing |= {*missing}
    if context.run.tags.get(AUTOMATION_CONDITION_TAG) == "true" and lacking.missing:
        # A change of one day asks for every day around it; nobody asked for those.
        context.log.info(f"nothing to derive {len(lacking.missing)} city-days from")
        lacking.missing.clear()
    lacking.check()


def derive(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    derivation: "Derivation",
    city: City,
    days: Iterable[date],
    make: Make,
    draw: Draw,
) -> list[CityDay]:
    """Derive days of a city and report each; returns those that cannot be."""
    missing: list[CityDay] = []
    for day in days:
        with derivation.hold(day):
            made = make(derivation, city, day)
        if made is None:
            missing.append(CityDay(city.key, day))
            continue
        for table, published in made.items():
            context.log_event(_report(table, published, draw(table, city, day)))
    return missing


def choose_pictures(analytics: AnalyticsResource, city_days: int) -> Draw:
    """Draw what a run derives, unless it is many: the event log keeps each picture."""
    return analytics.draw if city_days <= _DRAWN_AT_MOST else lambda *_: None


def _report(
    table: DerivedTable, published: "DerivedPublished", picture: bytes | None
) -> dg.AssetMaterialization:
    manifest = published.manifest
    metadata: dict[str, Any] = {
        "dagster/row_count": manifest.rows,
        "dagster/uri": published.uri,
        "changed": published.changed,
        "coverage_ratio": round(manifest.coverage_ratio, 4),
        "observed_hours": len(manifest.observed_hours),
        "inputs": len(manifest.inputs),
        **{f"dropped_{reason}": n for reason, n in manifest.dropped.items()},
    }
    if picture is not None:
        image = base64.b64encode(picture).decode()
        metadata["picture"] = dg.MetadataValue.md(
            f"![{table.name}](data:image/png;base64,{image})"
        )
    if manifest.regions is not None:
        metadata["region_layer"] = manifest.regions.layer
    return dg.AssetMaterialization(
        asset_key=asset_key(table.name),
        partition=to_partition(CityDay(manifest.city, manifest.date)),
        metadata=metadata,
    )
