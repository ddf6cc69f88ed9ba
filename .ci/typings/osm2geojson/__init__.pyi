# What we use of osm2geojson, which publishes no stubs.
from typing import Any

def json2geojson(data: dict[str, Any], *, log_level: str = ...) -> dict[str, Any]: ...
