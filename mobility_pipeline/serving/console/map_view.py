"""A map to draw a boundary on: country shapes offline, OpenStreetMap's tiles when reachable.

Source: tile.openstreetmap.org (© OpenStreetMap contributors, ODbL), asked by the browser;
below it the country shapes of Natural Earth that the console ships.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import shapely
from nicegui import events, ui
from shapely.errors import ShapelyError
from shapely.geometry import mapping, shape

from mobility_pipeline.serving.console.drafts import outline

Drawn = Callable[[Mapping[str, Any], float | None], None]
"""Takes a GeoJSON geometry, and metres for a circle."""

_TILES = "https://tile.openstreetmap.org/{z}/{x}/{y}.png"
_CREDIT = (
    '© <a href="https://openstreetmap.org/copyright">OpenStreetMap</a> · Natural Earth'
)
_BOUNDARY = {"color": "#0b5c8f", "weight": 3, "fillOpacity": 0.15}
_REFUSED = {"color": "#b3261e", "weight": 3, "fillOpacity": 0.1}
_MOST_RADIUS_M = 1_000_000.0
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
_MARGIN_DEGREES = 0.01
_MOST_SHOWN = 2_000
"""Vertices of an outline that the map shows; more are simplified for the eye only."""


class MapView:
    """A Leaflet map with drawing tools, one boundary and its neighbours."""

    def __init__(self, on_drawn: Drawn) -> None:
        """Draw the map where the page is at.

        Args:
            on_drawn: called with what somebody drew.
        """
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
        self._map.on("init", self._add_countries)
        self._map.on("draw:created", self._take)
        self._shown: list[Any] = []
        self._fit: list[list[float]] | None = None

    def show(
        self,
        geometry: Mapping[str, Any] | None,
        radius_m: float | None,
        neighbours: Sequence[Mapping[str, Any]] = (),
        *,
        fit: bool = True,
    ) -> None:
        """Show a valid boundary (GeoJSON), or none, with others around it."""
        for layer in self._shown:
            self._map.remove_layer(layer)
        self._shown = [
            self._map.generic_layer(
                name="geoJSON", args=[dict(other), {"style": _NEIGHBOUR}]
            )
            for other in neighbours
        ]
        if geometry is None:
            return
        self._draw(geometry, radius_m, _BOUNDARY, fit=fit)

    def show_refused(
        self, geometry: Mapping[str, Any] | None, radius_m: float | None
    ) -> None:
        """Show a boundary that cannot be taken, in red, so that one sees why."""
        self.show(None, None)
        radius_m = None if radius_m is None else min(max(radius_m, 1), _MOST_RADIUS_M)
        # What nothing can be drawn of was never on the map.
        with suppress(ShapelyError, AttributeError, KeyError, TypeError, ValueError):
            self._draw(dict(geometry or {}), radius_m, _REFUSED, fit=False)

    def _draw(
        self,
        geometry: Mapping[str, Any],
        radius_m: float | None,
        style: Mapping[str, Any],
        *,
        fit: bool,
    ) -> None:
        area = outline(shape(dict(geometry)), radius_m)
        west, south, east, north = area.bounds
        if len(shapely.get_coordinates(area)) > _MOST_SHOWN:
            area = area.simplify((east - west) / 2_000)
        self._shown.append(
            self._map.generic_layer(
                name="geoJSON", args=[mapping(area), {"style": dict(style)}]
            )
        )
        if fit:
            self._fit = [
                [south - _MARGIN_DEGREES, west - _MARGIN_DEGREES],
                [north + _MARGIN_DEGREES, east + _MARGIN_DEGREES],
            ]
            self._go()

    def _add_countries(self) -> None:
        ui.run_javascript(_COUNTRIES % self._map.id)
        self._go()

    def _go(self) -> None:
        if self._fit is not None:
            # Its arguments have no type.
            self._map.run_map_method("fitBounds", self._fit)  # pyright: ignore[reportUnknownMemberType]

    def _take(self, event: events.GenericEventArguments) -> None:
        drawn = read_drawing(event.args)
        if drawn is not None:
            self._on_drawn(*drawn)


def read_drawing(
    arguments: Mapping[str, Any],
) -> tuple[Mapping[str, Any], float | None] | None:
    """Read what leaflet.draw says of a drawing; None where it says nothing usable.

    Returns:
        A GeoJSON geometry (lon, lat), to a centimetre; metres where it is a circle.
    """
    try:
        layer: Mapping[str, Any] = arguments["layer"]
        if arguments.get("layerType") == "circle":
            point = {"type": "Point", "coordinates": _position(layer["_latlng"])}
            return point, round(float(layer["_mRadius"]), 1)
        ring = [_position(corner) for corner in layer["_latlngs"][0]]
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    if not ring:
        return None
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, None


def _position(corner: Mapping[str, Any]) -> list[float]:
    return [round(float(corner["lng"]), 7), round(float(corner["lat"]), 7)]
