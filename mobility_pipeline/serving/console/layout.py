"""The frame of every page: header, navigation, and one calm style."""

from collections.abc import Generator
from contextlib import contextmanager

from nicegui import Client, ui
from starlette.requests import Request
from starlette.responses import Response

from mobility_pipeline.errors import MobilityError
from mobility_pipeline.serving.console.assets_folder import read_asset
from mobility_pipeline.serving.console.who import user_of

PAGES = (
    ("Cities", "/"),
    ("Request data", "/request"),
    ("Coverage", "/coverage"),
    ("Vendor jobs", "/jobs"),
    ("Daily load", "/daily"),
)


@contextmanager
def frame(title: str, path: str, user: str) -> Generator[None]:
    """Draw what all pages share, and enter the page's own part.

    Args:
        title: of the page.
        path: its entry in `PAGES`.
        user: who is signed in.
    """
    ui.page_title(f"{title} · City console")
    ui.colors(
        primary="#0b5c8f", positive="#1b7f5a", negative="#b3261e", warning="#b26a00"
    )
    ui.add_css(read_asset("console.css").decode())
    ui.add_body_html(f"<script>{read_asset('session.js').decode()}</script>")
    with ui.header(elevated=False).classes("console-header"):
        ui.label("City console").classes("console-name")
        with ui.row().classes("console-links"):
            for name, target in PAGES:
                link = ui.link(name, target).classes("console-link")
                if target == path:
                    link.classes("console-here").props('aria-current="page"')
        with ui.element("form").props('method="post" action="/logout"').classes("out"):
            ui.label(user).classes("console-user")
            with ui.element("button").classes("console-out").props('type="submit"'):
                ui.label("Sign out")
    with ui.column().classes("console-page"):
        ui.label(title).classes("console-title").props("role=heading aria-level=1")
        yield


def say(texts: list[str], kind: str) -> None:
    """Show sentences in a box; nothing where there are none.

    Args:
        texts: one sentence each.
        kind: `problem`, `doubt`, `note` or `good`.
    """
    if texts:
        with ui.column().classes(f"say say-{kind}"):
            for text in texts:
                ui.label(text)


def show_failure(error: Exception) -> None:
    """Draw the page of what could not be read; its details are in the console's log."""
    known = isinstance(error, MobilityError)
    text = str(error) if known else "Something went wrong; the console's log says what."
    with frame("That did not work", "", user_of()):
        say([text], "problem")
        ui.link("Back to all cities", "/")


def answer_unknown_page(request: Request, _: Exception) -> Response:
    """Answer an address that the console does not have, with the way back."""
    with Client(ui.page(""), request=request) as client:
        with frame("No such page", "", user_of()):
            say(["The console has no page at this address."], "problem")
            ui.link("Back to all cities", "/")
        return client.build_response(request, 404)


def facts(rows: list[tuple[str, str]]) -> None:
    """Show names with their values."""
    with ui.element("dl").classes("facts"):
        for name, value in rows:
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                ui.label(value)


def table(columns: list[str], rows: list[list[str]], empty: str) -> None:
    """Show a small table of text; it scrolls by itself where it is too wide."""
    if not rows:
        ui.label(empty).classes("quiet")
        return
    with (
        ui.element("div").classes("wide"),
        ui.element("table").classes("plain"),
    ):
        with ui.element("thead"), ui.element("tr"):
            for column in columns:
                with ui.element("th"):
                    ui.label(column)
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    for cell in row:
                        with ui.element("td"):
                            ui.label(cell)
