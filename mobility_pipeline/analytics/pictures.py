"""Pictures of a city: a map of who was where in an hour, and of the flows between regions.

Drawn without tiles, and equal numbers give equal bytes. What is hidden looks different
from what is small; what was not observed is never drawn as if nobody had been there.
"""

import io
from datetime import datetime
from typing import Any

import geopandas as gpd
import numpy as np
import polars as pl
import shapely
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

_Drawn = Any
"""Figures, axes and frames: matplotlib's and geopandas' types are partial."""

_COLOURS: Any = colormaps["viridis_r"]
"""Light to dark, and told apart by colour-blind people and in grey."""
_HIDDEN: Any = {"facecolor": "#e9e9e9", "edgecolor": "white"}
_WIDTH_IN, _DPI = 8.0, 110
_FLOWS_SHOWN = 60
"""Largest flows that are drawn: more hide each other."""


def draw_presence_map(
    regions: pl.DataFrame, presence: pl.DataFrame, *, title: str, k: int
) -> bytes:
    """Draw how many devices were in each region in one hour.

    Args:
        regions: `region_id`, `boundary_wkb` (EPSG:4326) of all regions.
        presence: `region_id`, `devices_count` of one hour and portrait; a null is hidden.
            A region without row had nobody, which for k > 1 is hidden as well.
        title: city, day and hour.
        k: fewer devices than this are hidden.

    Returns:
        A PNG, 880 pixels wide.
    """
    frame = _to_geography(regions).merge(
        presence.select("region_id", "devices_count").to_pandas(),
        on="region_id",
        how="left",
    )
    figure, axes = _open_map(frame, title)
    is_shown = frame["devices_count"].notna()
    shown, hidden = frame[is_shown], frame[~is_shown]
    if len(hidden):
        hidden.plot(ax=axes, linewidth=0.4, **_HIDDEN)
    if len(shown):
        counts = shown["devices_count"].to_numpy(float)
        norm = LogNorm(max(k, 1), max(counts.max(), k + 1, 2))
        colours = _COLOURS(norm(counts))
        shown.plot(ax=axes, color=colours, edgecolor="white", linewidth=0.4)
        _add_scale(figure, axes, norm, "devices")
    word = f"fewer than {k} devices" if k > 1 else "nobody"
    axes.legend(
        handles=[Patch(label=word, linewidth=0.4, **_HIDDEN)],
        loc="upper left",
        bbox_to_anchor=(0, -0.02),
        frameon=False,
    )
    return _to_png(figure)


def draw_flows(regions: pl.DataFrame, od: pl.DataFrame, *, title: str, k: int) -> bytes:
    """Draw the largest flows between regions as arrows, thicker for more devices.

    Args:
        regions: `region_id`, `boundary_wkb`, `center_lon`, `center_lat` of all regions.
        od: `origin_region_id`, `destination_region_id`, `devices_count` of one kind; a null
            is hidden. Flows within a region are not drawn.
        title: city and day.
        k: fewer devices than this are hidden.

    Returns:
        A PNG, 880 pixels wide.
    """
    frame = _to_geography(regions)
    figure, axes = _open_map(frame, title)
    frame.plot(ax=axes, facecolor="#f7f7f7", edgecolor="#d8d8d8", linewidth=0.4)
    largest = (
        od.filter(
            pl.col("devices_count").is_not_null(),
            pl.col("origin_region_id") != pl.col("destination_region_id"),
        )
        .sort(
            ["devices_count", "origin_region_id", "destination_region_id"],
            descending=[True, False, False],
        )
        .head(_FLOWS_SHOWN)
    )
    places = {
        region: (lon, lat)
        for region, lon, lat in regions.select(
            "region_id", "center_lon", "center_lat"
        ).rows()
    }
    most = largest["devices_count"].max() if largest.height else 1
    for origin, destination, count in reversed(
        largest.select(
            "origin_region_id", "destination_region_id", "devices_count"
        ).rows()
    ):
        share = count / most
        arrow = FancyArrowPatch(
            places[origin],
            places[destination],
            connectionstyle="arc3,rad=0.18",
            arrowstyle="-|>",
            shrinkA=0,
            shrinkB=0,
            mutation_scale=6 + 6 * share,
            linewidth=0.6 + 3.4 * share,
            color=_COLOURS(0.25 + 0.75 * share),
        )
        axes.add_patch(arrow)
    said = f"the {largest.height} largest flows" if largest.height else "no flow"
    least = f" of {k} devices or more" if k > 1 else ""
    axes.text(0, -0.03, f"{said}{least}", transform=axes.transAxes, va="top")
    return _to_png(figure)


def write_hour(city: str, hour_at: datetime, local_hour: int, local_date: str) -> str:
    """Return the title of a picture of one hour."""
    return f"{city} · {local_date} {local_hour:02d}:00 local ({hour_at:%H:%M} UTC)"


def _to_geography(regions: pl.DataFrame) -> _Drawn:
    boundaries = shapely.from_wkb(regions["boundary_wkb"].to_list())
    return gpd.GeoDataFrame(
        {"region_id": regions["region_id"].to_list()},
        geometry=boundaries,
        crs="EPSG:4326",
    )


def _open_map(frame: _Drawn, title: str) -> tuple[_Drawn, _Drawn]:
    """Open a figure of the frame's shape; a degree of longitude is as long as it is there."""
    west, south, east, north = frame.total_bounds
    stretch = np.cos(np.radians((south + north) / 2))
    shape = (north - south) / max((east - west) * stretch, 1e-9)
    height = float(np.clip(_WIDTH_IN * shape * 0.85, 3.5, 11)) + 1.2
    figure: _Drawn = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_aspect(1 / stretch)
    margin = 0.03
    axes.set_xlim(west - margin * (east - west), east + margin * (east - west))
    axes.set_ylim(south - margin * (north - south), north + margin * (north - south))
    axes.set_axis_off()
    axes.set_title(title, fontsize=12, loc="left")
    return figure, axes


def _add_scale(figure: _Drawn, axes: _Drawn, norm: LogNorm, label: str) -> None:
    bar = figure.colorbar(
        ScalarMappable(norm, _COLOURS), ax=axes, shrink=0.6, aspect=24, label=label
    )
    # Few counts are powers of ten; both ends are told, and steps that look alike between.
    least, most = float(norm.vmin or 1), float(norm.vmax or 1)
    ticks = np.unique(np.geomspace(least, most, 6).round())
    bar.locator = FixedLocator(ticks.tolist())
    bar.formatter = ScalarFormatter()
    bar.minorlocator = NullLocator()


def _to_png(figure: _Drawn) -> bytes:
    picture = io.BytesIO()
    # Without the date and version of the program: equal pictures, equal bytes.
    metadata: dict[str, Any] = {"Software": None}
    figure.savefig(picture, format="png", metadata=metadata)
    return picture.getvalue()
