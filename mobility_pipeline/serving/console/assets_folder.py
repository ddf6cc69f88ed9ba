"""The files that the console ships; `countries.geojson` says where it is from."""

from functools import cache
from importlib.resources import files


@cache
def read_asset(name: str) -> bytes:
    """Read one of the console's own files."""
    return (files("mobility_pipeline.serving.console") / "assets" / name).read_bytes()
