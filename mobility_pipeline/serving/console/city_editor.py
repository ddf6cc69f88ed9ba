"""The form and the map of one city: typing, drawing, judging, saving."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nicegui import ui
from shapely.errors import ShapelyError
from shapely.geometry import shape

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.countries import country_codes, country_name
from mobility_pipeline.cities.geojson import content_sha256
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.errors import (
    BackupFailedError,
    CityChangedError,
    MobilityError,
)
from mobility_pipeline.serving.console.boundary_tools import add_boundary_tools
from mobility_pipeline.serving.console.cities_page import city_path
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.dialogs import confirm, show_conflict
from mobility_pipeline.serving.console.drafts import (
    Draft,
    Verdict,
    complete,
    draft_of,
    fill_blanks,
    find_neighbours,
    judge,
    to_city,
)
from mobility_pipeline.serving.console.drawings import mend_drawing
from mobility_pipeline.serving.console.layout import say
from mobility_pipeline.serving.console.map_view import MapView
from mobility_pipeline.serving.console.request_page import ALSO_HELD
from mobility_pipeline.serving.console.status_change import add_status_change
from mobility_pipeline.serving.console.who import attempt, complain
from mobility_pipeline.vendor.held_areas import HeldArea, describe_left

_HOW_AGAIN = f"tick “{ALSO_HELD}” on Request data to do that"
_FIELDS = (
    ("city", "City", "As people there or your team write it"),
    ("state_province", "State or province", "Empty where there is none"),
    ("country", "Country’s name", "Filled in from the code"),
    ("time_zone", "Time zone", "Filled in from the boundary"),
    ("first_date", "First day expected", "YYYY-MM-DD, or empty"),
    ("source", "Source of the boundary", "Who made it, and how exact it is"),
)


class Editor:
    """One city in the form of one browser tab."""

    def __init__(
        self,
        desk: Desk,
        user: str,
        known: Cities,
        present: City | None,
        held: tuple[HeldArea, ...],
    ) -> None:
        """Begin with a city as it is; None = a new one."""
        self._desk, self._user, self._known = desk, user, known
        self._present, self._held = present, held
        self._draft = draft_of(present) if present else Draft()
        self._inputs: dict[str, Any] = {}
        self._mended: list[str] = []

    def draw(self) -> None:
        """Draw form and map."""
        if self._present is not None:
            add_status_change(self._desk, self._user, self._present)
        with ui.element("div").classes("two"):
            with ui.column().classes("card"):
                self._draw_form()
            with ui.column().classes("card"):
                self._map = MapView(self._take_drawing, self._take_moved)
                self._size = ui.label().classes("count")
                self._map_box = ui.column().classes("w-full").style("gap: 8px")
                self._draw_circle()
                add_boundary_tools(
                    self._desk,
                    lambda: self._draft,
                    self._take_boundary,
                    self._take_found,
                )
        self._show_boundary()
        self._tell()

    def _draw_form(self) -> None:
        codes = {code: f"{country_name(code)} ({code})" for code in country_codes()}
        code = self._draft.iso_country_code
        with ui.element("div").classes("fields"):
            country = ui.select(
                codes, value=code or None, label="Country", with_input=True
            ).props("outlined dense")
            country.classes("whole").on_value_change(
                lambda event: self._change(
                    iso_country_code=event.value or "", country=""
                )
            )
            for field, label, hint in _FIELDS:
                value = getattr(self._draft, field)
                box = ui.input(label, value=value).props(
                    f'outlined dense maxlength=200 hint="{hint}" debounce=300'
                )
                if field in ("city", "source"):
                    box.classes("whole")
                box.on_value_change(
                    lambda event, field=field: self._change(
                        **{field: event.value or ""}
                    )
                )
                self._inputs[field] = box
        self._verdict_box = ui.column().classes("w-full").style("gap: 8px")
        with ui.row().classes("bar"):
            self._save_button = ui.button("Save", on_click=self._ask_and_save)
            self._save_button.props("unelevated no-caps")
            ui.button("Back to all cities", on_click=lambda: ui.navigate.to("/")).props(
                "flat no-caps"
            )

    def _draw_circle(self) -> None:
        with ui.row().classes("bar") as self._circle_row:
            self._radius = ui.number("Radius in metres", min=1, max=100_000).props(
                "outlined dense debounce=400"
            )
            self._radius.on_value_change(lambda event: self._set_radius(event.value))

    def _set_radius(self, metres: float | None) -> None:
        if self._draft.radius_m is not None and metres != self._draft.radius_m:
            self._draft = replace(self._draft, radius_m=metres or 0.0)
            self._show_boundary(fit=False)
            self._tell()

    def _change(self, **fields: str) -> None:
        self._draft = replace(self._draft, **fields)
        self._complete()
        self._tell()

    def _complete(self) -> None:
        self._draft = complete(self._draft, self._known)
        for field, _, _ in _FIELDS:
            if self._inputs[field].value != getattr(self._draft, field):
                self._inputs[field].set_value(getattr(self._draft, field))

    def _take_drawing(
        self, geometry: Mapping[str, Any], radius_m: float | None
    ) -> None:
        whole, said = mend_drawing(geometry)
        self._take_boundary(whole, radius_m, f"drawn by {self._user} in the console")
        self._say_mended(said)

    def _take_moved(self, geometry: Mapping[str, Any]) -> None:
        """Take a boundary of which a corner was moved; the map stays where it is."""
        whole, said = mend_drawing(geometry)
        by = f"corners moved by {self._user} in the console"
        source = self._draft.source
        is_said = by in source or source.startswith("drawn by ")
        self._draft = replace(
            self._draft,
            geometry=whole,
            source=source if is_said else f"{source}; {by}".removeprefix("; "),
        )
        self._complete()
        self._show_boundary(fit=False)
        self._say_mended(said)

    def _take_found(
        self, geometry: Mapping[str, Any], source: str, name: str, place: str
    ) -> None:
        """Take what a look-up found, and the names that nobody typed yet."""
        self._draft = fill_blanks(self._draft, name, place)
        self._take_boundary(geometry, None, source)

    def _say_mended(self, said: list[str]) -> None:
        self._mended = said
        self._tell()

    def _take_boundary(
        self, geometry: Mapping[str, Any], radius_m: float | None, source: str
    ) -> None:
        self._draft = replace(
            self._draft, geometry=geometry, radius_m=radius_m, source=source
        )
        self._complete()
        self._show_boundary()
        self._say_mended([])

    def _show_boundary(self, *, fit: bool = True) -> None:
        verdict = self._verdict()
        self._circle_row.set_visibility(self._draft.radius_m is not None)
        if self._draft.radius_m is not None:
            self._radius.set_value(self._draft.radius_m)
        try:
            geometry = shape(dict(self._draft.geometry or {}))
        except (ShapelyError, ValueError, TypeError, AttributeError, KeyError):
            self._map.show(None, None)
            return
        if verdict.area_km2 is None:
            drawn = self._draft
            self._map.show(drawn.geometry, drawn.radius_m, fit=fit, is_refused=True)
            return
        around = find_neighbours(geometry, self._known, verdict.key)
        self._map.show(self._draft.geometry, self._draft.radius_m, around, fit=fit)

    def _verdict(self) -> Verdict:
        today = self._desk.now().date()
        return judge(self._draft, self._known, self._present, today)

    def _left(self) -> list[str]:
        """Say which stored days the new boundary leaves behind."""
        verdict = self._verdict()
        if self._present is None or verdict.problems or verdict.missing:
            return []
        city = to_city(self._draft, self._present)
        if city.boundary_sha256 == self._present.boundary_sha256:
            return []
        left = [area for area in self._held if area.area_id != city.area_id]
        return describe_left(left, city.area_id, _HOW_AGAIN)

    def _tell(self) -> None:
        verdict = self._verdict()
        has_begun = self._present is not None or self._draft != Draft()
        if verdict.area_km2 is not None:
            text = f"{verdict.area_km2:,.2f} km²"
        elif self._draft.geometry is not None:
            text = "This boundary can’t be saved; draw it again, or move its corners."
        else:
            text = (
                "Draw a polygon, a rectangle or a circle; or look it up, or upload it."
            )
        self._size.set_text(text)
        self._map_box.clear()
        with self._map_box:
            say([*verdict.boundary_problems], "problem")
            say(self._mended, "note")
        overlaps = [
            f"overlaps with {key}: {size:,.2f} km² are bought twice"
            for key, size in verdict.overlaps.items()
        ]
        self._verdict_box.clear()
        with self._verdict_box:
            ui.label(f"Key: {verdict.key.strip('/') or '–'}").classes("quiet")
            if has_begun:
                say([*verdict.problems], "problem")
                say([*verdict.missing], "note" if self._present is None else "problem")
            say([*verdict.doubts], "doubt")
            say([*overlaps], "doubt")
            say(self._left(), "note")
        self._save_button.set_enabled(not verdict.problems and not verdict.missing)

    async def _ask_and_save(self) -> None:
        left = self._left()
        if left and not await confirm("Change the boundary?", left, yes="Change it"):
            return
        await self._save()

    async def _save(self) -> None:
        registry = self._desk.open_registry(self._user)
        present = self._present

        def save() -> City:
            city = to_city(self._draft, present)
            if present is None:
                registry.add(city)
            else:
                registry.replace(city, expected=content_sha256(present))
            return city

        saved = await attempt(save)
        if isinstance(saved, CityChangedError):
            show_conflict()
        elif isinstance(saved, BackupFailedError):
            ui.navigate.to(f"{city_path(self._verdict().key)}?saved=here")
        elif isinstance(saved, MobilityError):
            complain(str(saved))
        else:
            ui.navigate.to(f"{city_path(saved.key)}?saved=1")
