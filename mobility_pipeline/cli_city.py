"""`mobility cities show · edit · reactivate`: one city, and its days by boundary."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import click
from rich.console import Group
from shapely.geometry import Point

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.boundaries import find_boundary_problems
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.days import parse_day
from mobility_pipeline.cities.geojson import city_to_feature, content_sha256
from mobility_pipeline.cities.moved_area import find_move_doubts
from mobility_pipeline.cli_boundaries import BoundaryFile, boundary_options
from mobility_pipeline.cli_output import (
    DONE,
    STDERR,
    answer,
    json_option,
    make_table,
    span,
)
from mobility_pipeline.cli_upload_output import boundary_table, describe_boundary
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.vendor.held_areas import (
    HeldArea,
    describe_left,
    find_held_areas,
)
from mobility_pipeline.vendor.ledger import open_ledger


@click.command(help="One city, and how many stored days belong to which boundary.")
@click.argument("key")
@json_option
def show(key: str, as_json: bool) -> int:
    """Show a city."""
    settings = load_settings()
    city = open_registry(settings).load().find(key)
    held = find_held_areas(open_ledger(settings.ledger_url), key)
    fields = city_to_feature(city)["properties"] | {
        "area_id": city.area_id,
        "area_km2": round(area_km2(city.geometry, city.radius_m), 3),
    }
    document = fields | {"days": [_held_document(area, city) for area in held]}
    rows: list[tuple[str, object]] = [*fields.items()]
    rows += [(f"days of {area.feed}", _write_held(area, city)) for area in held]
    answer(as_json, document, make_table(("", key), rows))
    return DONE


@click.command(help="Change what is known of a city; the key never changes.")
@click.argument("key")
@click.option("--name", help="As people write it.")
@click.option("--country", help="As people write it.")
@click.option("--state", help="As people write it; '' where there is none.")
@click.option("--time-zone", help="IANA name, e.g. Africa/Nairobi.")
@click.option("--source", help="Where the boundary is from.")
@click.option("--first-date", metavar="YYYY-MM-DD", help="First day expected.")
@click.option("--center", metavar="LON,LAT", help="Centre of a circle, in degrees.")
@click.option("--radius", type=float, metavar="METRES", help="Radius of a circle.")
@boundary_options(required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def edit(
    key: str,
    name: str | None,
    country: str | None,
    state: str | None,
    time_zone: str | None,
    source: str | None,
    first_date: str | None,
    center: str | None,
    radius: float | None,
    boundary: BoundaryFile | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Edit a city."""
    settings = load_settings()
    registry = open_registry(settings)
    present = registry.load().find(key)
    texts = {
        "city": name,
        "country": country,
        "state_province": state,
        "time_zone": time_zone,
        "source": source,
        "first_date": None
        if first_date is None
        else parse_day(first_date, "--first-date"),
    }
    given = {field: value for field, value in texts.items() if value is not None}
    is_circle = center is not None or radius is not None
    if not given and boundary is None and not is_circle:
        raise UsageError("nothing to change: `mobility cities edit --help`")
    if boundary is not None and is_circle:
        raise UsageError("--boundary is a polygon: leave out --center and --radius")
    city = _replace(present, given)
    document: dict[str, Any] = {"edited": key, "area_id_before": present.area_id}
    tables: list[Group] = []
    if is_circle:
        city = _move(city, center, radius)
    if boundary is not None:
        _, made = boundary.read()
        city = replace(city, geometry=made.geometry, radius_m=None)
        city = city if source else replace(city, source=boundary.source(made))
        document["boundary"] = describe_boundary(made)
        tables.append(boundary_table(made))
    left = confirm_boundary(settings, present, city, is_sure=yes)
    registry.replace(city, expected=content_sha256(present))
    document["area_id"] = city.area_id
    document["older_days"] = [_held_document(area, city) for area in left]
    columns = ("edited", "area id before", "area id now")
    edited = make_table(columns, [(key, present.area_id, city.area_id)])
    answer(as_json, document, Group(edited, *tables))
    return DONE


@click.command(help="Ask for a retired city again.")
@click.argument("key")
@json_option
def reactivate(key: str, as_json: bool) -> int:
    """Reactivate a city."""
    open_registry(load_settings()).reactivate(key)
    answer(as_json, {"reactivated": key}, make_table(("reactivated",), [[key]]))
    return DONE


def confirm_boundary(
    settings: Settings, present: City, city: City, *, is_sure: bool
) -> tuple[HeldArea, ...]:
    """Say what a new boundary leaves behind, and ask where somebody is there to answer.

    Returns:
        The stored days that stay with an older boundary.

    Raises:
        UsageError: the answer was no.
    """
    if present.boundary_sha256 == city.boundary_sha256:
        return ()
    held = find_held_areas(open_ledger(settings.ledger_url), city.key)
    left = tuple(area for area in held if area.area_id != city.area_id)
    is_wrong = find_boundary_problems(city.boundary(), city.radius_m)
    doubts = [] if is_wrong else find_move_doubts(present, city)
    warnings = [f"warning: {doubt}" for doubt in doubts]
    for line in [*warnings, *describe_left(left, city.area_id)]:
        STDERR.print(line, style="yellow", markup=False, soft_wrap=True)
    is_asked = left and not is_sure and sys.stdin.isatty()
    if is_asked and not click.confirm("Change the boundary?", err=True):
        raise UsageError("nothing was changed")
    return left


def _replace(city: City, given: dict[str, str | date]) -> City:
    return replace(city, **given)  # pyright: ignore[reportArgumentType]


def _move(city: City, center: str | None, radius: float | None) -> City:
    if city.radius_m is None and (center is None or radius is None):
        raise UsageError(
            f"{city.key} is a polygon: give --center and --radius to make it a circle"
        )
    geometry = city.geometry if center is None else Point(*_parse_position(center))
    radius_m = city.radius_m if radius is None else radius
    return replace(city, geometry=geometry, radius_m=radius_m)


def _parse_position(text: str) -> Iterable[float]:
    try:
        longitude, latitude = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(
            f"--center: {text!r} is not a position like 36.82,-1.29"
        ) from None
    return longitude, latitude


def _held_document(area: HeldArea, city: City) -> dict[str, Any]:
    return {
        "feed": area.feed,
        "area_id": area.area_id,
        "is_current": area.area_id == city.area_id,
        "days": area.days,
        **span(area.first, area.last),
    }


def _write_held(area: HeldArea, city: City) -> str:
    kind = "the boundary of today" if area.area_id == city.area_id else "older boundary"
    if area.area_id is None:
        kind = "unknown boundary"
    name = f" {area.area_id}" if area.area_id else ""
    return f"{area.days} from {area.first} to {area.last}: {kind}{name}"
