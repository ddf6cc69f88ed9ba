"""Small cities that one can check by eye."""

from dataclasses import replace
from typing import Any

import shapely
from shapely.geometry import shape

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import city_from_feature

KEY = "canada/british_columbia/vancouver"
VANCOUVER = (-123.1, 49.25)
BOW_TIE = [[0, 0], [0.1, 0.1], [0.1, 0], [0, 0.1], [0, 0]]


def make_square(
    longitude: float = VANCOUVER[0], latitude: float = VANCOUVER[1], size: float = 0.1
) -> dict[str, Any]:
    """A GeoJSON square whose south-west corner is the point; size in degrees."""
    west, south, east, north = longitude, latitude, longitude + size, latitude + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def make_feature(
    geometry: object = None, *, key: object = KEY, **properties: object
) -> dict[str, Any]:
    """A valid feature of Vancouver, but for what is given."""
    return {
        "type": "Feature",
        "properties": {
            "key": key,
            "country": "Canada",
            "state_province": "British Columbia",
            "city": "Vancouver",
            "iso_country_code": "CA",
            "time_zone": "America/Vancouver",
            "status": "active",
            "source": "made in a test",
            **properties,
        },
        "geometry": make_square() if geometry is None else geometry,
    }


def make_city(key: str = KEY, geometry: Any = None, **properties: object) -> City:
    """A valid city, but for what is given; anywhere, whatever its country says."""
    is_circle = geometry is not None and geometry["type"] == "Point"
    there = {"type": "Point", "coordinates": VANCOUVER} if is_circle else None
    code = properties.pop("iso_country_code", "CA")
    city = city_from_feature(make_feature(there, key=key, **properties), key)
    shape_there = city.geometry if geometry is None else shape(geometry)
    return replace(
        city, geometry=shapely.force_2d(shape_there), iso_country_code=str(code)
    )
