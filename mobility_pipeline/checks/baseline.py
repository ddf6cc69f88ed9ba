"""The volume of a city-day against that of earlier weeks, from manifests alone."""

from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.checks.volume import (
    Volume,
    baseline_days,
    volume_within_baseline,
)
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import ManifestError
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake


def judge_volume(lake: Lake, manifest: Manifest) -> Finding:
    """Compare a city-day with the same weekday of earlier weeks.

    Takes a GET per week. A week without a readable manifest is left out: its own check says
    what is wrong with it.

    Raises:
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: no such bucket, or not allowed to read it.
    """
    weeks = [
        _read(lake, CityDay(manifest.city, day)) for day in baseline_days(manifest.date)
    ]
    known = [volume_of(week) for week in weeks if week is not None]
    return volume_within_baseline(volume_of(manifest), known)


def volume_of(manifest: Manifest) -> Volume:
    """Return how much a city-day holds; a day known to be empty holds 0."""
    return Volume(manifest.rows, manifest.devices)


def _read(lake: Lake, city_day: CityDay) -> Manifest | None:
    try:
        return lake.read_manifest(city_day)
    except ManifestError:
        return None
