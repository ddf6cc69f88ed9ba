r"""Questions to the Overpass API, with whatever people type quoted.

Source: Overpass QL, wiki.openstreetmap.org/wiki/Overpass_API/Overpass_QL. Strings know the
escapes `\n`, `\t`, `\"`, `\\` and `\u` with four hex digits (a UTF-16 unit); regular
expressions are POSIX extended.
"""

import re
from collections.abc import Sequence

from mobility_pipeline.cities.boundaries import Position

TIMEOUT_S = 60
"""What a question may take on the server."""

_SETTINGS = f"[out:json][timeout:{TIMEOUT_S}];"
_ADMINISTRATIVE = '["boundary"="administrative"]'
_NAME_KEYS = "^([a-z]+_)?name(:.+)?$"
"""`name`, `name:ar`, `alt_name`, `official_name:en`, …"""
_REGEX_CHARACTERS = re.compile(r"[.\[\\()*+?{|^$]")
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def quote_string(text: str) -> str:
    """Write text as one string of Overpass QL, quotes included; nothing can end it early.

    Args:
        text: without lone surrogates, which no request can carry.
    """
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{_CONTROL_CHARACTERS.sub(_escape_unit, quoted)}"'


def ask_for_named(
    name: str, country: str, level: int | None, point: Position | None
) -> str:
    """Ask for the administrative boundaries that bear a name, in any language.

    A tag may hold several names, separated by semicolons; case does not matter.

    Args:
        name: the whole name.
        country: ISO 3166-1 alpha-2.
        level: `admin_level`; null = any.
        point: (lon, lat) that they must lie around; null = anywhere in the country.
    """
    escaped = _REGEX_CHARACTERS.sub(r"\\\g<0>", name)
    value = f"(^|;) *{escaped} *(;|$)"
    named = f"[~{quote_string(_NAME_KEYS)}~{quote_string(value)},i]"
    return _ask_for_boundaries(country, level, [point] if point else [], named)


def ask_for_around(points: Sequence[Position], country: str, level: int | None) -> str:
    """Ask for all administrative boundaries around any of these points, (lon, lat)."""
    return _ask_for_boundaries(country, level, points, "")


def ask_for_relation(number: int) -> str:
    """Ask for one relation with the geometry of its members."""
    return f"{_SETTINGS}rel({number:d});out geom;"


def _ask_for_boundaries(
    country: str, level: int | None, points: Sequence[Position], filters: str
) -> str:
    area = f'area["ISO3166-1"={quote_string(country)}]{_ADMINISTRATIVE}->.country;'
    around = "".join(f"is_in({lat:.7f},{lon:.7f});" for lon, lat in points)
    here = f"({around})->.here;" if points else ""
    of_here = "(pivot.here)" if points else ""
    of_level = "" if level is None else f'["admin_level"="{level:d}"]'
    return (
        f"{_SETTINGS}{area}{here}"
        f"rel(area.country){of_here}{_ADMINISTRATIVE}{of_level}{filters};out tags bb;"
    )


def _escape_unit(match: re.Match[str]) -> str:
    return {"\n": "\\n", "\t": "\\t"}.get(match[0], f"\\u{ord(match[0]):04x}")
