"""Findings of a city-day as asset check evaluations, which Dagster shows on its partition."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from mobility_pipeline.checks import objects
from mobility_pipeline.checks.baseline import judge_volume
from mobility_pipeline.checks.city_day import judge_city_day
from mobility_pipeline.checks.finding import Finding, Severity, failed
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.defs.partitions import to_partition
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.schemas.feeds import Feed

_SEVERITIES = {
    Severity.WARN: dg.AssetCheckSeverity.WARN,
    Severity.ERROR: dg.AssetCheckSeverity.ERROR,
}


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
    for finding in findings:
        if city_day is not None and not finding.passed:
            day = f"{city_day.city} {city_day.date}"
            context.log.warning(f"{day}: {finding.name}: {finding.message}")
        # An AssetCheckResult has no partition: a run over several would mix them up.
        context.log_event(
            dg.AssetCheckEvaluation(  # pyright: ignore[reportArgumentType]  # UserEvent lacks it
                asset_key=dg.AssetKey(["lake", feed.name]),
                check_name=finding.name,
                passed=finding.passed,
                severity=_SEVERITIES[finding.severity],
                description=finding.message,
                metadata={
                    name: list(value) if isinstance(value, tuple) else value
                    for name, value in finding.numbers.items()
                },
                partition=None if city_day is None else to_partition(city_day),
            )
        )


def judge(
    lake: Lake, city_day: CityDay, city: City | None, folder: Path
) -> list[Finding]:
    """Judge a city-day that landed: its objects, its rows, its volume.

    A lake that fails now is a finding, not a failure: the city-day stands.

    Args:
        lake: where it is published.
        city_day: which.
        city: as the registry has it; null where it has none.
        folder: where large parts wait while they are read.
    """
    try:
        findings = judge_city_day(lake, city_day, city, folder)
        manifest = lake.read_manifest(city_day)
        if manifest is not None:
            findings.append(judge_volume(lake, manifest))
    except MobilityError as error:
        return [failed(objects.NAME, f"not judged: {error}", {})]
    return findings
