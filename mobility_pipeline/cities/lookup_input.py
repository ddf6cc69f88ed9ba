"""Read what people type to look up a boundary: a name, a country, a point, an id."""

import re
import unicodedata

from mobility_pipeline.cities.boundaries import Position
from mobility_pipeline.cities.countries import country_name, is_country_code
from mobility_pipeline.cities.places import is_in_country, name_place
from mobility_pipeline.cities.quoting import quote
from mobility_pipeline.errors import UsageError

MAX_NAME_LENGTH = 200

_RELATION = re.compile(r"relation/([1-9][0-9]{0,15})")


def clean_name(name: str) -> str:
    """Return a name with single blanks, in one Unicode form.

    Raises:
        UsageError: blank, too long, or not text that people write.
    """
    clean = unicodedata.normalize("NFC", " ".join(name.split()))
    if not clean:
        raise UsageError("the name to look up is blank")
    if len(clean) > MAX_NAME_LENGTH:
        raise UsageError(f"a name has at most {MAX_NAME_LENGTH} characters")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in clean):
        raise UsageError(f"the name {quote(name)} holds control characters")
    return clean


def check_country(country: str) -> None:
    """Refuse what is no ISO 3166-1 alpha-2 code.

    Raises:
        UsageError: it is none.
    """
    if not is_country_code(country):
        raise UsageError(f"{quote(country)} is not an ISO 3166-1 alpha-2 code like TR")


def check_point(point: Position, country: str) -> None:
    """Refuse a point, (lon, lat), that is nowhere or in another country.

    Raises:
        UsageError: it is; says where it is.
    """
    longitude, latitude = point
    # Not a number is not in range either.
    if not (abs(longitude) <= 180 and abs(latitude) <= 90):
        raise UsageError(f"[{longitude:g}, {latitude:g}] is not [longitude, latitude]")
    if not is_in_country(longitude, latitude, country):
        raise UsageError(
            f"[{longitude:g}, {latitude:g}] is in {name_place(longitude, latitude)}, not "
            f"in {country_name(country)}"
        )


def read_number(osm_id: str) -> int:
    """Return the number of `relation/123`.

    Raises:
        UsageError: it is not written so.
    """
    match = _RELATION.fullmatch(osm_id)
    if match is None:
        raise UsageError(
            f"{quote(osm_id)} is not an id like relation/123, as the candidates have it"
        )
    return int(match[1])
