"""IANA time zones: whether one exists, and which one a point lies in.

Source: the system's or the tzdata package's zones, and timezonefinder's polygons (made
from OpenStreetMap, ODbL), which hold territorial waters too.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast
from zoneinfo import available_timezones

if TYPE_CHECKING:
    from timezonefinder import TimezoneFinder

_OPEN_SEA = "Etc/"


def is_time_zone(name: object) -> bool:
    """Return whether this is an IANA time zone's name."""
    return isinstance(name, str) and name in _names()


def find_time_zone(longitude: float, latitude: float) -> str | None:
    """Find the time zone of a point.

    Args:
        longitude: degrees, -180 to 180.
        latitude: degrees, -90 to 90.

    Returns:
        The IANA name, or None on the open sea.
    """
    name = _finder().timezone_at(lng=longitude, lat=latitude)
    return None if name is None or name.startswith(_OPEN_SEA) else name


def find_zone_country(name: str) -> str | None:
    """Find the ISO 3166-1 alpha-2 code of the country that a time zone is in."""
    return _countries().get(name)


@cache
def _countries() -> dict[str, str]:
    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line[:1] != "#"]
    return {zone: code for code, _, zone, *_ in rows}


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


@cache
def _finder() -> "TimezoneFinder":
    # Imported late: half a second that most processes never need; and a second more with
    # numba, which it takes where it can, though its own C code is as fast for us.
    with _hidden("numba"):
        from timezonefinder import TimezoneFinder

    # In memory (30 MB): mapped files stay open until the process ends, with warnings.
    return TimezoneFinder(in_memory=True)


@contextmanager
def _hidden(module: str) -> Generator[None]:
    """Let a module that nobody has loaded yet look as if it were not installed."""
    if module in sys.modules:
        yield
        return
    modules: dict[str, object] = cast("dict[str, object]", sys.modules)
    modules[module] = None
    try:
        yield
    finally:
        del modules[module]
