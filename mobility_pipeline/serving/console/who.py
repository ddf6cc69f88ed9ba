"""Who looks at the page that is being drawn, and what goes wrong for them in words."""

from collections.abc import Callable
from typing import TypeVar

from nicegui import run, ui

from mobility_pipeline.errors import MobilityError

Result = TypeVar("Result")


def user_of() -> str:
    """Return who is signed in; the gate let nobody else come this far."""
    request = ui.context.client.request
    if request is None:
        raise RuntimeError("a page is only drawn for a request")
    return str(request.state.user)


async def attempt(function: Callable[[], Result]) -> Result | MobilityError:
    """Call what may take a while, or fail with words, outside the event loop."""

    def call() -> Result | MobilityError:
        try:
            return function()
        except MobilityError as error:
            return error

    return await run.io_bound(call)


def complain(text: str) -> None:
    """Show what went wrong until somebody closes it."""
    ui.notify(text, type="negative", close_button="Close", timeout=0, multi_line=True)
