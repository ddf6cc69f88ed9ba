import json

import pytest
from shapely.geometry import mapping, shape

from mobility_pipeline.cities.area import area_km2
from mobility_pipeline.cities.geojson import city_from_feature
from mobility_pipeline.cities.lookup import (
    boundary_feature,
    fetch_boundary,
    find_boundaries,
)
from mobility_pipeline.errors import BoundaryRefusedError, UsageError
from mobility_pipeline.settings import PROJECT
from mobility_pipeline_tests.cities.map_world import MapWorld

CHILE = ["relation/9100004", "relation/9100006", "relation/9100008"]
DOMINICAN_REPUBLIC = ["relation/9200004", "relation/9200006"]
ESENLER = ["relation/9300006", "relation/9300008"]


def shipped(key: str):  # noqa: ANN201  # any geometry
    """The geometry of a shipped city."""
    return shape(
        json.loads((PROJECT / f"cities/{key}.geojson").read_text())["geometry"]
    )


@pytest.mark.parametrize(
    ("name", "country", "osm_ids"),
    [
        ("Santiago", "CL", CHILE),
        ("Santiago", "DO", DOMINICAN_REPUBLIC),
        ("سانتياغو", "CL", CHILE[2:]),
        ("Esenler", "TR", ESENLER),
        ("  esenler ", "TR", ESENLER),
        ("Эсенлер", "TR", ESENLER[:1]),
        ("Istanbul", "TR", ["relation/9300004"]),
        ("I\u0307stanbul", "TR", ["relation/9300004"]),
        ("أبها", "SA", ["relation/9400006"]),
        ("Abha", "SA", ["relation/9400006"]),
        ("Abhā", "SA", ["relation/9400006"]),
    ],
)
def test_every_boundary_of_a_name_is_shown(
    maps: MapWorld, name: str, country: str, osm_ids: list[str]
) -> None:
    """In any language, at every level, in this country only; nothing is chosen."""
    found = find_boundaries(maps.servers, name, country)
    assert [candidate.osm_id for candidate in found] == osm_ids
    assert {candidate.found_by for candidate in found} == {"name"}


def test_candidate_says_what_it_is(maps: MapWorld) -> None:
    """Names, level, place, box, and the area of the shipped shape it was made from."""
    district, _ = find_boundaries(maps.servers, "Esenler", "TR")
    esenler = shipped("turkiye/istanbul/esenler")
    assert district.names == {
        "name": "Esenler",
        "name:en": "Esenler",
        "name:ru": "Эсенлер",
    }
    assert district.admin_level == 6
    assert district.place == "Esenler, Istanbul, Marmara Region, Türkiye"
    assert district.bbox == esenler.bounds
    assert district.area_km2 == pytest.approx(area_km2(esenler, None), rel=0.01)


def test_level_and_point_narrow(maps: MapWorld) -> None:
    """Only one level; only what lies around a point."""
    (eight,) = find_boundaries(maps.servers, "Esenler", "TR", level=8)
    assert eight.osm_id == ESENLER[1]
    inside = fetch_boundary(maps.servers, ESENLER[1], "TR").geometry
    west = shipped("turkiye/istanbul/esenler").bounds[0] + 0.004
    for point, ids in (
        ((inside.centroid.x, inside.centroid.y), ESENLER),
        ((west, 41.088), ESENLER[:1]),
    ):
        found = find_boundaries(maps.servers, "Esenler", "TR", point=point)
        assert [candidate.osm_id for candidate in found] == ids


def test_what_bears_another_name_is_found_around_its_point(maps: MapWorld) -> None:
    """Nominatim knows where Kitsilano is; which boundary around it is the user's choice."""
    found = find_boundaries(maps.servers, "Kitsilano", "CA")
    assert [candidate.name for candidate in found] == [
        "Metro Vancouver Regional District",
        "Vancouver",
    ]
    assert {candidate.found_by for candidate in found} == {"point"}


def test_nothing_is_an_empty_list(maps: MapWorld) -> None:
    """A name nobody knows has no candidates, and no error."""
    assert find_boundaries(maps.servers, "Atlantis", "KE") == []


