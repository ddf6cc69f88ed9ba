import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.cities.keys import make_area_id, make_key


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (
            ("Canada", "British Columbia", "Vancouver"),
            "canada/british_columbia/vancouver",
        ),
        (("Italy", "Emilia-Romagna", "Bologna"), "italy/emilia_romagna/bologna"),
        (("México", "Querétaro", "Querétaro"), "mexico/queretaro/queretaro"),
        (("Türkiye", "İstanbul", "İstanbul"), "turkiye/istanbul/istanbul"),
        (("Saudi Arabia", "'Asir", "Abha"), "saudi_arabia/asir/abha"),
        (("Chile", "  ", "Santiago"), "chile/santiago"),
        (("Canada", "N/A", "St. John's"), "canada/n_a/st_john_s"),
    ],
)
def test_key_is_ascii_words(names: tuple[str, str, str], key: str) -> None:
    """Accents, apostrophes, dots and slashes become ASCII words joined by _."""
    assert make_key(*names) == key


@given(st.text(), st.text(), st.text())
def test_key_needs_no_escaping(country: str, state: str, city: str) -> None:
    """Whatever the names, a key holds a-z, 0-9, _ and two or three levels."""
    key = make_key(country, state, city)
    assert re.fullmatch(r"[a-z0-9_]*(/[a-z0-9_]*){1,2}", key)


@given(st.from_regex(r"[a-z]+(_[a-z]+){0,6}", fullmatch=True))
def test_area_id_fits_the_vendor(city: str) -> None:
    """An area id is ASCII, at most 32 characters, and ends in the boundary's hash."""
    area_id = make_area_id(f"country/{city}", "0123456789abcdef")
    assert re.fullmatch(r"[a-z_]{1,23}-01234567", area_id)
