"""`mobility cities`: the registry of cities."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import click
from shapely.geometry import mapping

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.export import export_csv, export_geojson
from mobility_pipeline.cities.geojson import city_from_feature
from mobility_pipeline.cities.keys import make_key
from mobility_pipeline.cities.known import RefusedCity
from mobility_pipeline.cities.legacy import import_legacy
from mobility_pipeline.cities.places import find_place_doubt
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cli_boundaries import (
    BoundaryFile,
    boundary_options,
    regions,
    report_boundary,
    write_guide,
)
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
    warn_refused,
)
from mobility_pipeline.errors import BackupFailedError, UsageError
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.settings import load_settings

_file_argument = click.argument(
    "file", type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


@click.group(help="The cities we watch: MOBILITY_CITIES, a folder or an s3:// prefix.")
def cities() -> None:
    """Group the verbs."""


cities.add_command(report_boundary)
cities.add_command(regions)
cities.add_command(write_guide)


@cities.command("list", help="Every city, active and retired; refused ones on stderr.")
@json_option
def list_cities(as_json: bool) -> int:
    """List cities."""
    known = open_cities().load()
    warn_refused(known.refused)
    documents = [
        {
            "key": city.key,
            "city": city.city,
            "country": city.country,
            "status": city.status,
            "area_id": city.area_id,
        }
        for city in known.by_key.values()
    ]
    refused = [
        {"name": city.name, "problems": [*city.problems]} for city in known.refused
    ]
    table = make_table(
        ("key", "city", "country", "status", "area id"),
        [[*document.values()] for document in documents],
    )
    answer(as_json, {"cities": documents, "refused": refused}, table)
    return MISSING if refused else DONE


@cities.command(help="Add one city from a GeoJSON Feature; see `cities/` for examples.")
@_file_argument
@boundary_options(required=False)
@json_option
def add(file: Path, boundary: BoundaryFile | None, as_json: bool) -> int:
    """Add a city; without `key` it gets the slugs of its names."""
    feature = _read_json(file)
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if isinstance(properties, dict) and boundary is not None:
        _, made = boundary.read()
        feature["geometry"] = mapping(made.geometry)
        properties.pop("radius_m", None)
        properties.setdefault("source", boundary.source(made))
    key = add_feature(feature, file.stem)
    answer(as_json, {"added": key}, make_table(("added",), [[key]]))
    return DONE


@cities.command("import", help="Import the old cities.json; says what it refused.")
@_file_argument
@json_option
def import_cities(file: Path, as_json: bool) -> int:
    """Import cities of the predecessor."""
    registry = open_cities(must_exist=False)
    imported = import_legacy(_read_json(file), registry.load())
    failure = None
    try:
        added_not = registry.add_all(imported.cities)
    except BackupFailedError as error:
        failure, added_not = error, cast("tuple[RefusedCity, ...]", error.outcome)
    refused = [*imported.refused, *added_not]
    names = {city.name for city in refused}
    stored = [city for city in imported.cities if city.key not in names]
    added = [city.key for city in stored]
    document = {
        "imported": added,
        "refused": [
            {"name": city.name, "problems": [*city.problems]} for city in refused
        ],
    }
    rows = [(key, "imported") for key in added]
    rows += [(city.name, "; ".join(city.problems)) for city in refused]
    answer(as_json, document, make_table(("city", "result"), rows))
    warn_of_places(stored)
    if failure is not None:
        STDERR.print(str(failure), style="red", markup=False, soft_wrap=True)
    return MISSING if refused or failure else DONE


@cities.command(help="Write all cities as GeoJSON or CSV.")
@click.option(
    "--format", "kind", type=click.Choice(["geojson", "csv"]), default="geojson"
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False))
def export(kind: str, out: Path | None) -> int:
    """Export the registry."""
    known = open_cities().load()
    warn_refused(known.refused)
    write = export_geojson if kind == "geojson" else export_csv
    text = write(known.by_key.values())
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
    return MISSING if known.refused else DONE


def add_feature(feature: Any, name: str) -> str:
    """Add the city a GeoJSON Feature describes, and return its key.

    Args:
        feature: without `key` it gets the slugs of its names.
        name: to call it by where it has no key at all.
    """
    registry = open_cities(must_exist=False)
    properties = feature.get("properties") if isinstance(feature, dict) else None
    key = properties.get("key") if isinstance(properties, dict) else None
    if isinstance(properties, dict) and key is None:
        key = _name_key(properties, registry)
    city = city_from_feature(feature, str(key or name))
    registry.add(city)
    warn_of_places([city])
    return city.key


def warn_of_places(cities: Iterable[City]) -> None:
    """Say on stderr which cities lie in the sea, or in another country than they say."""
    for city in cities:
        doubt = find_place_doubt(mapping(city.geometry), city.iso_country_code)
        if doubt is not None:
            text = f"city {city.key} is kept, but look at it: {doubt}"
            STDERR.print(text, style="yellow", markup=False, soft_wrap=True)


def open_cities(*, must_exist: bool = True) -> Registry:
    """Open the registry; where it need not exist, its folder is made."""
    settings = load_settings()
    if not must_exist and "://" not in settings.mobility_cities:
        Path(settings.mobility_cities).expanduser().mkdir(parents=True, exist_ok=True)
    return open_registry(settings)


def _name_key(properties: dict[str, Any], registry: Registry) -> str:
    """Give a city the slugs of its names as key, its country as written already."""
    spellings = registry.load().country_spellings
    code = str(properties.get("iso_country_code"))
    properties["country"] = spellings.get(code, properties.get("country"))
    names = (properties.get(name) for name in ("country", "state_province", "city"))
    properties["key"] = make_key(*(str(name or "") for name in names))
    return properties["key"]


def _read_json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror}") from error
