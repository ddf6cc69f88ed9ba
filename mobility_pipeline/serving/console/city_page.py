"""The pages of a new city, and of each city."""

import asyncio

from nicegui import ui

from mobility_pipeline.errors import MobilityError, UnknownCityError
from mobility_pipeline.serving.console.city_editor import Editor
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.layout import frame, say
from mobility_pipeline.serving.console.who import attempt, page, user_of
from mobility_pipeline.vendor.held_areas import find_held_areas

_LONGEST_SHOWN = 80


def add_city_pages(desk: Desk) -> None:
    """Give the console the page of a new city, and of each city."""

    @page("/city")
    async def add_city() -> None:
        user = user_of()
        known = await asyncio.to_thread(desk.open_registry(user).load)
        with frame("Add a city", "/", user):
            Editor(desk, user, known, None, ()).draw()

    @page("/city/{key:path}")
    async def edit_city(key: str) -> None:
        user = user_of()
        known = await asyncio.to_thread(desk.open_registry(user).load)
        present = await attempt(lambda: known.find(key))
        if isinstance(present, MobilityError):
            is_unknown = isinstance(present, UnknownCityError)
            text = f"unknown city {shorten(key)!r}" if is_unknown else str(present)
            with frame("No such city", "/", user):
                say([text], "problem")
                ui.link("Back to all cities", "/")
            return
        held = await asyncio.to_thread(find_held_areas, desk.ledger, key)
        with frame(present.city, "/", user):
            Editor(desk, user, known, present, held).draw()


def shorten(key: str) -> str:
    """Return what an address holds as key, short enough to be shown."""
    return key if len(key) <= _LONGEST_SHOWN else f"{key[: _LONGEST_SHOWN - 1]}…"
