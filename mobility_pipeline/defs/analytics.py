"""The assets of analytics: derived tables of each city and day, made anew when pings change.

One run derives all its cities and days, whatever its shape: each that stands is reported by
itself, and one without pings fails the run at its end, with the others kept.
"""

import warnings
from collections.abc import Iterator
from functools import partial
from typing import NoReturn

import dagster as dg

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.deriving import (
    Make,
    derive_flows,
    derive_home_regions,
    derive_partitions,
    derive_positionfixes,
)
from mobility_pipeline.defs.failures import as_failures
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_partition
from mobility_pipeline.resources.adapters import (
    AnalyticsResource,
    CitiesResource,
    ClockResource,
)
from mobility_pipeline.schemas.derived import (
    DAY_TABLES,
    DEVICE_HOURS,
    FLOWS,
    HOME_REGIONS,
    HOME_WINDOW_DAYS,
    POSITIONFIXES,
    DerivedTable,
)
from mobility_pipeline.schemas.events import EVENTS

STORAGE_S = 1
"""Wait before a step is tried again; then twice that."""
_EVENTS_KEY = asset_key(EVENTS.name)

_ON_CHANGE = (
    dg.AutomationCondition.any_deps_updated().since(
        dg.AutomationCondition.newly_requested()
        | dg.AutomationCondition.newly_updated()
    )
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("rests on city-days that changed")


def build_analytics_assets(
    source: str, partitions: dg.MultiPartitionsDefinition
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Build the assets of the derived tables.

    Args:
        source: name of the feed they are derived from, or `events`.
        partitions: city × date; the date of every table but positionfixes is local.
    """
    pings = dg.AssetDep(asset_key(source))
    fixes = _depend_on(POSITIONFIXES, first=-1, last=1)
    yesterday = _depend_on(DEVICE_HOURS, first=-1)
    window = _depend_on(DEVICE_HOURS, first=1 - HOME_WINDOW_DAYS)
    build = partial(_build_asset, partitions)
    return [
        *([_describe_events(partitions)] if source == EVENTS.name else []),
        build(POSITIONFIXES, pings, derive_positionfixes),
        _build_day_assets(partitions, fixes),
        build(FLOWS, yesterday, derive_flows),
        build(HOME_REGIONS, window, derive_home_regions),
    ]


def events_materialization(city_day: CityDay) -> dg.AssetMaterialization:
    """Make the event that tells Dagster of a day whose ingested events changed."""
    return dg.AssetMaterialization(
        asset_key=_EVENTS_KEY, partition=to_partition(city_day)
    )


def _describe_events(partitions: dg.MultiPartitionsDefinition) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=_EVENTS_KEY,
        partitions_def=partitions,
        group_name="lake",
        description=f"{EVENTS.description} `mobility events ingest` brings them.",
        kinds={"s3", "parquet"},
        owners=["team:mobility"],
    )


def build_derive_sensor() -> dg.AutomationConditionSensorDefinition:
    """Build the sensor that derives anew what rests on city-days that changed."""
    return dg.AutomationConditionSensorDefinition(
        name="derive_changed_city_days_sensor",
        target=dg.AssetSelection.groups("analytics"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=60,
        description="Derives the tables of analytics anew where city-days have changed.",
    )


def _build_asset(
    partitions: dg.MultiPartitionsDefinition,
    table: DerivedTable,
    dep: dg.AssetDep,
    make: Make,
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"derive_{table.name}",
        specs=[_specify(table, dep)],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool="analytics",
    )
    def derive_table(
        context: dg.AssetExecutionContext,
        cities: CitiesResource,
        analytics: AnalyticsResource,
        clock: ClockResource,
    ) -> Iterator[NoReturn]:
        with as_failures(context.op_execution_context, STORAGE_S, clock.sleep):
            derive_partitions(context, cities, analytics, make)
        # Yielding no output keeps Dagster from marking more than was reported.
        yield from ()

    return derive_table


def _build_day_assets(
    partitions: dg.MultiPartitionsDefinition, dep: dg.AssetDep
) -> dg.AssetsDefinition:
    """Build the tables that are made in one pass over a day's positionfixes."""

    @dg.multi_asset(
        name="derive_day_tables",
        specs=[_specify(table, dep) for table in DAY_TABLES],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
        pool="analytics",
    )
    def derive_day_tables(
        context: dg.AssetExecutionContext,
        cities: CitiesResource,
        analytics: AnalyticsResource,
        clock: ClockResource,
    ) -> Iterator[NoReturn]:
        chosen = {key.path[-1] for key in context.selected_asset_keys}
        wanted = _choose(chosen)
        with as_failures(context.op_execution_context, STORAGE_S, clock.sleep):
            derive_partitions(context, cities, analytics, wanted)
        yield from ()

    return derive_day_tables


def _choose(names: set[str]) -> Make:
    wanted = [table for table in DAY_TABLES if table.name in names]
    return lambda derivation, city, day: derivation.derive_day(city, day, wanted)


def _specify(table: DerivedTable, dep: dg.AssetDep) -> dg.AssetSpec:
    columns = [
        dg.TableColumn(
            field.name,
            str(field.type),
            constraints=dg.TableColumnConstraints(nullable=field.nullable),
        )
        for field in table.schema
    ]
    return dg.AssetSpec(
        key=asset_key(table.name),
        deps=[dep],
        group_name="analytics",
        skippable=True,
        automation_condition=_ON_CHANGE,
        description=table.description,
        kinds={"polars", "parquet"},
        owners=["team:mobility"],
        code_version=str(table.version),
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
    )


def _depend_on(table: DerivedTable, *, first: int, last: int = 0) -> dg.AssetDep:
    """Depend on days around a day, some of which may not exist."""
    with warnings.catch_warnings():
        # In beta; `defs/test_analytics.py` holds what we need of it.
        warnings.simplefilter("ignore", dg.BetaWarning)
        around = dg.TimeWindowPartitionMapping(
            start_offset=first,
            end_offset=last,
            allow_nonexistent_upstream_partitions=True,
        )
        same = dg.IdentityPartitionMapping()
        mapping = dg.MultiPartitionMapping(
            {
                "city": dg.DimensionPartitionMapping("city", same),
                "date": dg.DimensionPartitionMapping("date", around),
            }
        )
    key = asset_key(table.name)
    return dg.AssetDep(key, partition_mapping=mapping)
