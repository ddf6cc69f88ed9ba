"""A map to draw a boundary on: country shapes offline, OpenStreetMap's tiles when reachable.

Source: tile.openstreetmap.org (© OpenStreetMap contributors, ODbL), asked by the browser;
below it the country shapes of Natural Earth that the console ships.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import shapely
from nicegui import events, ui
from shapely.geometry import mapping, shape

from mobility_pipeline.serving.console.drafts import outline
from mobility_pipeline.serving.console.drawings import (
    in_one_piece,
    read_drawing,
    read_moved,
    spans_antimeridian,
)

Drawn = Callable[[Mapping[str, Any], float | None], None]
"""Takes a GeoJSON geometry, and metres for a circle."""
Moved = Callable[[Mapping[str, Any]], None]
"""Takes the polygon whose corners were moved."""

_TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
_CREDIT = (
    '© <a href="https://openstreetmap.org/copyright">OpenStreetMap</a> · Natural Earth'
)
_BOUNDARY = {"color": "#0b5c8f", "weight": 3, "fillOpacity": 0.15}
_REFUSED = {"color": "#b3261e", "weight": 3, "dashArray": "8 5", "fillOpacity": 0.15}
_NEIGHBOUR = {
    "color": "#8a5a00",
    "weight": 1.5,
    "dashArray": "4 4",
    "fillOpacity": 0.06,
}
_COUNTRIES = """
(async () => {
  const map = getElement(%s).map;
  if (map.getPane("countries")) return;
  map.createPane("countries").style.zIndex = 150;
  const shapes = await (await fetch("/countries.geojson")).json();
  L.geoJSON(shapes, {pane: "countries", interactive: false,
    style: {color: "#a9b7c4", weight: 1, fillColor: "#f7f5ef", fillOpacity: 1}}).addTo(map);
})();
"""
_MOVABLE = """
(() => {
  const element = getElement(%s);
  // What the library says of each corner holds the whole polygon, which nobody reads.
  element.map.off("draw:editvertex");
  element.map.eachLayer((group) => {
    if (group.id !== "%s" || !group.getLayers) return;
    for (const layer of group.getLayers()) {
      layer.editing?.enable();
      layer.on("edit", () => element.$emit("boundary:moved", layer.toGeoJSON(7).geometry));
    }
  });
})();
"""
_MARGIN_DEGREES = 0.01
_MOST_RADIUS_M = 1_000_000.0
"""Of a circle that the map shows; it is refused long before."""
_MOST_MOVABLE = 300
"""Corners of a polygon that can be moved one by one; more are too many handles."""
_MOST_SHOWN = 2_000
"""Vertices of an outline that the map shows; more are simplified for the eye only."""


class MapView:
    """A Leaflet map with drawing tools, one boundary and its neighbours."""

    def __init__(self, on_drawn: Drawn, on_moved: Moved) -> None:
        """Draw the map where the page is at.

        Args:
            on_drawn: called with what somebody drew.
            on_moved: called when somebody moved a corner of the boundary.
        """
        self._on_moved = on_moved
        self._on_drawn = on_drawn
        tools = {"polygon": True, "rectangle": True, "circle": True}
        others = {"marker": False, "polyline": False, "circlemarker": False}
        self._map = ui.leaflet(
            center=(20, 10),
            zoom=2,
            options={"worldCopyJump": True},
            draw_control={
                "draw": tools | others,
                "edit": {"edit": False, "remove": False},
            },
            hide_drawn_items=True,
        ).classes("map")
        self._map.clear_layers()
        self._map.tile_layer(
            url_template=_TILES, options={"attribution": _CREDIT, "maxZoom": 19}
        )
        self._map.on("init", self._begin)
        self._map.on("draw:created", self._take)
        self._map.on("boundary:moved", self._take_moved)
        self._shown: list[Any] = []
        self._movable: Any = None
        self._fit: list[list[float]] | None = None

    def show(
        self,
        geometry: Mapping[str, Any] | None,
        radius_m: float | None,
        neighbours: Sequence[Mapping[str, Any]] = (),
        *,
        fit: bool = True,
        is_refused: bool = False,
    ) -> None:
        """Show a boundary (GeoJSON), or none, with others around it.

        Args:
            geometry: that can be drawn at all; null = none.
            radius_m: metres, where it is a circle.
            neighbours: outlines of the cities around it.
            fit: move the map there.
            is_refused: it can't be saved, so it is shown in a warning colour.
        """
        for layer in self._shown:
            self._map.remove_layer(layer)
        self._shown, self._movable = [], None
        if radius_m is not None:
            radius_m = min(radius_m, _MOST_RADIUS_M)
        area = None if geometry is None else outline(shape(dict(geometry)), radius_m)
        is_eastward = area is not None and spans_antimeridian(area)
        for other in neighbours:
            piece = in_one_piece(shape(dict(other)), is_eastward=is_eastward or None)
            self._add(mapping(piece), _NEIGHBOUR)
        if area is None or area.is_empty:
            return
        area = in_one_piece(area)
        west, south, east, north = area.bounds
        corners = len(shapely.get_coordinates(area))
        if corners > _MOST_SHOWN:
            area = area.simplify((east - west) / 2_000)
        layer = self._add(mapping(area), _REFUSED if is_refused else _BOUNDARY)
        is_polygon = radius_m is None and area.geom_type == "Polygon"
        if is_polygon and corners <= _MOST_MOVABLE and not is_eastward:
            self._movable = layer
            self._make_movable()
        if fit:
            self._fit = [
                [south - _MARGIN_DEGREES, west - _MARGIN_DEGREES],
                [north + _MARGIN_DEGREES, east + _MARGIN_DEGREES],
            ]
            self._go()

    def _add(self, geometry: Mapping[str, Any], style: Mapping[str, Any]) -> Any:
        layer = self._map.generic_layer(
            name="geoJSON", args=[dict(geometry), {"style": dict(style)}]
        )
        self._shown.append(layer)
        return layer

    def _begin(self) -> None:
        ui.run_javascript(_COUNTRIES % self._map.id)
        self._make_movable()
        self._go()

    def _make_movable(self) -> None:
        if self._movable is not None and self._map.is_initialized:
            ui.run_javascript(_MOVABLE % (self._map.id, self._movable.id))

    def _go(self) -> None:
        if self._fit is not None:
            # Its arguments have no type.
            self._map.run_map_method("fitBounds", self._fit)  # pyright: ignore[reportUnknownMemberType]

    def _take(self, event: events.GenericEventArguments) -> None:
        drawn = read_drawing(event.args)
        if drawn is not None:
            self._on_drawn(*drawn)

    def _take_moved(self, event: events.GenericEventArguments) -> None:
        moved = read_moved(event.args)
        if moved is not None:
            self._on_moved(moved)
