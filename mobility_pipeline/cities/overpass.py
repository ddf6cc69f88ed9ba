"""Client for the Overpass API: OpenStreetMap's data by question.

Source: dev.overpass-api.de/overpass-doc. Shape: `{"osm3s": {"timestamp_osm_base"},
"elements": [{"type", "id", "tags", "bounds", "members"}], "remark"?}`. A question that
failed half-way answers HTTP 200 and says so in `remark` (drolbr/Overpass-API issue 94);
busy is 429 or 504, with a web page; `/api/status` says when we may come again.
"""

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.errors import MapServerError, MapServerRefusedError

_SLOTS = re.compile(r"[1-9][0-9]* slots? available now")
_SLOT_IN = re.compile(r"Slot available after: \S+ in (-?[0-9]+) seconds")
_TIMED_OUT = "timed out"


class Bounds(BaseModel):
    """Degrees."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    minlat: float
    minlon: float
    maxlat: float
    maxlon: float


class Relation(BaseModel):
    """One relation, as far as it was asked for."""

    model_config = ConfigDict(frozen=True)

    type: Literal["relation"]
    id: int
    tags: dict[str, str] = {}
    bounds: Bounds | None = None
    members: list[dict[str, Any]] = []
    """Of `out geom`: `{"type", "ref", "role", "geometry": [{"lat", "lon"}…]}`."""


class Base(BaseModel):
    """The state of the data."""

    model_config = ConfigDict(frozen=True)

    timestamp_osm_base: str


class Answer(BaseModel):
    """What a question came to."""

    model_config = ConfigDict(frozen=True)

    osm3s: Base
    elements: list[Relation]
    remark: str = Field(default="")


def ask_overpass(servers: MapServers, question: str) -> Answer:
    """Ask one question in Overpass QL.

    Raises:
        MapServerError: busy, timed out, or no answer.
        MapServerRefusedError: the question is wrong, too big, or we are blocked.
    """
    return servers.ask(
        servers.overpass_url,
        {"data": question},
        _read,
        method="POST",
        find_wait=lambda: _find_wait(servers),
    )


def _read(document: object) -> Answer:
    try:
        answer = Answer.model_validate(document)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "the answer"
        raise MapServerError(
            f"Overpass sent something else than it should: {where}: {problem['msg']}"
        ) from None
    if "error" in answer.remark.lower():
        message = f"Overpass did not finish: {' '.join(answer.remark.split())}"
        if _TIMED_OUT in answer.remark:
            raise MapServerError(message)
        raise MapServerRefusedError(f"{message}; ask for less, e.g. one level")
    return answer


def _find_wait(servers: MapServers) -> float | None:
    """Ask the server's status page when it has a slot for us; None where it says not."""
    page = servers.read_page(servers.overpass_url.rpartition("/")[0] + "/status")
    if page is None:
        return None
    if _SLOTS.search(page):
        return 0.0
    waits = [float(seconds) for seconds in _SLOT_IN.findall(page)]
    return max(min(waits), 0.0) if waits else None
