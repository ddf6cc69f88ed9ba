"""What an answer rests on: table, method, city-days, how much of them was observed, k."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mobility_pipeline.lake.derived_manifest import DerivedManifest
from mobility_pipeline.schemas.derived import DerivedTable

HEADER = "X-Provenance"
"""Carries it where the body has no place for it."""


@dataclass(frozen=True)
class Provenance:
    """What one answer rests on."""

    table: DerivedTable
    city: str
    manifests: Sequence[DerivedManifest]
    """By day; of all versions of the method that these days were made with."""
    min_devices: int
    missing: Mapping[date, str]
    """Day that was asked for and is not there -> why."""

    def to_document(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        observed = sum(len(found.observed_hours) for found in self.manifests)
        expected = sum(found.expected_hours_count for found in self.manifests)
        first = self.manifests[0] if self.manifests else None
        versions = sorted({found.method_version for found in self.manifests})
        return {
            "table": self.table.name,
            "method_version": versions[-1] if versions else self.table.version,
            "city": self.city,
            "regions": first.regions.model_dump() if first and first.regions else None,
            "partitions": [_describe(found) for found in self.manifests],
            "missing": [
                {"date": day.isoformat(), "reason": reason}
                for day, reason in sorted(self.missing.items())
            ],
            "observed_hours_count": observed,
            "expected_hours_count": expected,
            "coverage_ratio": round(observed / expected, 4) if expected else None,
            "k": self.min_devices,
        }

    def to_header(self) -> str:
        """Return it as one line of ASCII."""
        return json.dumps(self.to_document(), separators=(",", ":"))


def _describe(manifest: DerivedManifest) -> dict[str, Any]:
    return {
        "city": manifest.city,
        "date": manifest.date.isoformat(),
        "method_version": manifest.method_version,
        "observed_hours_count": len(manifest.observed_hours),
        "expected_hours_count": manifest.expected_hours_count,
    }
