"""ISO 3166-1 codes: whether one exists, and which one an English country name means."""

from functools import cache
from typing import Any, TypeGuard

import pycountry
from slugify import slugify

_EVERYDAY_NAMES = {
    "brunei": "BN",
    "burma": "MM",
    "cape verde": "CV",
    "congo brazzaville": "CG",
    "congo kinshasa": "CD",
    "democratic republic of congo": "CD",
    "dr congo": "CD",
    "drc": "CD",
    "east timor": "TL",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "ivory coast": "CI",
    "macau": "MO",
    "macedonia": "MK",
    "northern ireland": "GB",
    "palestinian territories": "PS",
    "palestinian territory": "PS",
    "russia": "RU",
    "scotland": "GB",
    "south georgia": "GS",
    "swaziland": "SZ",
    "turkey": "TR",
    "uae": "AE",
    "uk": "GB",
    "vatican": "VA",
    "vatican city": "VA",
    "wales": "GB",
}
"""Names people write that ISO 3166 (pycountry) does not hold in any form."""

_ALSO_WRITTEN_AS = {
    "AU": "CC CX NF",
    "CN": "HK MO TW",
    "DK": "FO GL",
    "FI": "AX",
    "FR": "BL GF GP MF MQ NC PF PM RE TF WF YT",
    "GB": "AI BM FK GG GI GS IM IO JE KY MS PN SH TC VG",
    "IL": "PS",
    "MA": "EH",
    "NL": "AW BQ CW SX",
    "NO": "SJ",
    "NZ": "CK NU TK",
    "PS": "IL",
    "RU": "UA",
    "US": "AS GU MP PR UM VI",
}
"""Code -> codes of places that somebody writes under it: territories, disputed land.

Only to tell a slip from a choice; it judges no claim.
"""


def is_country_code(code: object) -> TypeGuard[str]:
    """Return whether this is an upper-case ISO 3166-1 alpha-2 code."""
    return isinstance(code, str) and code in _codes()


def country_codes() -> list[str]:
    """Return every alpha-2 code, in the order of the countries' names."""
    return sorted(_codes(), key=lambda code: _plain(country_name(code)))


def country_name(code: str) -> str:
    """Return the everyday English name of an alpha-2 code that exists."""
    country: Any = pycountry.countries.get(alpha_2=code)
    name: str = getattr(country, "common_name", None) or country.name
    short = name.partition(", ")[0]
    return short if find_country_code(short) == code else name


def may_be_written_as(place: str, code: str) -> bool:
    """Return whether a place of one code may be written under another one.

    Args:
        place: alpha-2 code of where it is.
        code: alpha-2 code that somebody gave it.
    """
    return place == code or place in _ALSO_WRITTEN_AS.get(code, "").split()


def find_country_code(name: str) -> str | None:
    """Find the alpha-2 code of a country by its English name, or a code of it.

    Case, accents, punctuation and a leading "the" do not matter. Never a guess: a name
    that several countries share (Korea, Virgin Islands) has no answer, and pycountry's
    fuzzy search is not used, because it finds North Korea for "Republic of Korea".

    Returns:
        The code, or None where the name is unknown or ambiguous.
    """
    return _codes_by_name().get(_plain(name))


@cache
def _codes() -> frozenset[str]:
    return frozenset(country.alpha_2 for country in pycountry.countries)


@cache
def _codes_by_name() -> dict[str, str]:
    exact: dict[str, str] = {}
    shortened: dict[str, set[str]] = {}
    for country in pycountry.countries:
        code: str = country.alpha_2
        official: str = getattr(country, "official_name", "")
        common: str = getattr(country, "common_name", "")
        for name in (country.name, common, official, code, country.alpha_3):
            exact[_plain(name)] = code
            for short in _short_forms(name):
                shortened.setdefault(_plain(short), set()).add(code)
    unambiguous = {
        name: next(iter(codes)) for name, codes in shortened.items() if len(codes) == 1
    }
    found = {**unambiguous, **_EVERYDAY_NAMES, **exact}
    found.pop("", None)
    return found


def _short_forms(name: str) -> list[str]:
    """Turn "Iran, Islamic Republic of" into "Islamic Republic of Iran" and "Iran"."""
    without_brackets = name.partition(" (")[0]
    head, _, tail = without_brackets.partition(", ")
    return [without_brackets, head, f"{tail} {head}"]


def _plain(name: str) -> str:
    plain = slugify(name, separator=" ", replacements=[["&", " and "], ["'", ""]])
    plain = plain.replace("st ", "saint ", 1) if plain.startswith("st ") else plain
    return plain.removeprefix("the ")
