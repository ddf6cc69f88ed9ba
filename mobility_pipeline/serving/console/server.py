"""The console as one application: the gate, signing in, and the pages behind it."""

import time

import uvicorn
from fastapi import FastAPI
from nicegui import app as pages
from nicegui import ui

from mobility_pipeline.serving.console.cities_page import add_cities_page
from mobility_pipeline.serving.console.city_page import add_city_pages
from mobility_pipeline.serving.console.coverage_page import add_coverage_page
from mobility_pipeline.serving.console.daily_page import add_daily_page
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.gate import Gate
from mobility_pipeline.serving.console.jobs_page import add_jobs_page
from mobility_pipeline.serving.console.layout import answer_unknown_page, show_failure
from mobility_pipeline.serving.console.passwords import Doorkeeper
from mobility_pipeline.serving.console.request_page import add_request_page
from mobility_pipeline.serving.console.sessions import Sessions
from mobility_pipeline.serving.console.sign_in import add_files, add_sign_in


def build_console(
    desk: Desk, *, user: str, password_hash: str, secret: str, https: bool
) -> Gate:
    """Build the console.

    Args:
        desk: what its pages work with.
        user: who may sign in.
        password_hash: argon2.
        secret: signs sessions.
        https: browsers reach it by https.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    sessions = Sessions(secret, password_hash, now_s=time.time)
    gate = Gate(app, sessions, https=https)  # pyright: ignore[reportArgumentType]
    doorkeeper = Doorkeeper(user, password_hash, now_s=time.monotonic)
    add_sign_in(app, doorkeeper, sessions, gate)
    add_files(app)
    for add_page in (
        add_cities_page,
        add_city_pages,
        add_request_page,
        add_coverage_page,
        add_jobs_page,
        add_daily_page,
    ):
        add_page(desk)
    # Neither says what it takes.
    pages.on_page_exception(show_failure)  # pyright: ignore[reportUnknownMemberType]
    pages.add_exception_handler(404, answer_unknown_page)
    ui.run_with(  # pyright: ignore[reportUnknownMemberType]
        app, title="City console", favicon="🏙️", show_welcome_message=False
    )
    return gate


def serve(gate: Gate, *, host: str, port: int, https: bool) -> None:
    """Serve the console until it is stopped.

    Args:
        gate: of `build_console`.
        host: address to listen at.
        port: likewise.
        https: a proxy before us ends https; what it says of clients is believed.
    """
    uvicorn.run(
        gate,  # pyright: ignore[reportArgumentType]
        host=host,
        port=port,
        log_level="warning",
        proxy_headers=https,
        server_header=False,
        timeout_graceful_shutdown=2,
    )
