from typing import Any

from h3ronpy import ContainmentMode

def cells_to_coordinates(arr: Any, radians: bool = False) -> Any: ...
def cells_to_wkb_polygons(
    arr: Any, radians: bool = False, link_cells: bool = False
) -> Any: ...
def coordinates_to_cells(
    latarray: Any, lngarray: Any, resarray: Any, radians: bool = False
) -> Any: ...
def geometry_to_cells(
    geom: Any,
    resolution: int,
    containment_mode: ContainmentMode = ...,
    compact: bool = False,
) -> Any: ...
