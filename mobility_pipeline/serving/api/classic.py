"""The predecessor's routes: its parameters and fields; ours besides are optional.

Numbers are numbers here, where the predecessor sent strings. A hidden count is null and
`suppressed` is true.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from fastapi import APIRouter, Request, Response

from mobility_pipeline.analytics.suppression import FLOW_COUNTS
from mobility_pipeline.serving.api.answers import Answers, Found
from mobility_pipeline.serving.api.documents import (
    Count,
    Envelope,
    RegionFlows,
    RegionPortrait,
    Resting,
    answered,
)
from mobility_pipeline.serving.api.flow_answers import flow_between_hours
from mobility_pipeline.serving.api.formats import JSON, write_json
from mobility_pipeline.serving.api.provenance import Provenance
from mobility_pipeline.serving.api.questions import (
    Fold,
    Hour,
    OptionalCityKey,
    OptionalHour,
    PortraitId,
    RegionId,
)
from mobility_pipeline.serving.api.responses import Responder, Written

PORTRAIT_FIELDS: Mapping[str, int] = {
    "man": 1,
    "women": 2,
    "age_10_20": 3,
    "age_20_40": 4,
    "age_40": 5,
    "unknown": 6,
}
_FLOW_FIELDS: Mapping[str, int] = {
    "total": 0,
    "male": 1,
    "female": 2,
    "age_10_20": 3,
    "age_20_40": 4,
    "age_40_plus": 5,
    "unknown": 6,
}


def add_classic_routes(
    router: APIRouter, answers: Answers, responder: Responder
) -> None:
    """Add those of the predecessor's routes that count people of one region."""

    @router.get(
        "/v1/userCountByRegionAndTime",
        summary="People in a region in an hour",
        responses=answered(Envelope[Count, Resting]),
    )
    async def count_users(
        request: Request,
        region_id: RegionId,
        produce_hour: Hour,
        portrait_id: PortraitId = 0,
        city: OptionalCityKey = None,
        fold: Fold = 0,
    ) -> Response:
        def make(_: str) -> Written:
            found = answers.presence(region_id, produce_hour, city, fold)
            return envelop(count_of(found, portrait_id), found.provenance)

        return await responder.give(request, (JSON,), make, is_quick=True)

    @router.get(
        "/v1/regionPortrait",
        summary="Who is in a region: gender and age band",
        responses=answered(Envelope[RegionPortrait, Resting]),
    )
    async def describe_region(
        request: Request,
        region_id: RegionId,
        produce_hour: OptionalHour = None,
        city: OptionalCityKey = None,
        fold: Fold = 0,
    ) -> Response:
        def make(_: str) -> Written:
            found = answers.presence(region_id, produce_hour, city, fold)
            data = {
                "regionId": region_id,
                "regionName": found.place.names[region_id],
                "produceHour": found.hour.label,
                **portrait_of(found.rows, answers.min_devices),
            }
            return envelop(data, found.provenance)

        return await responder.give(request, (JSON,), make, is_quick=True)

    @router.get(
        "/v1/regionInflowOutflow",
        summary="People who came into a region and left it, from one hour to another",
        responses=answered(list[RegionFlows]),
    )
    async def compare_hours(
        request: Request,
        region_id: RegionId,
        start_time: Hour,
        end_time: Hour,
        city: OptionalCityKey = None,
        fold: Fold = 0,
    ) -> Response:
        """Inflow: there in the end hour, not in the start hour; outflow the reverse.

        `fold` is of `end_time`.
        """

        def make(_: str) -> Written:
            rows, provenance = flow_between_hours(
                answers, region_id, start_time, end_time, city, fold
            )
            answer = {
                **_describe_flows(rows, answers.min_devices),
                "provenance": provenance.to_document(),
            }
            return Written(write_json([answer]))

        return await responder.give(request, (JSON,), make, is_quick=True)


def envelop(data: object, provenance: Provenance) -> Written:
    """Write an answer as the predecessor did, and what it rests on."""
    return Written(
        write_json(
            {
                "msg": "",
                "code": 200,
                "data": data,
                "provenance": provenance.to_document(),
            }
        )
    )


def count_of(found: Found, portrait_id: int) -> dict[str, Any]:
    """Return the predecessor's count of a portrait."""
    k = found.provenance.min_devices
    count = _by_portrait(found.rows, "devices_count", k)[portrait_id]
    return {"cnt": count, "suppressed": count is None}


def portrait_of(rows: pl.DataFrame, k: int) -> dict[str, Any]:
    """Return the predecessor's fields of a portrait.

    Args:
        rows: `portrait_id`, `devices_count`; none where nobody was there.
        k: counts of fewer devices are hidden, those of nobody too.
    """
    counts = _by_portrait(rows, "devices_count", k)
    data: dict[str, Any] = {
        name: counts[portrait] for name, portrait in PORTRAIT_FIELDS.items()
    }
    data["pepCnt"] = counts[0]
    return {**data, "suppressed": None in counts}


def _describe_flows(rows: pl.DataFrame, k: int) -> dict[str, Any]:
    flows: dict[str, Any] = {}
    for name in FLOW_COUNTS:
        counts = _by_portrait(rows, name, k)
        flows[name.removesuffix("_count")] = {
            field: counts[portrait] for field, portrait in _FLOW_FIELDS.items()
        }
    is_hidden = any(None in counts.values() for counts in flows.values())
    return {**flows, "suppressed": is_hidden}


def _by_portrait(rows: pl.DataFrame, column: str, k: int) -> Sequence[int | None]:
    """Return the counts of the portraits 0…6; an hour with nobody has none or zeros."""
    if rows.is_empty():
        return [0 if k <= 1 else None] * 7
    return rows[column].to_list()
