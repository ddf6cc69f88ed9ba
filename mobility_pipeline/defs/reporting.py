"""Tell Dagster of city-days: that they are there, and what their checks found."""

from collections.abc import Generator, Iterable, Mapping, Set
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType

import dagster as dg

from mobility_pipeline.checks.baseline import Volumes
from mobility_pipeline.checks.finding import Finding
from mobility_pipeline.checks.volume import BASELINE_WEEKS
from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.defs.evaluations import judge, log_findings
from mobility_pipeline.defs.keys import asset_key
from mobility_pipeline.defs.partitions import to_city_day, to_partition
from mobility_pipeline.lake.coverage import PRESENT_STATES
from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.resources.adapters import (
    CitiesResource,
    LakeResource,
    SettingsResource,
)
from mobility_pipeline.resources.clients import landing_folder
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.records import CityDayState

_CHECKERS = 8
"""City-days that are checked side by side: each waits for S3."""


@dataclass(frozen=True)
class Reporter:
    """What reports of one feed take."""

    context: dg.OpExecutionContext
    feed: Feed
    cities: CitiesResource
    lake: LakeResource
    settings: SettingsResource

    @contextmanager
    def open(self, ledger: Ledger, days: Set[date]) -> Generator["Report"]:
        """Check what is reported side by side, and record what was found.

        Args:
            ledger: asked which city-days of the weeks before are held.
            days: that will be reported.
        """
        known = self.cities.create().load().by_key
        folder = landing_folder(self.settings.load())
        lake = self.lake.create(self.feed)
        start = min(days) - timedelta(weeks=BASELINE_WEEKS)
        states = ledger.coverage(self.feed.name, start, max(days))
        held = {day for day, state in states.items() if state in PRESENT_STATES}
        with ThreadPoolExecutor(_CHECKERS, "check") as threads:
            report = Report(
                self.context,
                self.feed,
                lake,
                known,
                folder,
                Volumes(lake, held),
                threads,
            )
            try:
                yield report
            finally:
                report.log_checks()


@dataclass(frozen=True)
class Report:
    """Reports city-days; what their checks found is recorded as it is known."""

    context: dg.OpExecutionContext
    feed: Feed
    lake: Lake
    cities: Mapping[str, City]
    folder: Path
    volumes: Volumes
    threads: Executor
    checks: dict[CityDay, Future[list[Finding]]] = field(
        default_factory=dict[CityDay, "Future[list[Finding]]"]
    )

    def landed(self, manifest: Manifest, details: Mapping[str, int]) -> None:
        """Report a city-day that this landing has left so, and begin to check it."""
        self._log(manifest, details)
        self._check(manifest, landed=manifest)
        # Not all at the end, as other dates are landed meanwhile; but what is there of this
        # date is told first.
        done = [day for day, check in self.checks.items() if check.done()]
        self._log_checks([day for day in done if day.date != manifest.date])

    def stored(
        self, city_days: Set[CityDay]
    ) -> dict[CityDay, tuple[CityDayState, str]]:
        """Report city-days from their manifests; returns those that have none."""
        gone: dict[CityDay, tuple[CityDayState, str]] = {}
        for city_day in sorted(city_days):
            manifest = self.lake.read_manifest(city_day)
            if manifest is None:
                hint = (
                    "delivered once and gone from the lake: request it with --refresh"
                )
                gone[city_day] = (CityDayState.NOT_REQUESTED, hint)
            else:
                self._log(manifest)
                self._check(manifest)
        return gone

    def log_checks(self) -> None:
        """Wait for the checks and record what they found."""
        self._log_checks([*self.checks])

    def _log_checks(self, city_days: Iterable[CityDay]) -> None:
        for city_day in city_days:
            findings = self.checks.pop(city_day).result()
            log_findings(self.context, self.feed, city_day, findings)

    def _check(self, manifest: Manifest, landed: Manifest | None = None) -> None:
        self.volumes.add(manifest)
        self.checks[manifest.city_day] = self.threads.submit(
            judge,
            self.lake,
            manifest.city_day,
            self.cities.get(manifest.city),
            self.folder,
            self.volumes,
            landed=landed,
        )

    def _log(
        self, manifest: Manifest, details: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        city_day = manifest.city_day
        self.context.log_event(
            dg.AssetMaterialization(
                asset_key=asset_key(self.feed.name),
                partition=to_partition(city_day),
                metadata={
                    "state": manifest.state,
                    "rows": manifest.rows,
                    "devices": manifest.devices,
                    "bytes": manifest.bytes,
                    "files": len(manifest.files),
                    "uri": self.lake.uri(city_day),
                    "vendor_job_id": manifest.source.job_id,
                    "rejected_rows_of_date": sum(manifest.rejected.values()),
                    "cast_failures": manifest.cast_failures,
                    **details,
                },
            )
        )


def find_reported(context: dg.OpExecutionContext, feed: Feed) -> Set[CityDay]:
    """Return the city-days that this run has reported so far, by whichever try of a step."""
    logged = context.instance.all_logs(
        context.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    events = [entry.asset_materialization for entry in logged]
    return {
        to_city_day(event.partition)
        for event in events
        if event is not None
        and event.partition is not None
        and event.asset_key == asset_key(feed.name)
    }
