"""The volume of a city-day against that of earlier weeks, from manifests alone."""

from collections.abc import Container

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


class Volumes:
    """How much city-days of one lake hold; each manifest is read once at most.

    Safe to use from several threads: two that ask for one day at once may both read it.
    """

    def __init__(self, lake: Lake, held: Container[CityDay] | None = None) -> None:
        """Start with nothing read.

        Args:
            lake: read where a volume is not known.
            held: city-days the ledger has in the lake, so that no other is asked for;
                None = it is not known which.
        """
        self._lake = lake
        self._held = held
        self._known: dict[CityDay, Volume | None] = {}

    def add(self, manifest: Manifest) -> None:
        """Take the volume of a manifest that was just read or written."""
        self._known[manifest.city_day] = volume_of(manifest)

    def find(self, city_day: CityDay) -> Volume | None:
        """Return a city-day's volume; None where it has no readable manifest.

        Raises:
            StorageError: S3 failed after its own retries.
            StorageForbiddenError: no such bucket, or not allowed to read it.
        """
        if city_day not in self._known:
            self._known[city_day] = self._read(city_day)
        return self._known[city_day]

    def _read(self, city_day: CityDay) -> Volume | None:
        if self._held is not None and city_day not in self._held:
            return None
        try:
            manifest = self._lake.read_manifest(city_day)
        except ManifestError:  # its own check says what is wrong with it
            return None
        return None if manifest is None else volume_of(manifest)


def judge_volume(manifest: Manifest, volumes: Volumes) -> Finding:
    """Compare a city-day with the same weekday of earlier weeks.

    Args:
        manifest: of the city-day.
        volumes: of the earlier weeks; one without a readable manifest is left out.

    Raises:
        StorageError: S3 failed after its own retries.
        StorageForbiddenError: no such bucket, or not allowed to read it.
    """
    weeks = [
        volumes.find(CityDay(manifest.city, day))
        for day in baseline_days(manifest.date)
    ]
    known = [week for week in weeks if week is not None]
    return volume_within_baseline(volume_of(manifest), known)


def volume_of(manifest: Manifest) -> Volume:
    """Return how much a city-day holds; a day known to be empty holds 0."""
    return Volume(manifest.rows, manifest.devices)
