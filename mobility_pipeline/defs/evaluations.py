"""Findings as asset check evaluations, which Dagster shows on the partition or the asset."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData,
)

from mobility_pipeline.checks import objects
from mobility_pipeline.checks.baseline import Volumes, judge_volume
from mobility_pipeline.checks.city_day import judge_city_day
from mobility_pipeline.checks.finding import Finding, Severity, failed
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_partition
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.schemas.feeds import Feed

_WARN_AT_MOST = frozenset({"volume_within_baseline"})
"""Checks that never call anything an error."""


def log_findings(
    context: dg.OpExecutionContext,
    feed: Feed,
    city_day: CityDay | None,
    findings: Iterable[Finding],
) -> None:
    """Record findings on the feed's asset.

    Args:
        context: of the op that judged; Dagster need not have planned these checks for it.
        feed: whose asset it is.
        city_day: on whose partition they show; null = the asset's as a whole.
        findings: one per check.
    """
    key = asset_key(feed.name)
    partition = None if city_day is None else to_partition(city_day)
    target = None
    if partition is not None:
        target = _find_target(context.instance, key, partition)
    for finding in findings:
        if city_day is not None and not finding.passed:
            day = f"{city_day.city} {city_day.date}"
            context.log.warning(f"{day}: {finding.name}: {finding.message}")
        # An AssetCheckResult has no partition: a run over several would mix them up.
        context.log_event(
            dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]  # UserEvent lacks it
                asset_key=key,
                check_name=finding.name,
                passed=finding.passed,
                severity=_severity(finding),
                description=finding.message,
                metadata={
                    name: list(value) if isinstance(value, tuple) else value
                    for name, value in finding.numbers.items()
                },
                target_materialization_data=target,
                partition=partition,
            )
        )


def judge(
    lake: Lake,
    city_day: CityDay,
    city: City | None,
    folder: Path,
    volumes: Volumes,
    *,
    landed: Manifest | None = None,
) -> list[Finding]:
    """Judge a city-day: its objects, its rows, its volume.

    A lake that fails now is a finding, not a failure: the city-day stands.

    Args:
        lake: where it is published.
        city_day: which.
        city: as the registry has it; null where it has none.
        folder: where large parts wait while they are read.
        volumes: of earlier weeks.
        landed: its manifest, where a landing has just left it so.
    """
    try:
        judged = judge_city_day(lake, city_day, city, folder, landed=landed)
        if judged.manifest is None:
            return [*judged.findings]
        return [*judged.findings, judge_volume(judged.manifest, volumes)]
    except MobilityError as error:
        return [failed(objects.NAME, f"not judged: {error}", {})]


def _severity(finding: Finding) -> dg.AssetCheckSeverity:
    """Return how bad it is; of a finding that passed, how bad its check can be.

    The UI gives the partitions of a check that failed the severity of its newest
    evaluation, which may be one that passed: that must not make a warning of an error.
    """
    is_warning = finding.severity is Severity.WARN and not finding.passed
    if is_warning or finding.name in _WARN_AT_MOST:
        return dg.AssetCheckSeverity.WARN
    return dg.AssetCheckSeverity.ERROR


def _find_target(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str
) -> AssetCheckEvaluationTargetMaterializationData | None:
    """Return the partition's newest materialization.

    Dagster shows an evaluation on its partition only while it names that one.
    """
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]),
        limit=1,
    ).records
    if not found:
        return None
    return AssetCheckEvaluationTargetMaterializationData(
        storage_id=found[0].storage_id,
        run_id=found[0].run_id,
        timestamp=found[0].timestamp,
    )
