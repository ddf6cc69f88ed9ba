"""Network events: read lines `imsi|cell_id|lat|lon|epoch_ms`, and use them as pings.

Shape: UTF-8, one event a line, exactly 5 fields, no header. `lat` and `lon` may both be
empty where the city's region layer is of network cells that it knows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from mobility_pipeline.analytics.devices import IMSI
from mobility_pipeline.schemas.events import EVENTS

(
    TOO_LONG,
    NOT_UTF8,
    FIELD_COUNT,
    BAD_IMSI,
    UNKNOWN_CELL,
    BAD_COORDINATES,
    BAD_TIME,
    TIME_IN_SECONDS,
) = REASONS = (
    "too_long",
    "not_utf8",
    "field_count",
    "bad_imsi",
    "unknown_cell",
    "bad_coordinates",
    "bad_time",
    "time_in_seconds",
)
"""Why a line is no event, in the order in which they are asked."""

MAX_LINE_CHARACTERS = 1_000
"""An event has some 60."""

_NAMES = ("device_id", "cell_id", "lat", "lon", "epoch_ms")
_IMSI = r"^[!-{}~]{1,64}$"
"""Printable ASCII; a phone's has 15 digits, other sources name devices otherwise."""
_FIRST = datetime(2000, 1, 1, tzinfo=UTC)
_SCHEMA = pl.DataFrame(EVENTS.schema.empty_table()).schema


@dataclass(frozen=True)
class ParsedEvents:
    """What some lines hold."""

    events: pl.DataFrame
    """Rows of `EVENTS`, sorted by its key, each once."""
    rejected: pl.DataFrame
    """`reason` and `line` of each line that is no event, in the order they came."""


def parse_events(
    lines: Sequence[str], cells: pl.DataFrame | None, newest: datetime
) -> ParsedEvents:
    """Parse lines; every line is an event or is rejected for the first reason that holds.

    * too_long: more than `MAX_LINE_CHARACTERS`; who reads lines may cut it beyond them.
    * not_utf8: holds U+FFFD, which stands for bytes that are no text.
    * field_count: not exactly 5 fields.
    * bad_imsi: empty, or with blanks or control characters inside.
    * unknown_cell: the city's network has no such cell.
    * bad_coordinates: no numbers, out of range or 0/0; or empty, without a known cell.
    * time_in_seconds: would be a time of our days, were it in seconds.
    * bad_time: no whole number, before 2000 or after `newest`.

    Args:
        lines: without line ends; blank ones are nothing and are left out.
        cells: `cell_id`, `lat`, `lon` of the city's network; None = it has no such layer,
            and cells are not judged.
        newest: later events are wrong.
    """
    frame = _split(pl.DataFrame({"line": lines}, schema={"line": pl.String}))
    if cells is not None:
        placed = cells.select("cell_id", cell_lat="lat", cell_lon="lon")
        frame = frame.join(placed, on="cell_id", how="left", maintain_order="left")
        empty = (pl.col("lat_text") == "") & (pl.col("lon_text") == "")
        frame = frame.with_columns(
            pl.when(empty).then("cell_lat").otherwise("lat").alias("lat"),
            pl.when(empty).then("cell_lon").otherwise("lon").alias("lon"),
        )
    judged = frame.with_columns(reason=_judge(cells is not None, newest))
    good = judged.filter(pl.col("reason").is_null()).with_columns(
        at=pl.from_epoch("epoch_ms", time_unit="ms")
        .cast(pl.Datetime("us"))
        .dt.replace_time_zone("UTC")
    )
    events = good.select(_SCHEMA.names()).cast(_SCHEMA).unique().sort(EVENTS.key)
    bad = judged.filter(pl.col("reason").is_not_null()).select("reason", "line")
    return ParsedEvents(events, bad)


def to_pings(events: pl.DataFrame) -> pa.Table:
    """Return events as pings: `imsi` in place of the ids, and `cell_id` besides."""
    return events.select(
        pl.col("device_id").alias(IMSI),
        pl.col("cell_id"),
        utc_timestamp="at",
        latitude="lat",
        longitude="lon",
        horizontal_accuracy=pl.lit(None, pl.Float64),
    ).to_arrow()


def _split(lines: pl.DataFrame) -> pl.DataFrame:
    fields = pl.col("line").str.split("|")
    text = [fields.list.get(n, null_on_oob=True).str.strip_chars() for n in range(5)]
    return (
        lines.filter(pl.col("line").str.strip_chars() != "")
        .with_columns(
            fields_count=fields.list.len(),
            device_id=text[0],
            cell_id=text[1],
            lat_text=text[2],
            lon_text=text[3],
            epoch_text=text[4],
        )
        .with_columns(
            # Adding zero makes 0 of -0: the same point, the same bytes.
            lat=pl.col("lat_text").cast(pl.Float64, strict=False) + 0.0,
            lon=pl.col("lon_text").cast(pl.Float64, strict=False) + 0.0,
            epoch_ms=pl.col("epoch_text").cast(pl.Int64, strict=False),
        )
    )


def _judge(has_cells: bool, newest: datetime) -> pl.Expr:
    first_ms, last_ms = _milliseconds(_FIRST), _milliseconds(newest)
    lat, lon = pl.col("lat"), pl.col("lon")
    # Null and NaN are in no range.
    is_placed = lat.is_between(-90, 90) & lon.is_between(-180, 180)
    is_placed = is_placed.fill_null(value=False) & ~((lat == 0) & (lon == 0))
    is_time = pl.col("epoch_ms").is_between(first_ms, last_ms).fill_null(value=False)
    in_seconds = pl.col("epoch_ms").is_between(first_ms // 1000, last_ms // 1000)
    unknown = pl.col("cell_lat").is_null() if has_cells else pl.lit(value=False)
    return (
        pl.when(pl.col("line").str.len_chars() > MAX_LINE_CHARACTERS)
        .then(pl.lit(TOO_LONG))
        .when(pl.col("line").str.contains("\ufffd", literal=True))
        .then(pl.lit(NOT_UTF8))
        .when(pl.col("fields_count") != len(_NAMES))
        .then(pl.lit(FIELD_COUNT))
        .when(~pl.col("device_id").str.contains(_IMSI))
        .then(pl.lit(BAD_IMSI))
        .when(unknown)
        .then(pl.lit(UNKNOWN_CELL))
        .when(~is_placed)
        .then(pl.lit(BAD_COORDINATES))
        .when(in_seconds.fill_null(value=False))
        .then(pl.lit(TIME_IN_SECONDS))
        .when(~is_time)
        .then(pl.lit(BAD_TIME))
    )


def _milliseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)