@pytest.mark.parametrize(
    ("osm_id", "country", "key", "holes"),
    [
        ("relation/9500008", "CA", "canada/british_columbia/vancouver", 0),
        ("relation/9300004", "TR", "turkiye/istanbul/istanbul", 0),
        ("relation/9700006", "AU", "australia/victoria/melbourne", 0),
        ("relation/9400006", "SA", "saudi_arabia/asir/abha", 1),
    ],
)
def test_boundary_is_the_shape_it_was_cut_from(
    maps: MapWorld, osm_id: str, country: str, key: str, holes: int
) -> None:
    """Ways cut from a shipped city, some reversed, come together again."""
    boundary = fetch_boundary(maps.servers, osm_id, country)
    whole = shipped(key)
    assert boundary.holes == holes
    if holes:
        assert whole.contains(boundary.geometry)
        assert boundary.area_km2 < area_km2(whole, None)
    else:
        assert boundary.geometry.equals(whole)
        assert boundary.vertices == sum(
            len(part.exterior.coords) for part in getattr(whole, "geoms", [whole])
        )
    assert boundary.area_km2 == pytest.approx(area_km2(boundary.geometry, None))


def test_boundary_becomes_a_city(maps: MapWorld) -> None:
    """With its names a boundary is a valid city that says where it is from."""
    boundary = fetch_boundary(maps.servers, "relation/9400006", "SA")
    names = {"country": "Saudi Arabia", "state_province": "'Asir", "city": "أبها"}
    key = "saudi_arabia/asir/abha"
    feature = boundary_feature(
        boundary, key=key, iso_country_code="SA", time_zone="Asia/Riyadh", **names
    )
    city = city_from_feature(feature, key)
    assert "relation/9400006 as of 2026-01-05, © OpenStreetMap" in city.source
    assert mapping(city.geometry) == mapping(boundary.geometry)


def test_unclosed_relation_is_shown_without_area_and_refused(maps: MapWorld) -> None:
    """A way is missing: the candidate has no area, and fetching says where it ends."""
    (burnaby,) = find_boundaries(maps.servers, "Burnaby", "CA")
    assert burnaby.area_km2 is None
    with pytest.raises(BoundaryRefusedError, match=r"not closed: it ends at \[-12"):
        fetch_boundary(maps.servers, burnaby.osm_id, "CA")


@pytest.mark.parametrize(
    ("osm_id", "country", "words"),
    [
        ("relation/1", "TR", "there is no relation/1"),
        ("relation/9500008", "TR", "geometry is in Canada, not in Türkiye"),
        ("relation/0", "TR", "is not an id like relation/123"),
        ("relation/-5", "TR", "is not an id"),
        ("relation/9500008);out;", "TR", "is not an id"),
        ("relation/٣", "TR", "is not an id"),
        ("way/5", "TR", "is not an id"),
        ("", "TR", "is not an id"),
        ("relation/" + "9" * 99, "TR", "is not an id"),
        ("relation/9500008", "Turkey", "'Turkey' is not an ISO"),
    ],
)
def test_boundary_that_cannot_be_fetched(
    maps: MapWorld, osm_id: str, country: str, words: str
) -> None:
    """Each mistake has its sentence."""
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        fetch_boundary(maps.servers, osm_id, country)


NAN = float("nan")


@pytest.mark.parametrize(
    ("name", "country", "point", "words"),
    [
        ("", "TR", None, "is blank"),
        (" \n\t ", "TR", None, "is blank"),
        ("x" * 201, "TR", None, "at most 200"),
        ("Esen\x00ler", "TR", None, "control characters"),
        ("\ud800", "TR", None, "control characters"),
        ("Esenler", "tr", None, "'tr' is not an ISO"),
        ("Esenler", '"];', None, "is not an ISO"),
        ("Esenler", "XX", None, "'XX' is not an ISO"),
        ("Esenler", "TR", (200.0, 5.0), "is not \\[longitude, latitude\\]"),
        ("Esenler", "TR", (NAN, NAN), "is not \\[longitude, latitude\\]"),
        ("Esenler", "TR", (41.05, 28.9), "is in Saudi Arabia, not in Türkiye"),
        ("Esenler", "TR", (-30.0, 0.0), "is in the ocean, not in Türkiye"),
    ],
)
def test_bad_question_is_not_sent(
    maps: MapWorld,
    name: str,
    country: str,
    point: tuple[float, float] | None,
    words: str,
) -> None:
    """What cannot be is said at once, and no server is bothered."""
    with pytest.raises(UsageError, match=words):
        find_boundaries(maps.servers, name, country, point=point)
    assert maps.asked() == []


@pytest.mark.parametrize(
    "name",
    [
        '"];out;rel(9500008);out geom;//',
        "\\",
        ".*",
        "<script>",
        "'; DROP TABLE city",
        "(",
    ],
)
def test_quoting_in_a_name_finds_nothing(maps: MapWorld, name: str) -> None:
    """A name is text, whatever it looks like."""
    assert find_boundaries(maps.servers, name, "CA") == []
