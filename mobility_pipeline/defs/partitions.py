"""The one grid, city × date, and what a run is asked for; only here keys are parsed."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
from dagster._core.execution.backfill import PartitionBackfill

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.settings import Settings

_BACKFILL_TAG = "dagster/backfill"
_RETRY_TAG = "dagster/retry_number"

CITY_PARTITIONS = dg.DynamicPartitionsDefinition(name="city")


def build_partitions(settings: Settings) -> dg.MultiPartitionsDefinition:
    """Build the grid: registered cities × days from the first to the newest available."""
    return dg.MultiPartitionsDefinition(
        {
            "city": CITY_PARTITIONS,
            "date": dg.DailyPartitionsDefinition(
                start_date=settings.mobility_start_date.isoformat(),
                # Offset 0 ends with yesterday, which is a lag of one day.
                end_offset=1 - settings.veraset_lag_days,
                timezone="UTC",
            ),
        }
    )


def to_partition(city_day: CityDay) -> dg.MultiPartitionKey:
    """Return the partition key of a city-day."""
    return dg.MultiPartitionKey(
        {"city": city_day.city, "date": city_day.date.isoformat()}
    )


def to_city_day(partition: str) -> CityDay:
    """Return the city-day of a partition key, `city|date`."""
    city, day = partition.rsplit("|", 1)
    return CityDay(city, date.fromisoformat(day))


@dataclass(frozen=True)
class Target:
    """What a run is for."""

    own: frozenset[CityDay]
    """This run's own city-days."""
    whole: frozenset[CityDay]
    """Those of the backfill the run is a part of; else the same."""


def read_target(
    context: dg.OpExecutionContext, asset_key: dg.AssetKey
) -> Target | None:
    """Return what the run's partitions ask for, or nothing where it has none.

    A backfill is cut into one run per date or city; each can see the whole target, and
    the first plans vendor jobs for all of it.
    """
    if not (context.has_partition_key or context.has_partition_key_range):
        return None
    own = frozenset(to_city_day(key) for key in context.partition_keys)
    backfill = _find_backfill(context)
    if backfill is None or backfill.asset_backfill_data is None:
        return Target(own, own)
    target = backfill.asset_backfill_data.target_subset
    keys = target.get_partitions_subset(asset_key).get_partition_keys()
    return Target(own, own | {to_city_day(key) for key in keys})


def asked_since(context: dg.OpExecutionContext) -> datetime | None:
    """Return when what this run asks for was first asked, where that was before it.

    The runs of a backfill, and the retries of a run that died, share one asking: an
    outcome recorded since then is theirs, and is not asked for again.
    """
    backfill = _find_backfill(context)
    if backfill is not None:
        return datetime.fromtimestamp(backfill.backfill_timestamp, UTC)
    root_id = context.run.root_run_id
    if root_id is None or _RETRY_TAG not in context.run.tags:
        return None
    root = context.instance.get_run_record_by_id(root_id)
    return root.create_timestamp if root else None


def _find_backfill(context: dg.OpExecutionContext) -> PartitionBackfill | None:
    backfill_id = context.run.tags.get(_BACKFILL_TAG)
    return context.instance.get_backfill(backfill_id) if backfill_id else None
