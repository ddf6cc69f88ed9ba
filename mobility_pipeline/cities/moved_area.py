"""Whether a city's new area may be another city's: far off, or of quite another size."""

import shapely
from pyproj import Geod

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.diff import outline

_WGS84 = Geod(ellps="WGS84")
_MOST_TIMES = 10


def find_move_doubts(before: City, after: City) -> list[str]:
    """Say what is doubtful about a change of a city's area of interest.

    Args:
        before: as it is.
        after: as it would be; its boundary is valid.

    Returns:
        One sentence each: where the two areas share nothing, with the distance of their
        middles; where one is more than ten times the other. Empty where nothing is.
    """
    if before.boundary_sha256 == after.boundary_sha256:
        return []
    old, new = outline(before), outline(after)
    doubts: list[str] = []
    if not old.intersects(new) or not shapely.intersection(old, new).area:
        here, there = old.representative_point(), new.representative_point()
        _, _, metres = _WGS84.inv(here.x, here.y, there.x, there.y)
        doubts.append(
            f"the new area lies {metres / 1_000:,.0f} km from the old one and shares "
            "nothing with it: is it another city's?"
        )
    old_km2 = area_km2(before.geometry, before.radius_m)
    new_km2 = area_km2(after.geometry, after.radius_m)
    if new_km2 > old_km2 * _MOST_TIMES or old_km2 > new_km2 * _MOST_TIMES:
        doubts.append(
            f"the area goes from {old_km2:,.2f} to {new_km2:,.2f} km²: is that meant?"
        )
    return doubts
