import pycountry
import pytest

from mobility_pipeline.cities.countries import (
    country_name,
    find_country_code,
    is_country_code,
)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("Canada", "CA"),
        ("  dominican republic ", "DO"),
        ("Turkey", "TR"),
        ("Türkiye", "TR"),
        ("turkiye", "TR"),
        ("TÜRKİYE", "TR"),
        ("South Korea", "KR"),
        ("Republic of Korea", "KR"),
        ("Ivory Coast", "CI"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d\u2019Ivoire", "CI"),
        ("Russia", "RU"),
        ("Bolivia", "BO"),
        ("Tanzania", "TZ"),
        ("Vietnam", "VN"),
        ("Viet Nam", "VN"),
        ("Laos", "LA"),
        ("Syria", "SY"),
        ("Iran", "IR"),
        ("Palestine", "PS"),
        ("State of Palestine", "PS"),
        ("DR Congo", "CD"),
        ("Democratic Republic of the Congo", "CD"),
        ("Republic of the Congo", "CG"),
        ("The Gambia", "GM"),
        ("St. Lucia", "LC"),
        ("Macedonia", "MK"),
        ("Moldova", "MD"),
        ("Brunei", "BN"),
        ("Taiwan", "TW"),
        ("Bosnia & Herzegovina", "BA"),
        ("USA", "US"),
        ("UK", "GB"),
        ("Curacao", "CW"),
        ("Niger", "NE"),
        ("Dominica", "DM"),
        ("Guinea", "GN"),
    ],
)
def test_everyday_name_is_found(name: str, code: str) -> None:
    """The names people write for countries lead to the right code."""
    assert find_country_code(name) == code


@pytest.mark.parametrize(
    "name", ["", "  ", "Korea", "Virgin Islands", "Atlantis", "Guine", "Kosovo", "中国"]
)
def test_no_guess(name: str) -> None:
    """A name that is unknown, misspelt or shared by countries has no code."""
    assert find_country_code(name) is None


def test_every_country_is_found_by_each_of_its_names() -> None:
    """Each name and code in pycountry leads back to its own country."""
    for country in pycountry.countries:
        for name in (country.name, country.alpha_2, country.alpha_3):
            assert find_country_code(name) == country.alpha_2


@pytest.mark.parametrize("code", ["ca", "CAN", "XX", "", None, 7, ["CA"]])
def test_only_upper_case_alpha_2_is_a_code(code: object) -> None:
    """Anything but an existing upper-case alpha-2 code is refused."""
    assert not is_country_code(code)
    assert is_country_code("CA")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("KE", "Kenya"),
        ("TZ", "Tanzania"),
        ("KR", "South Korea"),
        ("TR", "Türkiye"),
        ("CD", "Congo, The Democratic Republic of the"),
        ("VG", "Virgin Islands, British"),
    ],
)
def test_country_name_is_the_everyday_one(code: str, name: str) -> None:
    """A name is short where it is still that country's alone."""
    assert country_name(code) == name
    assert find_country_code(name) == code
