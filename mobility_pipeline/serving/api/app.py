"""The HTTP API as one application."""

from collections.abc import Callable, Sequence
from datetime import datetime

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline
from limits import RateLimitItem

from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.classic import add_classic_routes
from mobility_pipeline.serving.api.device_lists import (
    Pseudonymize,
    add_device_list_route,
)
from mobility_pipeline.serving.api.documents import ERROR_RESPONSES
from mobility_pipeline.serving.api.errors import add_error_handlers
from mobility_pipeline.serving.api.gate import SECURITY_SCHEMES, RateLimit, make_gate
from mobility_pipeline.serving.api.heat import add_heat_routes
from mobility_pipeline.serving.api.keys import ApiKeys
from mobility_pipeline.serving.api.listings import add_listing_routes
from mobility_pipeline.serving.api.responses import HeadAsGet, Responder
from mobility_pipeline.serving.api.tables import add_table_routes

_DESCRIPTION = """
How many people were in a region in an hour, who they were, where they came from and went.

Counts are of distinct devices; those of few are null and `suppressed`, and a region's hour of
which nothing may be told has no rows, as one where nobody was. Absence is never zero: what
was not observed is 404 with the reason. Errors have one shape, `{"msg", "code", "data": null,
"detail"}`, where `code` is the HTTP status.

Hours are of the city's local time, `yyyyMMddHH`. An hour that the clock shows twice, in
autumn, means the first of the two (`fold=1`: the second); one it skips is refused.
"""


def make_app(
    answers: Answers,
    keys: ApiKeys,
    limit: RateLimitItem,
    now: Callable[[], datetime],
    pseudonymize: Pseudonymize | None = None,
) -> FastAPI:
    """Build the API.

    Args:
        answers: what is so.
        keys: who may ask.
        limit: how often each key may.
        now: the clock.
        pseudonymize: makes pseudonyms of device ids; null = lists of devices are off.
    """

    def now_s() -> float:
        return now().timestamp()

    def find_parameters(path: str) -> Sequence[str]:
        described = app.openapi()["paths"][path]["get"].get("parameters", ())
        return [parameter["name"] for parameter in described]

    # Its page at /docs needs nothing from other servers.
    app = FastAPIOffline(
        title="Mobility API", version="1", description=_DESCRIPTION, redoc_url=None
    )
    app.add_middleware(HeadAsGet)
    add_error_handlers(app)
    gate = make_gate(keys, RateLimit(limit, now_s))
    responder = Responder(now_s, find_parameters)
    router = APIRouter(dependencies=[Depends(gate)], responses=ERROR_RESPONSES)
    add_classic_routes(router, answers, responder)
    add_device_list_route(router, answers, responder, gate, pseudonymize)
    add_heat_routes(router, answers, responder)
    add_listing_routes(router, answers, responder)
    add_table_routes(router, answers, responder)
    app.include_router(router)
    _describe_keys(app)
    return app


def _describe_keys(app: FastAPI) -> None:
    """Say in the OpenAPI document that every route needs a key.

    FastAPI would do it for a security dependency, which every request then pays for.
    """
    document = app.openapi()
    document["components"]["securitySchemes"] = SECURITY_SCHEMES
    document["security"] = [{name: []} for name in SECURITY_SCHEMES]
