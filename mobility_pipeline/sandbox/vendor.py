"""The simulated vendor's process.

python -m mobility_pipeline.sandbox.vendor --s3-url http://127.0.0.1:5000 --api-key K
"""

import argparse
import socket
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from mobility_pipeline.sandbox.delivery import deliver
from mobility_pipeline.sandbox.lifeline import (
    add_process_arguments,
    announce,
    follow_stdin,
)
from mobility_pipeline.sandbox.s3_client import connect_internally
from mobility_pipeline.sandbox.simulator import Simulator
from mobility_pipeline.sandbox.vendor_admin import build_admin
from mobility_pipeline.sandbox.vendor_api import Contract, build_api
from mobility_pipeline.sandbox.vendor_faults import FaultBoard
from mobility_pipeline.sandbox.vendor_jobs import JobBook


def main() -> None:
    """Serve until terminated."""
    arguments = _parse_arguments()
    app = _build_app(arguments)
    listener = socket.create_server((arguments.host, arguments.port))
    if arguments.follow_stdin:
        follow_stdin()
    announce(arguments.host, listener.getsockname()[1])
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_process_arguments(parser)
    parser.add_argument("--s3-url", required=True)
    parser.add_argument("--api-key", required=True)
    parser.add_argument("--job-seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--pings-per-person", type=float, default=20.0)
    parser.add_argument("--files-per-day", type=int, default=6)
    parser.add_argument("--empty-day-ratio", type=float, default=0.02)
    parser.add_argument("--max-areas", type=int, default=200)
    parser.add_argument("--max-days", type=int, default=31)
    parser.add_argument("--lag-days", type=int, default=2)
    parser.add_argument("--monthly-jobs", type=int)
    parser.add_argument("--places", type=Path, help="folder of city GeoJSON files")
    return parser.parse_args()


def _build_app(arguments: argparse.Namespace) -> FastAPI:
    simulator = Simulator(
        seed=arguments.seed,
        people=arguments.people,
        pings_per_person=arguments.pings_per_person,
        known_places=arguments.places,
        empty_day_ratio=arguments.empty_day_ratio,
    )
    board = FaultBoard()
    write = partial(
        deliver,
        s3=connect_internally(arguments.s3_url),
        simulator=simulator,
        files_per_day=arguments.files_per_day,
    )
    book = JobBook(board, write, arguments.job_seconds, arguments.monthly_jobs)
    contract = Contract(
        arguments.api_key, arguments.max_areas, arguments.max_days, arguments.lag_days
    )
    app = FastAPI(title="Simulated Veraset", docs_url="/docs")
    app.include_router(build_api(contract, book, board))
    app.include_router(build_admin(book, board))
    app.add_exception_handler(RequestValidationError, _answer_422)
    return app


async def _answer_422(_: Request, error: Exception) -> JSONResponse:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    kept = [{name: p[name] for name in ("loc", "msg", "type")} for p in problems]
    return JSONResponse({"detail": kept}, 422)


if __name__ == "__main__":
    main()
