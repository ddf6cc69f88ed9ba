"""Admin routes of the simulated vendor: faults, reset, and every job as it was sent."""

from typing import Any

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from mobility_pipeline.sandbox.vendor_faults import FaultBoard, VendorFaults
from mobility_pipeline.sandbox.vendor_jobs import Job, JobBook


def build_admin(book: JobBook, board: FaultBoard) -> APIRouter:
    """Make the /_sandbox routes."""
    router = APIRouter(prefix="/_sandbox")

    @router.post("/faults")
    async def merge_faults(changes: dict[str, Any]) -> VendorFaults:
        try:
            return board.merge(changes)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error

    @router.post("/reset")
    async def reset() -> dict[str, bool]:
        board.clear()
        await run_in_threadpool(book.reset)
        return {"ok": True}

    @router.get("/jobs")
    async def list_jobs() -> dict[str, Any]:
        return {"submits": book.submits, "jobs": [_describe(job) for job in book.all()]}

    return router


def _describe(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "endpoint": job.endpoint,
        "request": job.body,
        "status": job.status,
        "polls": job.polls,
        "created_at": job.created_at.isoformat(),
        "bought_the_world": job.bought_the_world,
    }
