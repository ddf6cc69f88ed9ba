"""Retire a city, or ask for it again, after saying what that means."""

from nicegui import ui

from mobility_pipeline.cities.city import City
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.dialogs import confirm
from mobility_pipeline.serving.console.layout import say
from mobility_pipeline.serving.console.who import attempt, complain

_RETIRE = (
    "Nothing is asked for it any more: no requests, no daily load. Its file and its stored "
    "data stay. You can ask for it again at any time."
)
_NOT_BACKED_UP = (
    "Saved here, but not in the backup: `mobility cities backup` tries again, and says what "
    "is wrong."
)
_FORGET_SAVED = "<script>history.replaceState(null, '', location.pathname)</script>"
"""Said once: who reloads the page, or keeps its address, did not save."""
_REACTIVATE = "The daily load asks for its newest days again from the next time on."


def add_status_change(desk: Desk, user: str, city: City) -> None:
    """Draw the city's status, with the button that changes it."""
    with ui.row().classes("bar"):
        ui.badge(city.status, color="positive" if city.is_active else "grey-7").classes(
            "q-pa-xs"
        )
        ui.label(city.key).classes("quiet")
        ui.label(f"area id {city.area_id}").classes("quiet")
        ui.space()
        name = "Retire" if city.is_active else "Ask for it again"
        ui.button(name, on_click=lambda: _confirm(desk, user, city)).props(
            f"outline no-caps color={'negative' if city.is_active else 'primary'}"
        )
    saved = ui.context.client.request.query_params.get("saved")
    if saved:
        ui.add_body_html(_FORGET_SAVED)
    if saved == "here":
        say([_NOT_BACKED_UP], "doubt")
    elif saved:
        say(["Saved."], "good")


async def _confirm(desk: Desk, user: str, city: City) -> None:
    verb = "Retire" if city.is_active else "Ask again for"
    text = _RETIRE if city.is_active else _REACTIVATE
    if not await confirm(f"{verb} {city.city}?", [text], yes="Yes"):
        return
    registry = desk.open_registry(user)
    change = registry.retire if city.is_active else registry.reactivate
    done = await attempt(lambda: change(city.key))
    if isinstance(done, MobilityError):
        complain(str(done))
    else:
        ui.navigate.reload()
