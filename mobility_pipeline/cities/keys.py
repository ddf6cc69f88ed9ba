"""Keys and ids of cities: ASCII, frozen, made once from the names people write."""

from slugify import slugify

AREA_SLUG_LENGTH = 23
"""With `-` and 8 hex digits an area id has 32 characters, the vendor's limit."""


def make_key(country: str, state_province: str, city: str) -> str:
    """Make the key `country/state/city`, or `country/city` where there is no state.

    Returns:
        ASCII words joined by `_`; a level that has no letter or digit stays empty,
        which validation refuses.
    """
    levels = (
        [country, state_province, city] if state_province.strip() else [country, city]
    )
    return "/".join(slugify(level, separator="_") for level in levels)


def make_area_id(key: str, boundary_sha256: str) -> str:
    """Make the id that names one boundary of a city to the vendor."""
    slug = key.rsplit("/", 1)[-1][:AREA_SLUG_LENGTH].rstrip("_")
    return f"{slug}-{boundary_sha256[:8]}"
