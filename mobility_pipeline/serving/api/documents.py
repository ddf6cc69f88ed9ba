"""What answers and errors look like, for the OpenAPI document.

The routes write their answers by themselves, since models would cost most of an answer's
time: `test_schema.py` holds the two together.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, create_model

from mobility_pipeline.lake.derived_manifest import RegionSource
from mobility_pipeline.schemas.derived import FLOWS, OD, PRESENCE, DerivedTable
from mobility_pipeline.serving.api.formats import CSV, GEOJSON, JSON, PARQUET, PNG

Data = TypeVar("Data")
Provenance = TypeVar("Provenance")
Row = TypeVar("Row")
Responses = dict[int | str, dict[str, Any]]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_CONTENT: Mapping[str, Mapping[str, Any]] = {
    CSV: {"schema": {"type": "string"}},
    GEOJSON: {
        "schema": {
            "type": "object",
            "description": "A FeatureCollection (RFC 7946): one feature per row.",
            "required": ["type", "features", "next", "provenance"],
        }
    },
    PARQUET: _BINARY,
    PNG: _BINARY,
}


class Document(BaseModel):
    """A JSON object with these members and no others."""

    model_config = ConfigDict(extra="forbid")


class Partition(Document):
    """A city-day that an answer rests on."""

    city: str
    date: date
    method_version: int
    observed_hours_count: int
    expected_hours_count: int


class MissingDay(Document):
    """A day that was asked for and is not there."""

    date: date
    reason: str


class Resting(Document):
    """What an answer rests on."""

    table: str
    method_version: int
    city: str
    regions: RegionSource | None
    partitions: list[Partition]
    missing: list[MissingDay]
    observed_hours_count: int
    expected_hours_count: int
    coverage_ratio: float | None
    k: int


class ListingRests(Document):
    """What a listing rests on."""

    table: str
    method_version: int | None = None
    k: int


class Envelope(Document, Generic[Data, Provenance]):
    """What the predecessor wrapped answers in, and what they rest on."""

    msg: Literal[""]
    code: Literal[200]
    data: Data
    provenance: Provenance


class Count(Document):
    """People; null = hidden."""

    cnt: int | None
    suppressed: bool


class DeviceList(Count):
    """Pseudonyms of them."""

    userList: list[str] | None  # noqa: N815  # as the predecessor has it
    next: str | None


class Portrait(Document):
    """People by gender and age band; null = hidden."""

    man: int | None
    women: int | None
    age_10_20: int | None
    age_20_40: int | None
    age_40: int | None
    unknown: int | None
    pepCnt: int | None  # noqa: N815
    suppressed: bool


class RegionPortrait(Portrait):
    """A region's."""

    regionId: str  # noqa: N815
    regionName: str | None  # noqa: N815
    produceHour: str  # noqa: N815


class FlowCounts(Document):
    """People who moved, by gender and age band; null = hidden."""

    total: int | None
    male: int | None
    female: int | None
    age_10_20: int | None
    age_20_40: int | None
    age_40_plus: int | None
    unknown: int | None


class RegionFlows(Document):
    """Who came into a region, left it, and stayed."""

    inflow: FlowCounts
    outflow: FlowCounts
    stay: FlowCounts
    suppressed: bool
    provenance: Resting


class RegionHeat(Document):
    """A region of a heat map; `boundary` is its largest ring, in lon/lat."""

    regionId: str  # noqa: N815
    regionName: str | None  # noqa: N815
    center: tuple[float, float]
    pepCnt: int | None  # noqa: N815
    suppressed: bool
    boundary: list[tuple[float, float]]
    geometry: dict[str, Any] | None = None


class HeatMap(Document):
    """Every region of a city, and the city as a whole."""

    city: str
    produceHour: str  # noqa: N815
    statis: Portrait
    heatDataList: list[RegionHeat]  # noqa: N815


class Items(Document, Generic[Row]):
    """A page; `next` is the cursor of the following one."""

    items: list[Row]
    next: str | None


class CityRow(Document):
    """A city."""

    city: str
    name: str
    country: str
    state_province: str | None
    time_zone: str
    first_date: date | None


class CoverageRow(Document):
    """A local day of a city."""

    city: str
    local_date: date
    state: Literal["derived", "missing"]
    reason: str | None
    observed_hours_count: int | None
    expected_hours_count: int | None
    coverage_ratio: float | None
    method_version: int | None


class Refusal(Document):
    """Every error."""

    msg: str
    """For people."""
    code: int
    """The HTTP status."""
    data: Literal[None]
    detail: dict[str, Any]
    """For programs: reasons, names, values."""


_WORDS = {
    401: "No API key, or one that is unknown or revoked.",
    403: "The key's scope, or a setting, does not allow it.",
    404: "No such city or region, or no data: `detail` says why.",
    406: "Nothing that `Accept` names can be made of it.",
    422: "A parameter is wrong.",
    429: "The key asks too often: wait for `Retry-After` seconds.",
    503: "The store can't be read at the moment.",
}
ERROR_RESPONSES: Responses = {
    status: {"model": Refusal, "description": words} for status, words in _WORDS.items()
}


def answered(model: object, offered: Sequence[str] = (JSON,)) -> Responses:
    """Describe the answer of a route.

    Args:
        model: of its JSON.
        offered: media types, JSON among them.
    """
    content = {media: _CONTENT[media] for media in offered if media != JSON}
    return {200: {"model": model, "content": content}}


def answered_as(media: str) -> Responses:
    """Describe the answer of a route that has no JSON."""
    return {200: {"content": {media: _CONTENT[media]}}}


def _row_of(table: DerivedTable) -> type[Document]:
    """Make the model of a table's rows, as they are published."""
    fields: dict[str, Any] = {"local_date": (date, ...), "suppressed": (bool, ...)}
    for column in table.schema:
        kind = _python_type(column.type)
        is_count = column.name.endswith("_count")
        fields[column.name] = (kind | None if is_count else kind, ...)
    return create_model(f"{table.name.title()}Row", __base__=Document, **fields)


def _python_type(kind: pa.DataType) -> type:
    if pa.types.is_timestamp(kind):
        return datetime
    return int if pa.types.is_integer(kind) else str


ROWS: Mapping[str, type[Document]] = {
    table.name: _row_of(table) for table in (PRESENCE, FLOWS, OD)
}
"""Table name -> the model of its rows."""
