"""What a run is asked for: by its config, and passed from its first op to its last."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState


class CityDaysConfig(dg.Config):
    """What a run without partitions asks for."""

    cities: list[str] = Field(default_factory=list)
    """Keys; empty = every active city."""
    start: str = ""
    """First UTC day, `YYYY-MM-DD`; empty where the run has partitions."""
    end: str = ""
    """Last UTC day, included."""
    refresh: bool = False
    """Ask again for days that are there."""
    recover: bool = False
    """Ask only for missing days whose time has come, by the rules of recovery."""
    max_jobs: int | None = None
    """Vendor jobs to buy at most; none = as many as it takes; 0 = wait for open ones."""


@dataclass(frozen=True)
class Asked:
    """What one run was asked for, passed from its first op to its last."""

    city_days: frozenset[CityDay]
    """The run's own."""
    of_siblings: frozenset[CityDay]
    """Those of the other runs of its backfill, which report them themselves."""
    done: frozenset[CityDay]
    """Of its own, already in the lake when the run began."""
    job_refs: tuple[int, ...]
    """Vendor jobs that own city-days wait for, as the ledger numbers them."""
    not_sent: dict[CityDay, tuple[CityDayState, str]]
    """City-days that no vendor job was bought for, and why."""
    left_alone: frozenset[CityDay]
    """Those of `not_sent` that recovery leaves alone: missing, but no failure of the run."""
    refresh: bool
    """Whether what was in the lake is asked for again."""
    has_partitions: bool
    """Whether Dagster expects the run to report each of its city-days."""

    def find_missing(
        self, records: Mapping[CityDay, CityDayRecord]
    ) -> dict[CityDay, tuple[CityDayState, str]]:
        """Return the own city-days that did not arrive, sorted, each with its reason."""
        missing: dict[CityDay, tuple[CityDayState, str]] = {}
        for day in sorted(self.city_days - self.done):
            record = records.get(day)
            if record is None:
                reason = (CityDayState.NOT_REQUESTED, "")
                missing[day] = self.not_sent.get(day, reason)
            elif not record.state.is_present or (
                self.refresh and record.job_ref not in self.job_refs
            ):
                reason = (record.last_outcome, record.reason)
                missing[day] = self.not_sent.get(day, reason)
        return missing
