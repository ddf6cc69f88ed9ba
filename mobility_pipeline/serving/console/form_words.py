"""The problems of a city in the words of the form: its labels, not the file's members."""

from collections.abc import Iterable
from typing import NamedTuple

_LABELS = {
    "city": "City",
    "state_province": "State or province",
    "country": "Country’s name",
    "time_zone": "Time zone",
    "first_date": "First day",
    "source": "Source of the boundary",
    "geometry": "Boundary",
    "radius_m": "Radius in metres",
    "key": "Key",
}
_NO_COUNTRY = "Country is not chosen"
_MISSING = {
    "city is blank": "City is empty",
    "country is blank": _NO_COUNTRY,
    "iso_country_code '' is not an ISO 3166-1 alpha-2 code": _NO_COUNTRY,
    "time_zone '' is not an IANA time zone": (
        "Time zone is filled in from the boundary, or typed"
    ),
    "source is blank": "Source of the boundary is empty",
    "geometry is missing: it must be a Polygon, MultiPolygon or Point": (
        "Boundary is missing: draw it, look it up or upload it"
    ),
}
_NO_KEY = "is not a path like"


class FormProblems(NamedTuple):
    """Why a city can't be saved, one sentence each."""

    missing: tuple[str, ...]
    """What is not filled in yet."""
    wrong: tuple[str, ...]
    """What is filled in, and can't be so."""


def sort_problems(problems: Iterable[str]) -> FormProblems:
    """Say the problems of `find_problems` in the form's words.

    Args:
        problems: the first word of each is the member that it is about.
    """
    listed = list(problems)
    missing = dict.fromkeys(_MISSING[text] for text in listed if text in _MISSING)
    is_named = not any(text in missing for text in ("City is empty", _NO_COUNTRY))
    wrong = [
        say_in_form(text)
        for text in listed
        # Without a name there is no key: that is said already.
        if text not in _MISSING and (is_named or _NO_KEY not in text)
    ]
    return FormProblems(tuple(missing), tuple(dict.fromkeys(wrong)))


def say_in_form(problem: str) -> str:
    """Say one problem or doubt with the form's label for the member it is about."""
    member, _, rest = problem.partition(" ")
    if member == "key" and _NO_KEY in rest:
        return (
            "City, state and country make no key: each needs a letter or a digit that "
            "can be written in a-z and 0-9"
        )
    if member == "key" and "characters" in rest:
        return "City, state and country are too long together: their key " + rest
    if member == "iso_country_code":
        return f"Country {rest}"
    if member == "a" and rest.startswith("Point needs radius_m"):
        return "Radius in metres is empty, and a circle needs one"
    if member == "geometry" and rest.startswith("is not valid: "):
        return (
            f"Boundary crosses or touches itself: {rest.removeprefix('is not valid: ')}"
        )
    return f"{_LABELS[member]} {rest}" if member in _LABELS else _capital(problem)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
