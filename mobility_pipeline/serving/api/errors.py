"""What goes wrong becomes a status and one shape, here and nowhere else.

Shape: `{"msg", "code", "data": null, "detail": {…}}`; `code` is the HTTP status.
"""

import http
import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from mobility_pipeline.errors import (
    FormatRefusedError,
    MobilityError,
    NoDataError,
    NotAllowedError,
    QuestionRefusedError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnknownPlaceError,
)

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

_STATUS: Mapping[type[MobilityError], int] = {
    UnauthenticatedError: 401,
    NotAllowedError: 403,
    UnknownPlaceError: 404,
    NoDataError: 404,
    FormatRefusedError: 406,
    QuestionRefusedError: 422,
    TooManyRequestsError: 429,
}
_BROKEN_RETRY_S = "5"
_LOG = logging.getLogger(__name__)


def add_error_handlers(app: "FastAPI") -> None:
    """Answer every error of an application in the one shape, never with a traceback."""
    app.add_exception_handler(MobilityError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_unexpected)


def refuse(
    status: int, message: str, detail: object, headers: Mapping[str, str] | None = None
) -> Response:
    """Write an error in the one shape."""
    document = {"msg": message, "code": status, "data": None, "detail": detail}
    return Response(
        json.dumps(document),
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        "application/json",
    )


async def _answer_ours(request: "Request", error: Exception) -> Response:
    for kind in type(error).__mro__:
        if kind in _STATUS:
            return refuse(
                _STATUS[kind],
                str(error),
                getattr(error, "detail", {}),
                _headers(error),
            )
    # The store failed: the caller can do nothing, we can read it in the log.
    _LOG.error("%s: %s: %s", request.url.path, type(error).__name__, error)
    message = "the data can't be read at the moment; ask again"
    return refuse(503, message, {}, {"Retry-After": _BROKEN_RETRY_S})


def _headers(error: Exception) -> dict[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, UnauthenticatedError):
        return {"WWW-Authenticate": 'ApiKey header="X-API-Key"'}
    return {}


async def _answer_validation(request: "Request", error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # how it is registered
    del request
    # What was sent is not repeated: it may be anything.
    problems = [
        {"parameter": str(found["loc"][-1]), "problem": str(found["msg"])}
        for found in error.errors()
    ]
    words = "; ".join(f"{found['parameter']}: {found['problem']}" for found in problems)
    return refuse(422, words, {"problems": problems})


async def _answer_http(request: "Request", error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # how it is registered
    status = error.status_code
    words = {
        404: f"there is no {request.url.path}: see /openapi.json",
        405: "only GET and HEAD are answered here",
    }
    message = words.get(status, http.HTTPStatus(status).phrase)
    return refuse(status, message, {}, error.headers)


async def _answer_unexpected(request: "Request", error: Exception) -> Response:
    # A defect of ours: the server logs the traceback, the caller gets none.
    del request, error
    return refuse(500, "this should not happen, and is in the server's log", {})
