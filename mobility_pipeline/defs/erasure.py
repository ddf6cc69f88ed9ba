"""Tell Dagster that a city-day was erased: it can't take a materialization back."""

import dagster as dg

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_partition
from mobility_pipeline.vendor.records import CityDayState


def report_erased(
    instance: dg.DagsterInstance, name: str, city_day: CityDay, reason: str
) -> None:
    """Record an observation on the partition, which goes on counting as materialized.

    Args:
        instance: where it is recorded.
        name: of the feed or table.
        city_day: what was erased.
        reason: by whom, and why.
    """
    instance.report_runless_asset_event(
        dg.AssetObservation(
            asset_key=asset_key(name),
            partition=to_partition(city_day),
            description=reason,
            metadata={"state": CityDayState.ERASED.value},
        )
    )
