"""What a city and day of a derived table holds, and what it was made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import ClassVar, Literal

from mobility_pipeline.lake.manifest import (
    Count,
    Frozen,
    Instant,
    ManifestFile,
    Sha256,
    StoredManifest,
)
from mobility_pipeline.schemas.derived import DerivedTable


class Input(Frozen):
    """One city-day that a derived one was made from."""

    uri: str
    """`s3://` address of its folder."""
    sha256: Sha256
    """Of its manifest."""


class RegionSource(Frozen):
    """The region layer whose regions the rows name."""

    layer: str
    sha256: Sha256
    """Of its content."""


@dataclass(frozen=True)
class Origin:
    """What rows were made from, and how much of the day that is."""

    inputs: Sequence[Input]
    regions: RegionSource | None
    observed_hours: Sequence[datetime]
    """Instants at which hours of the day start, of which the rows know; sorted."""
    expected_hours_count: int
    """Hours of the day: 24 of a UTC day, 23, 24 or 25 of a local one."""
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    """Reason -> rows of the input that were left out."""


class DerivedManifest(StoredManifest):
    """A city and day of a derived table."""

    COUNTS: ClassVar[str] = "dropped"

    version: Literal[1] = 1
    table: str
    method_version: int
    city: str
    """The city's key."""
    date: date
    """UTC or local, see `schemas/derived.py`."""
    rows: Count
    bytes: Count
    files: tuple[ManifestFile, ...]
    inputs: tuple[Input, ...]
    regions: RegionSource | None
    observed_hours: tuple[Instant, ...]
    expected_hours_count: Count
    dropped: Mapping[str, Count]

    @property
    def coverage_ratio(self) -> float:
        """Share of the day's hours that were observed."""
        return len(self.observed_hours) / self.expected_hours_count

    def is_made_from(
        self,
        table: DerivedTable,
        inputs: Sequence[Input],
        regions: RegionSource | None,
    ) -> bool:
        """Whether making it anew from these could not change it."""
        by_uri = tuple(sorted(inputs, key=lambda found: found.uri))
        made = (self.method_version, self.inputs, self.regions)
        return made == (table.version, by_uri, regions)
