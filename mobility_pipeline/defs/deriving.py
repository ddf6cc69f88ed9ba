"""Derive tables in a run, report each city-day that stands, and name those that cannot."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from mobility_pipeline.alerts.message import write_spans
from mobility_pipeline.alerts.problems import to_days
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.defs.partitions import to_city_day, to_partition
from mobility_pipeline.errors import CityDaysMissingError
from mobility_pipeline.resources.adapters import AnalyticsResource, CitiesResource
from mobility_pipeline.schemas.derived import DerivedTable

if TYPE_CHECKING:
    # Polars and compiled loops take a second to load; most runs need neither.
    from mobility_pipeline.lake.derived import DerivedPublished
    from mobility_pipeline.resources.derivation import Derivation, Made

_NAMED_AT_MOST = 20
"""Cities named in a failure's message."""

Make = Callable[["Derivation", City, date], "Made | None"]
"""Derives tables of a city and day; None = what they rest on is not there."""


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


def derive_partitions(
    context: dg.AssetExecutionContext,
    cities: CitiesResource,
    analytics: AnalyticsResource,
    make: Make,
) -> None:
    """Derive the partitions of a run.

    Raises:
        CityDaysMissingError: some rest on pings that are not there; the others stand.
    """
    known, derivation = cities.create().load(), analytics.open()
    days: dict[str, list[date]] = {}
    for key in context.partition_keys:
        city_day = to_city_day(key)
        days.setdefault(city_day.city, []).append(city_day.date)
    missing = [
        city_day
        for key, dates in days.items()
        for city_day in derive(context, derivation, known.find(key), dates, make)
    ]
    if missing:
        raise missing_error(missing)


def derive(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    derivation: "Derivation",
    city: City,
    days: Iterable[date],
    make: Make,
) -> list[CityDay]:
    """Derive days of a city and report each; returns those that cannot be."""
    missing: list[CityDay] = []
    for day in days:
        made = make(derivation, city, day)
        if made is None:
            missing.append(CityDay(city.key, day))
            continue
        for table, published in made.items():
            context.log_event(_report(table, published))
    return missing


def missing_error(missing: Sequence[CityDay]) -> CityDaysMissingError:
    """Make the error that names city-days without pings."""
    named = [
        f"{city} {write_spans(spans)}"
        for city, spans in to_days(sorted(missing)).items()
    ]
    more = len(named) - _NAMED_AT_MOST
    return CityDaysMissingError(
        f"{len(missing)} city-days have no pings in the lake to derive from: "
        + "; ".join(named[:_NAMED_AT_MOST])
        + (f"; and {more} more cities" if more > 0 else "")
        + ". `mobility gaps` says why",
        Counter(not_in_the_lake=len(missing)),
    )


def _report(
    table: DerivedTable, published: "DerivedPublished"
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
    if manifest.regions is not None:
        metadata["region_layer"] = manifest.regions.layer
    return dg.AssetMaterialization(
        asset_key=dg.AssetKey(["analytics", table.name]),
        partition=to_partition(CityDay(manifest.city, manifest.date)),
        metadata=metadata,
    )
