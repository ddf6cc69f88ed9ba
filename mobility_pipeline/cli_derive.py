"""`mobility derive`: make the tables of analytics for cities and local days."""

import click

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.cli_scope import read_typed_scope
from mobility_pipeline.defs.scope import Scope
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.wording import number_of


@click.command(
    help="Derive presence, flows and the other tables from pings that are in the lake. "
    "Days are local."
)
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD")
@click.option(
    "--city", "keys", multiple=True, help="A city's key; none = every active one."
)
@json_option
def derive(start: str, end: str, keys: tuple[str, ...], as_json: bool) -> int:
    """Derive, and say which city-days have no pings."""
    settings = load_settings()
    scope = read_typed_scope(settings, keys, start, end)
    run_id, failures = _run(settings, scope)
    missing = _find_missing(settings, scope)
    for line in failures:
        STDERR.print(line, style="red", markup=False, soft_wrap=True)
    document = {
        "derived": len(scope.requestable) - len(missing),
        "missing": [
            {"city": city_day.city, "date": city_day.date.isoformat()}
            for city_day in missing
        ],
        "failures": failures,
    }
    rows = [(city_day.city, city_day.date) for city_day in missing]
    title = (
        f"{number_of(document['derived'], 'city-day')} derived; Dagster run {run_id}"
    )
    answer(as_json, document, make_table(("not derived", "date"), rows, title=title))
    return MISSING if missing or failures else DONE


def _run(settings: Settings, scope: Scope) -> tuple[str, list[str]]:
    """Run the job; returns the run's id and what its steps said when they failed."""
    # Dagster takes seconds to load, and the definitions read settings when imported.
    from mobility_pipeline.definitions import defs
    from mobility_pipeline.defs import launch
    from mobility_pipeline.defs.cities import sync_city_partitions
    from mobility_pipeline.defs.derive_job import DERIVE_JOB, DERIVE_OP

    config = {
        "cities": sorted({city_day.city for city_day in scope.requestable}),
        "start": scope.start.isoformat(),
        "end": scope.end.isoformat(),
    }
    with launch.open_instance(settings.dagster_home) as instance:
        launch.close_dead_runs(instance)
        sync_city_partitions(instance, scope.known)
        return launch.run_job(
            defs.resolve_job_def(DERIVE_JOB),
            instance,
            {"ops": {DERIVE_OP: {"config": config}}},
        )


def _find_missing(settings: Settings, scope: Scope) -> list[CityDay]:
    from mobility_pipeline.resources.analytics import open_derived_tables
    from mobility_pipeline.schemas.derived import HOME_REGIONS

    tables = open_derived_tables(settings)
    return [
        city_day
        for city_day in sorted(scope.requestable)
        if tables.read_manifest(HOME_REGIONS, city_day) is None
    ]
