"""Keep the `city` partitions equal to the active cities of the registry."""

import dagster as dg

from mobility_pipeline.cities.known import Cities
from mobility_pipeline.defs.partitions import CITY_PARTITIONS
from mobility_pipeline.resources.adapters import CitiesResource

_NAME = "city"


@dg.sensor(
    name="sync_city_partitions_sensor",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds a partition for each active city and removes those of retired ones.",
)
def sync_city_partitions_sensor(
    context: dg.SensorEvaluationContext, cities: CitiesResource
) -> dg.SensorResult | dg.SkipReason:
    """Compare the registry with the partitions, and name every refused city."""
    known = cities.create().load()
    for refused in known.refused:
        context.log.error(f"city {refused.name}: {'; '.join(refused.problems)}")
    if not known.by_key and not known.refused:
        return dg.SkipReason(
            "MOBILITY_CITIES holds no city: partitions stay as they are"
        )
    new, gone = _differences(context.instance, known)
    requests = []
    if new:
        requests.append(CITY_PARTITIONS.build_add_request(new))
    if gone:
        requests.append(CITY_PARTITIONS.build_delete_request(gone))
    if not requests:
        return dg.SkipReason(f"{len(known.active)} active cities, as before")
    return dg.SensorResult(dynamic_partitions_requests=requests)


def sync_city_partitions(instance: dg.DagsterInstance, known: Cities) -> None:
    """Do at once what the sensor does, for runs started by the command line."""
    new, gone = _differences(instance, known)
    instance.add_dynamic_partitions(_NAME, new)
    for key in gone:
        instance.delete_dynamic_partition(_NAME, key)


def _differences(
    instance: dg.DagsterInstance, known: Cities
) -> tuple[list[str], list[str]]:
    """Return keys to add and to delete.

    A city that is refused today is no reason to forget its partition: it may be a typing
    error that somebody is about to correct.
    """
    present = set(instance.get_dynamic_partitions(_NAME))
    wanted = set(known.active)
    kept = wanted | {refused.name for refused in known.refused}
    return sorted(wanted - present), sorted(present - kept)
