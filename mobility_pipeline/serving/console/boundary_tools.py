"""Two more ways to a boundary: look it up in OpenStreetMap, or upload a file."""

from collections.abc import Callable, Mapping
from typing import Any

from nicegui import events, ui
from shapely.geometry import mapping

from mobility_pipeline.cities.lookup import Candidate, fetch_boundary, find_boundaries
from mobility_pipeline.cities.uploads.archive import LIMITS
from mobility_pipeline.cities.uploads.boundary import Boundary, prepare_boundary
from mobility_pipeline.cities.uploads.layers import Upload, choose_layer
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.drafts import Draft
from mobility_pipeline.serving.console.layout import say
from mobility_pipeline.serving.console.who import attempt, complain

Take = Callable[[Mapping[str, Any], float | None, str], None]
"""Takes a GeoJSON geometry, metres for a circle, and the source in words."""
TakeFound = Callable[[Mapping[str, Any], str, str, str], None]
"""Takes a GeoJSON geometry, the source, a name, and where that is, all in words."""

_TOO_LARGE = f"The file is larger than {LIMITS.file_bytes // 1024 // 1024} MB."


def add_boundary_tools(
    desk: Desk, draft: Callable[[], Draft], take: Take, take_found: TakeFound
) -> None:
    """Draw both tools, closed until they are needed."""
    with ui.expansion("Look it up in OpenStreetMap", icon="search").classes("w-full"):
        _Lookup(desk, draft, take_found)
    with ui.expansion("Upload a file", icon="upload_file").classes("w-full"):
        _UploadPanel(take)


class _Lookup:
    def __init__(self, desk: Desk, draft: Callable[[], Draft], take: TakeFound) -> None:
        self._desk, self._draft, self._take = desk, draft, take
        with ui.row().classes("bar"):
            self._name = ui.input("Name, in any language").props("outlined dense")
            self._name.classes("grow").on("keydown.enter", self._search)
            self._button = ui.button("Look up", on_click=self._search)
            self._button.props("unelevated no-caps")
        self._found = ui.column().classes("w-full").style("gap: 6px")

    async def _search(self) -> None:
        draft = self._draft()
        name = self._name.value or draft.city
        if not draft.iso_country_code:
            complain("Choose the country first.")
            return
        self._button.props("loading")
        servers, country = self._desk.servers, draft.iso_country_code
        found = await attempt(lambda: find_boundaries(servers, name, country))
        self._button.props(remove="loading")
        self._found.clear()
        with self._found:
            if isinstance(found, MobilityError):
                say([str(found)], "problem")
            elif not found:
                say(
                    [f"OpenStreetMap knows no boundary called {name!r} there."], "doubt"
                )
            else:
                for candidate in found:
                    self._draw(candidate, country)

    def _draw(self, candidate: Candidate, country: str) -> None:
        size = (
            f"{candidate.area_km2:,.0f} km²" if candidate.area_km2 else "size unknown"
        )
        level = f"level {candidate.admin_level}"
        with ui.row().classes("bar no-wrap"):
            with ui.column().classes("grow").style("gap: 0"):
                ui.label(candidate.place or candidate.name or candidate.osm_id)
                ui.label(f"{level} · {size} · {candidate.osm_id}").classes("quiet")
            ui.button("Use", on_click=lambda: self._use(candidate, country)).props(
                "outline dense no-caps"
            )

    async def _use(self, candidate: Candidate, country: str) -> None:
        servers = self._desk.servers
        made = await attempt(lambda: fetch_boundary(servers, candidate.osm_id, country))
        if isinstance(made, MobilityError):
            complain(str(made))
        else:
            name = candidate.names.get("name:en") or candidate.name
            self._take(mapping(made.geometry), made.source, name, candidate.place or "")


