"""ISO 3166-1 codes: whether one exists, and which one an English country name means."""

from functools import cache

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


def is_country_code(code: object) -> bool:
    """Return whether this is an upper-case ISO 3166-1 alpha-2 code."""
    return isinstance(code, str) and code in _codes()


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
