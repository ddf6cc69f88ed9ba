"""How an answer is written: JSON, CSV, GeoJSON or Parquet, as `Accept` asks."""

import io
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import polars as pl

from mobility_pipeline.errors import FormatRefusedError
from mobility_pipeline.serving.api.places import Place

JSON, CSV = "application/json", "text/csv"
GEOJSON = "application/geo+json"
PARQUET = "application/vnd.apache.parquet"
PNG = "image/png"
TABLE = (JSON, CSV, PARQUET)
"""Of tables without a region."""
REGION_TABLE = (JSON, CSV, GEOJSON, PARQUET)

Fields = Mapping[str, Any]


@lru_cache(maxsize=1024)
def choose_format(accept: str | None, offered: tuple[str, ...]) -> str:
    """Return which media type to answer with; of those equally liked, the first offered.

    Args:
        accept: the request's header; null or empty = whatever there is.
        offered: media types, the default first.

    Raises:
        FormatRefusedError: none of them is accepted.

    References:
        RFC 9110, section 12.5.1.
    """
    ranges = _read_ranges(accept or "*/*")
    liked = [(_quality(kind, ranges), -place) for place, kind in enumerate(offered)]
    quality, place = max(liked)
    if quality <= 0:
        raise FormatRefusedError(
            f"this is answered as {', '.join(offered)}: accept one of them",
            offered=[*offered],
        )
    return offered[-place]


def _read_ranges(accept: str) -> dict[str, float]:
    ranges: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (word.strip().lower() for word in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                quality = _read_quality(value)
        ranges[kind] = quality
    return ranges


def _read_quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _quality(kind: str, ranges: Mapping[str, float]) -> float:
    family = kind.partition("/")[0] + "/*"
    for name in (kind, family, "*/*"):  # the most exact one counts
        if name in ranges:
            return ranges[name]
    return 0.0


def write_json(document: object) -> bytes:
    """Write a JSON document; instants as `2025-06-11T02:00:00Z`."""
    text = json.dumps(
        document, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return text.encode()


def write_csv(rows: pl.DataFrame) -> bytes:
    """Write a header and one line per row; null is empty."""
    return rows.pipe(_with_texts).write_csv().encode()


def write_parquet(rows: pl.DataFrame) -> bytes:
    """Write a Parquet file; instants and dates keep their types."""
    file = io.BytesIO()
    rows.write_parquet(file, compression="snappy", statistics=False)
    return file.getvalue()


def write_geojson(rows: pl.DataFrame, place: Place, more: Fields) -> bytes:
    """Write a FeatureCollection (RFC 7946): one feature per row, of its region.

    Args:
        rows: with `region_id`.
        place: whose regions they are.
        more: members of the collection beside its features.
    """
    features = [
        {
            "type": "Feature",
            "geometry": place.geometries.get(fields["region_id"]),
            "properties": fields,
        }
        for fields in list_rows(rows)
    ]
    return write_json({"type": "FeatureCollection", "features": features, **more})


def list_rows(rows: pl.DataFrame) -> Sequence[dict[str, Any]]:
    """Return rows as JSON has them."""
    return rows.pipe(_with_texts).to_dicts()


def _with_texts(rows: pl.DataFrame) -> pl.DataFrame:
    instants = [name for name, kind in rows.schema.items() if kind == pl.Datetime]
    dates = [name for name, kind in rows.schema.items() if kind == pl.Date]
    return rows.with_columns(
        pl.col(instants).dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        pl.col(dates).cast(pl.String),
    )
