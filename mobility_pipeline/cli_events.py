"""`mobility events`: ingest what a mobile network saw."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

import click

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.cli_output import (
    DONE,
    MISSING,
    STDERR,
    answer,
    json_option,
    make_table,
)
from mobility_pipeline.errors import UsageError
from mobility_pipeline.resources.clients import open_registry
from mobility_pipeline.settings import Settings, load_settings
from mobility_pipeline.wording import number_of

if TYPE_CHECKING:
    from mobility_pipeline.analytics.ingestion import Ingested

_SECONDS = "time_in_seconds"
_LINE_BYTES = 8_192
"""Longer lines are cut; at 4 bytes a character at most, they stay too long for an event."""


@click.group(help="Events of a mobile network, as lines imsi|cell_id|lat|lon|epoch_ms.")
def events() -> None:
    """Group the verbs."""


@events.command(
    help="Ingest events from a UTF-8 file, or from standard input (-). Again changes "
    "nothing; exit 1 if lines were rejected."
)
@click.argument(
    "source",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option("--city", "key", required=True, help="The city's key.")
@json_option
def ingest(source: str, key: str, as_json: bool) -> int:
    """Ingest, and say what was new and what was rejected."""
    # Polars takes a second to load, and most verbs need no events.
    from mobility_pipeline.resources.analytics import open_ingestion

    settings = load_settings()
    city = open_registry(settings).load().find(key)
    if not city.is_active:
        raise UsageError(f"city {key} is retired: nothing is ingested for it")
    done = open_ingestion(settings, city).ingest(_read(source), datetime.now(UTC))
    _tell_dagster(settings, city, done)
    document = {
        "new": done.new,
        "known": done.known,
        "rejected": dict(sorted(done.rejected.items())),
        "quarantine": [str(path) for path in done.quarantine],
        "days": [day.isoformat() for day in sorted(done.changed)],
    }
    rows = [(reason, count) for reason, count in sorted(done.rejected.items())]
    title = (
        f"{number_of(done.new, 'new event')}, {done.known:,} known, "
        f"{done.rejected.total():,} rejected; {number_of(len(done.changed), 'day')} changed"
    )
    answer(as_json, document, make_table(("rejected", "lines"), rows, title=title))
    _explain(done)
    return MISSING if done.rejected else DONE


def _read(source: str) -> Iterator[str]:
    """Yield lines without their ends; bytes that are no text become U+FFFD.

    A line that is too long is cut: a file without line ends must fit into memory, too.

    Raises:
        UsageError: it begins with what is no UTF-8 text, as compressed files do.
    """
    with click.open_file(source, "rb") as file:
        for number, line in enumerate(_split_lines(file), start=1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                if number == 1:
                    raise UsageError(
                        f"{source} does not begin with UTF-8 text, so nothing was "
                        "ingested; is it compressed?"
                    ) from None
                text = line.decode("utf-8", "replace")
            yield text.rstrip("\r\n")


def _split_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; of one that is too long, its beginning."""
    while line := file.readline(_LINE_BYTES):
        yield line
        while len(line) == _LINE_BYTES and not line.endswith(b"\n"):
            line = file.readline(_LINE_BYTES)


def _tell_dagster(settings: Settings, city: City, done: "Ingested") -> None:
    """Record the days that changed, so that what rests on them is derived anew."""
    if not done.changed:
        return
    from mobility_pipeline.defs import launch
    from mobility_pipeline.defs.analytics import events_materialization

    with launch.open_instance(settings.dagster_home) as instance:
        for day in sorted(done.changed):
            instance.report_runless_asset_event(
                events_materialization(CityDay(city.key, day))
            )


def _explain(done: "Ingested") -> None:
    for path in done.quarantine:
        STDERR.print(f"rejected lines: {path}", style="yellow", soft_wrap=True)
    if done.rejected[_SECONDS]:
        STDERR.print(
            "times must be milliseconds since 1970: those of "
            f"{number_of(done.rejected[_SECONDS], 'line')} look like seconds",
            style="yellow",
        )
