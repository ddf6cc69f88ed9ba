"""The pages before signing in, and the guide: plain HTML that needs no script."""

import asyncio
from functools import cache
from html import escape
from string import Template
from urllib.parse import parse_qs

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from mobility_pipeline.cities.guide.page import render_guide
from mobility_pipeline.serving.console.assets_folder import read_asset
from mobility_pipeline.serving.console.gate import LOGIN, STATE, Gate
from mobility_pipeline.serving.console.passwords import LOCK_S, Doorkeeper
from mobility_pipeline.serving.console.sessions import Sessions

_WRONG = "Wrong name or password."
_LOCKED = (
    f"Too many wrong tries. Signing in is locked for {LOCK_S // 60} minutes from here."
)
_EXPIRED = (
    "Your session has ended: you were away for too long, or signed out. Sign in again."
)
_SIGNED_OUT = "You are signed out."


def add_sign_in(
    app: FastAPI, doorkeeper: Doorkeeper, sessions: Sessions, gate: Gate
) -> None:
    """Give an application the routes to sign in and out."""

    @app.get(LOGIN)
    def show_login(request: Request) -> Response:
        asked = request.query_params
        text = _SIGNED_OUT if "out" in asked else ""
        text = _EXPIRED if "expired" in asked else text
        return _page(text, asked.get("next", "/"), 200)

    @app.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        form = parse_qs((await request.body()).decode("utf-8", "replace"))
        user, password, target = (
            form.get(name, [""])[0] for name in ("user", "password", "next")
        )
        address = request.client.host if request.client else ""
        answer = await asyncio.to_thread(doorkeeper.ask, user, password, address)
        if answer == "right":
            cookie = gate.cookie(request, sessions.open(doorkeeper.user))
            return _go(safe_target(target), cookie)
        text, status = (_LOCKED, 429) if answer == "locked" else (_WRONG, 401)
        return _page(text, target, status)

    @app.post("/logout")
    def sign_out(request: Request) -> Response:
        sessions.close(request.state.session)
        return _go(f"{LOGIN}?out=1", gate.cookie(request, ""))

    @app.get(STATE)
    def say_signed_in() -> Response:
        return Response(status_code=204)


def add_files(app: FastAPI) -> None:
    """Give an application the guide and its template, and the shapes of countries."""

    @app.api_route("/guide", methods=["GET", "HEAD"])
    def show_guide() -> Response:
        return HTMLResponse(_guide())

    @app.api_route("/guide/", methods=["GET", "HEAD"])
    def correct_guide() -> Response:
        return RedirectResponse("/guide", status_code=308)

    @app.api_route("/guide/template.zip", methods=["GET", "HEAD"])
    async def give_template() -> Response:
        name = 'attachment; filename="boundary_template.zip"'
        return Response(
            await asyncio.to_thread(_template),
            media_type="application/zip",
            headers={"content-disposition": name},
        )

    @app.get("/countries.geojson")
    def give_countries() -> Response:
        return Response(
            read_asset("countries.geojson"), media_type="application/geo+json"
        )


def safe_target(target: str) -> str:
    """Return a path of this console to go to; anything else is the first page."""
    is_path = target.startswith("/") and target[1:2] not in ("/", "\\")
    is_plain = target.isprintable() and "\\" not in target
    return target if is_path and is_plain else "/"


def _go(target: str, cookie: str) -> Response:
    response = RedirectResponse(target, status_code=303)
    response.headers["set-cookie"] = cookie
    return response


def _page(text: str, target: str, status: int) -> Response:
    message = f'<p class="message" role="alert">{escape(text)}</p>' if text else ""
    page = Template(read_asset("login.html").decode())
    html = page.substitute(message=message, target=escape(safe_target(target)))
    headers = {"cache-control": "no-store"}
    return HTMLResponse(html, status_code=status, headers=headers)


_guide = cache(render_guide)


@cache
def _template() -> bytes:
    from mobility_pipeline.cities.guide.template import make_template  # loads GDAL

    return make_template()