class _UploadPanel:
    def __init__(self, take: Take) -> None:
        self._take = take
        self._upload: Upload | None = None
        ui.label("GeoJSON, GeoPackage or a zipped shapefile, at most 50 MB.").classes(
            "quiet"
        )
        self._picker = ui.upload(
            label="Choose or drop a file",
            auto_upload=True,
            max_file_size=LIMITS.file_bytes,
            on_upload=self._open,
            on_rejected=self._reject,
        ).props("flat bordered")
        self._picker.classes("w-full")
        self._file = ui.label().classes("count")
        with ui.row().classes("bar") as self._choices:
            self._layer = ui.select([], label="Layer").props("outlined dense")
            self._layer.classes("grow").on_value_change(self._prepare)
            self._crs = ui.input("CRS by hand, e.g. EPSG:32636").props(
                "outlined dense debounce=600"
            )
            self._crs.classes("grow").on_value_change(self._prepare)
            self._simplify = ui.checkbox("Simplify")
            self._simplify.on_value_change(self._prepare)
        self._choices.set_visibility(False)
        self._report = ui.column().classes("w-full").style("gap: 6px")

    async def _open(self, event: events.UploadEventArguments) -> None:
        from mobility_pipeline.cities.uploads.opening import open_upload  # loads GDAL

        name = event.file.name
        self._forget(name)
        content = await event.file.read()
        self._picker.reset()
        upload = await attempt(lambda: open_upload(content, name))
        if isinstance(upload, MobilityError):
            with self._report:
                say([str(upload)], "problem")
            return
        names = {layer.name: layer.describe() for layer in upload.layers}
        self._layer.set_options(names)  # pyright: ignore[reportUnknownMemberType]
        chosen = await attempt(lambda: choose_layer(upload))
        self._layer.set_value(
            None if isinstance(chosen, MobilityError) else chosen.name
        )
        self._crs.set_value("")
        self._simplify.set_value(False)
        self._upload = upload
        self._choices.set_visibility(True)
        await self._prepare()

    def _reject(self) -> None:
        self._forget("")
        complain(_TOO_LARGE)

    def _forget(self, file_name: str) -> None:
        """Leave nothing of the former file, whatever comes of this one."""
        self._upload = None
        self._file.set_text(file_name)
        self._choices.set_visibility(False)
        self._report.clear()

    async def _prepare(self) -> None:
        upload, name = self._upload, self._layer.value
        if upload is None:
            return
        if name is None:
            self._ask_for_layer(upload)
            return
        crs, simplify = (
            (self._crs.value or "").strip() or None,
            bool(self._simplify.value),
        )

        def prepare() -> Boundary:
            layer = choose_layer(upload, name)
            return prepare_boundary(layer, crs=crs, simplify=simplify)

        made = await attempt(prepare)
        if upload is not self._upload:  # another file came meanwhile
            return
        self._report.clear()
        with self._report:
            if isinstance(made, MobilityError):
                say([str(made)], "problem")
            else:
                self._show(upload, made)

    def _ask_for_layer(self, upload: Upload) -> None:
        self._report.clear()
        with self._report:
            listed = "; ".join(layer.describe() for layer in upload.layers)
            say([f"Choose the layer that is the boundary: {listed}"], "note")

    def _show(self, upload: Upload, made: Boundary) -> None:
        doubts = [change.text for change in made.changes if change.kind == "doubt"]
        notes = [change.text for change in made.changes if change.kind != "doubt"]
        say(doubts, "doubt")
        say(notes, "note")
        if made.offer is not None:
            say([f"Tick “Simplify”: {made.offer.describe(made.vertices)}"], "doubt")
        text = f"{made.area_km2:,.2f} km², {made.vertices:,} vertices, {made.crs}"
        source = f"uploaded {upload.file_name}, layer {made.layer}, {made.crs}"
        with ui.row().classes("bar"):
            ui.label(text).classes("grow")
            ui.button(
                "Use this boundary",
                on_click=lambda: self._take(mapping(made.geometry), None, source),
            ).props("unelevated no-caps")
