"""`mobility cities lookup`: administrative boundaries from OpenStreetMap."""

from typing import Any

import click

from mobility_pipeline.cities.countries import country_name, find_country_code
from mobility_pipeline.cities.lookup import (
    Boundary,
    Candidate,
    boundary_feature,
    fetch_boundary,
    find_boundaries,
)
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.cities.time_zones import find_time_zone
from mobility_pipeline.cli_cities import add_feature
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import make_map_servers
from mobility_pipeline.settings import load_settings

_HELP = """Look up the boundary of a city in OpenStreetMap, by its NAME in any language.

Lists the candidates; --osm-id shows one of them, and --add makes a city of it."""


@click.command(help=_HELP)
@click.argument("name")
@click.option("--country", required=True, help="ISO code or English name.")
@click.option("--level", type=click.IntRange(1, 12), help="Only this admin_level.")
@click.option(
    "--point", type=(float, float), metavar="LON LAT", help="That it lies around."
)
@click.option("--osm-id", metavar="relation/N", help="One of the candidates.")
@click.option("--add", is_flag=True, help="Make a city called NAME of --osm-id.")
@click.option("--state", default="", help="State or province of the city, with --add.")
@click.option("--key", help="Key of the city, with --add; else made of its names.")
@json_option
def lookup(
    name: str,
    country: str,
    level: int | None,
    point: tuple[float, float] | None,
    osm_id: str | None,
    add: bool,
    state: str,
    key: str | None,
    as_json: bool,
) -> int:
    """Find candidates, show one, or add it."""
    if osm_id is None and (add or state or key):
        raise UsageError(
            "--add, --state and --key go with --osm-id: choose a candidate"
        )
    if osm_id is not None and not add and (state or key):
        raise UsageError("--state and --key go with --add")
    code = find_country_code(country)
    if code is None:
        raise UsageError(f"--country: {country!r} is no country's code or English name")
    servers = make_map_servers(load_settings())
    if osm_id is None:
        found = find_boundaries(servers, name, code, level=level, point=point)
        return _show_candidates(found, name, code, as_json)
    return _show_boundary(servers, osm_id, name, code, (add, state, key), as_json)


def _show_candidates(
    candidates: list[Candidate], name: str, code: str, as_json: bool
) -> int:
    documents = [_candidate_document(candidate) for candidate in candidates]
    rows = [
        (
            candidate.osm_id,
            "?" if candidate.admin_level is None else candidate.admin_level,
            _name(candidate),
            "?" if candidate.area_km2 is None else f"{candidate.area_km2:,.1f}",
            candidate.place or "?",
        )
        for candidate in candidates
    ]
    where = country_name(code)
    if not candidates:
        STDERR.print(f"no boundary for {name!r} in {where}", markup=False)
    elif candidates[0].found_by == "point":
        STDERR.print(
            f"nothing in {where} is called {name!r}; these lie around it", markup=False
        )
    columns = ("osm id", "level", "name", "about km²", "place")
    title = f"{len(candidates)} candidates © OpenStreetMap contributors; see --osm-id"
    answer(as_json, {"candidates": documents}, make_table(columns, rows, title))
    return DONE if candidates else MISSING


def _show_boundary(
    servers: MapServers,
    osm_id: str,
    name: str,
    code: str,
    addition: tuple[bool, str, str | None],
    as_json: bool,
) -> int:
    boundary = fetch_boundary(servers, osm_id, code)
    document = _boundary_document(boundary)
    rows = [(title, document[title]) for title in document]
    wanted, state, key = addition
    if wanted:
        document["added"] = add_feature(
            _feature(boundary, name, code, state, key), name
        )
        rows.append(("added", document["added"]))
    answer(as_json, document, make_table(("what", "value"), rows))
    return DONE


def _feature(
    boundary: Boundary, name: str, code: str, state: str, key: str | None
) -> dict[str, Any]:
    inside = boundary.geometry.representative_point()
    return boundary_feature(
        boundary,
        key=key,
        country=country_name(code),
        state_province=state,
        city=name,
        iso_country_code=code,
        time_zone=find_time_zone(inside.x, inside.y),
    )


def _candidate_document(candidate: Candidate) -> dict[str, Any]:
    west_south_east_north = list(candidate.bbox) if candidate.bbox else None
    area = candidate.area_km2
    return {
        "osm_id": candidate.osm_id,
        "name": candidate.name,
        "names": dict(candidate.names),
        "admin_level": candidate.admin_level,
        "area_km2": None if area is None else round(area, 3),
        "place": candidate.place,
        "bbox": west_south_east_north,
        "found_by": candidate.found_by,
    }


def _boundary_document(boundary: Boundary) -> dict[str, Any]:
    return {
        "osm_id": boundary.osm_id,
        "name": boundary.name,
        "admin_level": boundary.admin_level,
        "area_km2": round(boundary.area_km2, 3),
        "vertices": boundary.vertices,
        "holes": boundary.holes,
        "source": boundary.source,
    }


def _name(candidate: Candidate) -> str:
    english = candidate.names.get("name:en", "")
    if not english or english == candidate.name:
        return candidate.name
    return f"{candidate.name} ({english})"
