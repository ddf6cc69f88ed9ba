"""Who looks at the page that is being drawn, and what goes wrong for them in words."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from nicegui import ui

from mobility_pipeline.errors import MobilityError

Result = TypeVar("Result")

# Dagster takes seconds to load, and S3 may be slow: 3 s are the library's own limit.
page = partial(ui.page, response_timeout=60)


def user_of() -> str:
    """Return who is signed in; the gate let nobody else come this far."""
    return str(ui.context.client.request.state.user)


async def attempt(function: Callable[[], Result]) -> Result | MobilityError:
    """Call what may take a while, or fail with words, outside the event loop."""

    def call() -> Result | MobilityError:
        try:
            return function()
        except MobilityError as error:
            return error

    return await asyncio.to_thread(call)


def complain(text: str) -> None:
    """Show what went wrong until somebody closes it."""
    ui.notify(text, type="negative", close_button="Close", timeout=0, multi_line=True)
