"""The cities in one table: search, sort, select, and on to one of them or to their data."""

import asyncio
from datetime import date
from typing import Any
from urllib.parse import quote

from nicegui import events, ui

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.layout import frame, say
from mobility_pipeline.serving.console.who import page, user_of
from mobility_pipeline.wording import number_of

_COLUMNS = (
    ("city", "City", 170),
    ("state", "State", 150),
    ("country", "Country", 140),
    ("status", "Status", 100),
    ("km2", "Area km²", 130),
    ("first_date", "First day", 120),
    ("key", "Key", 260),
)
_SELECTED = "getElement(%s).api.getSelectedNodes().map((node) => node.data.key)"


def city_path(key: str) -> str:
    """Return the address of a city's page."""
    return f"/city/{quote(key)}"


def add_cities_page(desk: Desk) -> None:
    """Give the console its first page."""

    @page("/")
    async def show_cities() -> None:
        user = user_of()
        known = await asyncio.to_thread(desk.open_registry(user).load)
        with frame("Cities", "/", user):
            _show_refused(known)
            _show_table(desk, known)


def _show_table(desk: Desk, known: Cities) -> None:
    with ui.row().classes("bar"):
        search = ui.input(placeholder="Search name, country, key, status …")
        search.props("outlined dense clearable aria-label=Search").classes(
            "grow bg-white"
        )
        ui.button("Add a city", on_click=lambda: ui.navigate.to("/city")).props(
            "unelevated no-caps"
        )
    grid = ui.aggrid(
        {
            "columnDefs": [_column(*column) for column in _COLUMNS],
            "rowData": describe_rows(known, desk.first_day),
            "rowSelection": {"mode": "multiRow", "selectAll": "filtered"},
            ":getRowId": "(params) => params.data.key",
            "suppressCellFocus": False,
            "overlayNoRowsTemplate": "no city yet: add one",
        },
        auto_size_columns=False,
    ).classes("grid")
    with ui.row().classes("bar"):
        active = len(known.active)
        total = f"{number_of(len(known.by_key), 'city', 'cities')}, {active:,} active"
        ui.label(total).classes("quiet")
        chosen = ui.label("none selected").classes("count")
        ask = ui.button("Request data for them").props("unelevated no-caps")
        ask.set_enabled(False)

    def find(event: events.ValueChangeEventArguments[Any]) -> None:
        # Its arguments have no type.
        grid.run_grid_method("setGridOption", "quickFilterText", event.value or "")  # pyright: ignore[reportUnknownMemberType]

    async def read_selected() -> list[str]:
        # What a script answers has no type.
        return await ui.run_javascript(_SELECTED % grid.id, timeout=5)  # pyright: ignore[reportUnknownVariableType]

    async def tell() -> None:
        selected = len(await read_selected())
        chosen.set_text(f"{selected:,} selected" if selected else "none selected")
        ask.set_enabled(selected > 0)

    async def go() -> None:
        token = desk.selections.keep(await read_selected())
        ui.navigate.to(f"/request?selection={token}")

    def edit(event: events.GenericEventArguments) -> None:
        clicked: dict[str, Any] = event.args
        if clicked["colId"] in ("city", "key"):
            ui.navigate.to(city_path(str(clicked["data"]["key"])))

    search.on_value_change(find)
    grid.on("selectionChanged", tell, throttle=0.1)
    grid.on("cellClicked", edit, args=["data", "colId"])
    ask.on_click(go)


def describe_rows(known: Cities, first_day: date) -> list[dict[str, Any]]:
    """Return one row per city, as the table has them.

    Args:
        known: the registry.
        first_day: the project's, of cities that have none of their own.
    """
    return [
        {
            "city": city.city,
            "state": city.state_province,
            "country": city.country,
            "status": city.status,
            "km2": round(area_km2(city.geometry, city.radius_m), 1),
            "first_date": (city.first_date or first_day).isoformat(),
            "key": city.key,
        }
        for city in known.by_key.values()
    ]


def _column(field: str, name: str, width: int) -> dict[str, Any]:
    column: dict[str, Any] = {
        "field": field,
        "headerName": name,
        "width": width,
        "sortable": True,
        "tooltipField": field,
    }
    if field == "km2":
        column["type"] = "numericColumn"
    if field in ("city", "key"):
        column["cellStyle"] = {"color": "#0b5c8f", "cursor": "pointer"}
    if field == "key":
        column |= {"flex": 1, "minWidth": width}
    return column


def _show_refused(known: Cities) -> None:
    texts = [
        f"{city.name} can't be used: {'; '.join(city.problems)}"
        for city in known.refused
    ]
    say(texts, "problem")
