"""`mobility cities history · diff · restore · backup`: the versions of the registry."""

from collections.abc import Sequence
from typing import Any

import click

from mobility_pipeline.cities.diff import BoundaryDiff, CityDiff, diff_changes
from mobility_pipeline.cities.versions import Version, VersionLog
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.errors import ConfigurationError
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.settings import load_settings
from mobility_pipeline.vendor.held_areas import refuse_asked
from mobility_pipeline.vendor.ledger import open_ledger

_NAMED = 3
"""Cities that one row names."""


@click.command(help="Who changed which city, and when; the newest first.")
@click.argument("key", required=False)
@json_option
def history(key: str | None, as_json: bool) -> int:
    """List versions: all, or those that changed one city."""
    registry = open_registry(load_settings())
    log = registry.versions()
    found = [
        version
        for version in reversed(log.versions)
        if key is None or version.change_of(key)
    ]
    if key is not None and not found:
        registry.load().find(key)  # a typing error is no city without a history
    document = {
        "versions": [_describe(version) for version in found],
        "unreadable": [
            {"version": name, "problem": problem}
            for name, problem in log.unreadable.items()
        ],
        "backup_problem": log.backup_problem or None,
    }
    rows = [
        (version.id, version.by, version.operation, _name_cities(version), version.note)
        for version in found
    ]
    columns = ("version", "by", "operation", "cities", "note")
    table = make_table(columns, rows, title=f"{len(found)} versions")
    answer(as_json, document, table)
    return _warn(log)


@click.command(
    help="What a version changed, or what differs between two: fields and boundaries."
)
@click.argument("version")
@click.argument("other", required=False)
@json_option
def diff(version: str, other: str | None, as_json: bool) -> int:
    """Compare versions."""
    log = open_registry(load_settings()).versions()
    first = log.find(version)
    second = first if other is None else log.find(other)
    changes = first.changes if other is None else log.changes_between(first, second)
    diffs = diff_changes(changes)
    document = {
        "from": None if other is None else first.id,
        "to": second.id,
        "cities": [_diff_document(city) for city in diffs],
    }
    title = f"{len(diffs)} cities differ"
    answer(as_json, document, make_table(_DIFF_COLUMNS, _diff_rows(diffs), title=title))
    return _warn(log)


@click.command(
    help="Have the cities as they were after VERSION, as a new version on top."
)
@click.argument("version")
@click.option("--city", "key", help="Only this city; none = all.")
@click.option("--dry-run", is_flag=True, help="Show what would change.")
@json_option
def restore(version: str, key: str | None, dry_run: bool, as_json: bool) -> int:
    """Restore a version."""
    settings = load_settings()
    registry = open_registry(settings)
    plan = registry.plan_restore(version, key)
    if plan.removed:
        refuse_asked(open_ledger(settings.ledger_url), plan.removed)
    if not dry_run:
        registry.restore(plan)
    diffs = diff_changes(plan.changes)
    document = {
        "version": plan.version,
        "restored": not dry_run and bool(plan.changes),
        "cities": [_diff_document(city) for city in diffs],
    }
    what = "would change" if dry_run else "changed back"
    title = f"{len(plan.changes)} cities {what}, to how they were after {plan.version}"
    answer(as_json, document, make_table(_DIFF_COLUMNS, _diff_rows(diffs), title=title))
    return DONE


@click.command(help="Store in CITIES_BACKUP_BUCKET every version it does not have yet.")
@json_option
def backup(as_json: bool) -> int:
    """Back up what is pending."""
    settings = load_settings()
    if settings.cities_backup_bucket is None:
        raise ConfigurationError("CITIES_BACKUP_BUCKET is not set: name a bucket")
    stored = open_registry(settings).back_up()
    table = make_table(
        ("version",), [(name,) for name in stored], title=f"{len(stored)} backed up"
    )
    answer(as_json, {"backed_up": [*stored]}, table)
    return DONE


def _warn(log: VersionLog) -> int:
    """Say on stderr what could not be read, and return the exit code."""
    problems = [*log.unreadable.values()]
    if log.backup_problem:
        problems.append(f"versions may be missing: {log.backup_problem}")
    for problem in problems:
        STDERR.print(problem, style="yellow", markup=False, soft_wrap=True)
    return MISSING if problems else DONE


def _describe(version: Version) -> dict[str, Any]:
    return {
        "version": version.id,
        "at": version.at.isoformat(),
        "by": version.by,
        "operation": version.operation,
        "note": version.note,
        "cities": [change.key for change in version.changes],
    }


def _name_cities(version: Version) -> str:
    keys = [change.key for change in version.changes]
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


_DIFF_COLUMNS = ("city", "what", "before", "after")


def _diff_rows(diffs: Sequence[CityDiff]) -> list[tuple[str, str, str, str]]:
    rows: list[tuple[str, str, str, str]] = []
    for city in diffs:
        rows += [
            (city.key, field.name, field.before or "", field.after or "")
            for field in city.fields
        ]
        if city.boundary is not None:
            rows += [(city.key, *row) for row in _boundary_rows(city.boundary)]
    return rows


def _boundary_rows(boundary: BoundaryDiff) -> list[tuple[str, str, str]]:
    return [
        ("area id", boundary.area_id_before or "", boundary.area_id_after or ""),
        (
            "area, km²",
            f"{boundary.area_before_km2:,.2f}",
            f"{boundary.area_after_km2:,.2f}",
        ),
        ("vertices", str(boundary.vertices_before), str(boundary.vertices_after)),
        ("in one of them only, km²", "", f"{boundary.symmetric_difference_km2:,.2f}"),
    ]


def _diff_document(city: CityDiff) -> dict[str, Any]:
    fields = [vars(field) for field in city.fields]
    boundary = None if city.boundary is None else vars(city.boundary)
    return {"key": city.key, "fields": fields, "boundary": boundary}
