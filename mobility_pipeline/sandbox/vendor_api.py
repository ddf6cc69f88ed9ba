"""The vendor's API under /v1, as its OpenAPI document and its users describe it."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from mobility_pipeline.sandbox.delivery import VENDOR_BUCKET, Order
from mobility_pipeline.sandbox.vendor_faults import (
    FaultBoard,
    happens_after,
    misbehave,
)
from mobility_pipeline.sandbox.vendor_jobs import Job, JobBook
from mobility_pipeline.sandbox.vendor_requests import (
    REQUESTS,
    AreaRequest,
    JobRequest,
)

QUOTA_TEXT = "Monthly Job Quota exceeded. Please contact your account manager."
_DELIVERED_ENDPOINT = "movement/job/pings"
"""The one product whose data is simulated; the others deliver markers only."""


@dataclass(frozen=True)
class Contract:
    """What the customer may ask for."""

    api_key: str
    max_areas: int
    max_days: int
    lag_days: int
    """Days newer than today minus this are accepted and not delivered."""

    def __repr__(self) -> str:
        """Leave the key out."""
        return f"Contract({self.max_areas} areas, {self.max_days} days)"


def build_api(contract: Contract, book: JobBook, board: FaultBoard) -> APIRouter:
    """Make the /v1 routes."""
    router = APIRouter(prefix="/v1", dependencies=[Depends(_key_check(contract))])
    for endpoint, model in REQUESTS.items():
        submit = _submit_route(endpoint, model, contract, book, board)
        router.add_api_route(f"/{endpoint}", submit, methods=["POST"])

    _add_job_routes(router, book, board)
    return router


def _add_job_routes(router: APIRouter, book: JobBook, board: FaultBoard) -> None:
    @router.get("/job")
    async def list_jobs() -> Response:
        if (error := board.take("list_errors")) is not None:
            return await misbehave(error, board.current.hang_seconds)
        return _envelope([_listed(job) for job in book.all()])

    @router.get("/job/{job_id}")
    async def poll(job_id: str) -> Response:
        if (error := board.take("poll_errors")) is not None:
            return await misbehave(error, board.current.hang_seconds)
        job = _find(book, job_id)
        return _envelope(_polled(job, book.see(job)), error_message=job.error_message)

    @router.delete("/job/{job_id}")
    async def cancel(job_id: str) -> Response:
        job = _find(book, job_id)
        book.cancel(job)
        return _envelope({"job_id": job.id, "status": job.status})

    @router.get("/job/{job_id}/preview")
    async def preview(job_id: str) -> Response:
        job = _find(book, job_id)
        if job.status != "SUCCESS" or job.delivery is None:
            return _envelope(None)
        return _envelope(vars(job.delivery.result()))


def _key_check(contract: Contract) -> Callable[..., None]:
    def check(x_api_key: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(x_api_key.encode(), contract.api_key.encode()):
            raise HTTPException(401, "Unauthorized: invalid API key")

    return check


def _submit_route(
    endpoint: str,
    model: type[JobRequest],
    contract: Contract,
    book: JobBook,
    board: FaultBoard,
) -> Callable[..., Awaitable[Response]]:
    async def submit(body: model, request: Request) -> Response:  # type: ignore[valid-type]
        book.submits += 1
        error = board.take("submit_errors")
        if error is not None and not happens_after(error):
            return await misbehave(error, board.current.hang_seconds)
        _check_limits(body, contract)
        if not book.take_quota():
            return _quota_exceeded(board.current.quota_status)
        sent = await request.json()
        job = _create(endpoint, body, sent, contract, book, board)
        if error is not None:
            return await misbehave(error, board.current.hang_seconds)
        data = {"job_id": job.id, "status": "SCHEDULED"}
        return JSONResponse({"request_id": job.request_id, "data": data})

    return submit


def _check_limits(body: JobRequest, contract: Contract) -> None:
    problems: list[tuple[Sequence[str], str]] = []
    if body.date_range.days > contract.max_days:
        problems.append((["date_range"], f"at most {contract.max_days} days per job"))
    if len(body.areas()) > contract.max_areas:
        problems.append(([], f"at most {contract.max_areas} areas per job"))
    if problems:
        raise RequestValidationError(
            [
                {"loc": ("body", *loc), "msg": text, "type": "value_error.limit"}
                for loc, text in problems
            ]
        )


def _create(
    endpoint: str,
    body: JobRequest,
    sent: dict[str, Any],
    contract: Contract,
    book: JobBook,
    board: FaultBoard,
) -> Job:
    newest = datetime.now(UTC).date() - timedelta(days=contract.lag_days)
    first = body.date_range.from_date
    asked = (first + timedelta(days=i) for i in range(body.date_range.days))
    dates: tuple[date, ...] = tuple(day for day in asked if day <= newest)
    areas = body.areas()
    order = Order(
        job_id=str(uuid4()),
        areas=areas if endpoint == _DELIVERED_ENDPOINT else (),
        dates=dates,
        schema_type=body.schema_type,
        faults=board.current,
    )
    bought_the_world = isinstance(body, AreaRequest) and not areas
    return book.create(endpoint, sent, order, bought_the_world=bought_the_world)


def _quota_exceeded(status: int) -> Response:
    if status == 200:
        return _envelope(None, error_code="QUOTA_EXCEEDED", error_message=QUOTA_TEXT)
    return JSONResponse({"detail": QUOTA_TEXT}, status)


def _find(book: JobBook, job_id: str) -> Job:
    job = book.find(job_id)
    if job is None:
        raise HTTPException(404, f"Job {job_id} not found")
    return job


def _listed(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "request_id": job.request_id,
        "status": job.status,
        "created_at": _iso(job.created_at),
        "updated_at": _iso(job.updated_at),
    }


def _polled(job: Job, status: str) -> dict[str, Any]:
    place = {"bucket": VENDOR_BUCKET, "folder_path": f"output/Sandbox/{job.id}/"}
    return {
        "status": status,
        "s3_location": place if status == "SUCCESS" else None,
        "estimated_credit": None,
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _envelope(
    data: Any,  # each route's own
    *,
    error_code: str | None = None,
    error_message: str | None = None,
) -> JSONResponse:
    return JSONResponse(
        {
            "request_id": str(uuid4()),
            "error_code": error_code,
            "error_message": error_message,
            "data": data,
        }
    )
