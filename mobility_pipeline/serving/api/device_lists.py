"""Lists of the devices in a region in an hour: off, but for operators where a setting says.

They are keyed pseudonyms, in the order of the pseudonyms: neither they nor their order tell
a device's id.
"""

from collections.abc import Callable
from typing import Annotated, Any

import polars as pl
from fastapi import APIRouter, Depends, Query, Request, Response

from mobility_pipeline.analytics.portrait import choose_people
from mobility_pipeline.errors import NotAllowedError
from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.classic import count_of, envelop
from mobility_pipeline.serving.api.documents import (
    DeviceList,
    Envelope,
    Resting,
    answered,
)
from mobility_pipeline.serving.api.formats import JSON
from mobility_pipeline.serving.api.gate import Gate
from mobility_pipeline.serving.api.keys import ApiKey
from mobility_pipeline.serving.api.paging import DEFAULT_LIMIT, MAX_LIMIT
from mobility_pipeline.serving.api.questions import (
    Fold,
    Hour,
    OptionalCityKey,
    PortraitId,
    RegionId,
)
from mobility_pipeline.serving.api.responses import Responder, Written

Pseudonymize = Callable[[pl.Series], pl.Series]
"""From device ids to keyed pseudonyms."""


def add_device_list_route(
    router: APIRouter,
    answers: Answers,
    responder: Responder,
    gate: Gate,
    pseudonymize: Pseudonymize | None,
) -> None:
    """Add the list of devices.

    Args:
        router: where to.
        answers: what is so.
        responder: writes it.
        gate: tells whose key it is.
        pseudonymize: makes pseudonyms; null = device lists are off.
    """

    @router.get(
        "/v1/userListByRegionAndTime",
        summary="Pseudonyms of the devices in a region",
        responses=answered(Envelope[DeviceList, Resting]),
    )
    async def list_users(
        request: Request,
        key: Annotated[ApiKey, Depends(gate)],
        region_id: RegionId,
        produce_hour: Hour,
        portrait_id: PortraitId = 0,
        city: OptionalCityKey = None,
        fold: Fold = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = DEFAULT_LIMIT,
        cursor: Annotated[
            str | None, Query(pattern="^[0-9a-f]{1,128}$", description="`next`.")
        ] = None,
    ) -> Response:
        """Off unless ANALYTICS_DEVICE_LISTS allows it, and for keys of scope operator."""
        make_names = pseudonymize
        if make_names is None:
            raise NotAllowedError("lists of devices are off: ANALYTICS_DEVICE_LISTS")
        if key.scope != "operator":
            raise NotAllowedError("lists of devices need a key of the scope operator")

        def make(_: str) -> Written:
            found = answers.presence(region_id, produce_hour, city, fold)
            data = count_of(found, portrait_id)
            if data["suppressed"]:
                return envelop(
                    {**data, "userList": None, "next": None}, found.provenance
                )
            here, _day = answers.device_hours(found.place, found.hour)
            people = here.filter(pl.col("region_id") == region_id)
            chosen = choose_people(people, portrait_id, answers.profiles())
            names = make_names(chosen["device_id"]).sort()
            return envelop({**data, **_page(names, cursor, limit)}, found.provenance)

        return await responder.give(request, (JSON,), make, is_secret=True)


def _page(names: pl.Series, cursor: str | None, limit: int) -> dict[str, Any]:
    start = 0 if cursor is None else names.search_sorted(cursor, "right")
    page = names.slice(start, limit).to_list()
    is_last = start + len(page) >= len(names)
    return {"userList": page, "next": None if is_last else page[-1]}
