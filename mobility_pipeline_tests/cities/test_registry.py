import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import obstore
import pytest

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import content_sha256, dump_geojson
from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.errors import (
    CityChangedError,
    CityRefusedError,
    ConfigurationError,
    UnknownCityError,
)
from mobility_pipeline_tests.cities.examples import (
    BOW_TIE,
    KEY,
    make_city,
    make_feature,
    make_square,
)
from mobility_pipeline_tests.cities.registries import make_history, open_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ObjectStore

RENCA = "chile/santiago/renca"
CHILE = {
    "country": "Chile",
    "iso_country_code": "CL",
    "time_zone": "America/Santiago",
}


def put(store: "ObjectStore", key: str, document: object) -> None:
    """Store a city's file as somebody else would, unchecked."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    obstore.put(store, f"{key}.geojson", content)


def test_empty_registry(registry: Registry) -> None:
    """Nothing stored is no city, and no error."""
    cities = registry.load()
    assert (dict(cities.by_key), cities.refused) == ({}, ())


def test_added_cities_are_loaded(registry: Registry) -> None:
    """What is added comes back equal, sorted by key."""
    renca = make_city(RENCA, make_square(-70.7, -33.4), **CHILE)
    registry.add(renca)
    registry.add(make_city())
    cities = registry.load()
    assert list(cities.by_key.items()) == [(KEY, make_city()), (RENCA, renca)]
    assert cities.refused == ()


def test_bad_files_hide_no_other(store: "ObjectStore", registry: Registry) -> None:
    """Each bad file is refused by name with its problems; the others go on."""
    registry.add(make_city())
    crossing = {"type": "Polygon", "coordinates": [BOW_TIE]}
    put(store, "a/broken", b"{")
    put(store, "a/latin", "Córdoba".encode("latin-1"))
    put(store, "a/crossing", make_feature(crossing, key="a/crossing", city=""))
    put(store, "a/moved", make_feature(key="a/elsewhere"))
    put(store, "Odd Näme%20", make_feature(key="Odd Näme%20"))
    put(store, "a/empty", b"")
    cities = registry.load()
    assert list(cities.by_key) == [KEY]
    problems = {city.name: city.problems for city in cities.refused}
    names = ["a/broken", "a/crossing", "a/empty", "a/latin", "a/moved"]
    assert list(problems) == ["Odd Näme%20", *names]
    assert len(problems["a/crossing"]) == 2


def test_other_files_are_ignored(store: "ObjectStore", registry: Registry) -> None:
    """Only .geojson files are cities."""
    obstore.put(store, "README.md", b"about")
    obstore.put(store, "canada/vancouver.geojson.bak", b"{")
    assert registry.load().refused == ()


def test_conflicting_file_is_refused(store: "ObjectStore", registry: Registry) -> None:
    """A file that is the parent path of a city is refused, the city is not."""
    for key in ("chile/santiago", RENCA):
        put(store, key, make_feature(make_square(-70.7, -33.4), key=key, **CHILE))
    cities = registry.load()
    assert list(cities.by_key) == [RENCA]
    assert [city.name for city in cities.refused] == ["chile/santiago"]


def test_add_names_every_problem(registry: Registry) -> None:
    """A bad city is not stored, and all its problems are told at once."""
    city = replace(make_city(), city=" ", iso_country_code="XX", time_zone="Nowhere")
    with pytest.raises(CityRefusedError) as caught:
        registry.add(city)
    assert len(caught.value.problems) == 3
    assert not registry.load().by_key


def test_add_all_stores_what_goes_together_and_names_the_rest(
    registry: Registry,
) -> None:
    """Of a new city, one that exists and one below it, the first is added."""
    parent = make_city("chile/santiago")
    registry.add(parent)
    below = make_city(RENCA, make_square(size=0.2))
    new = make_city("chile/arica", make_square(size=0.3))
    refused = registry.add_all([parent, below, new])
    assert sorted(city.name for city in refused) == [parent.key, below.key]
    assert all(city.problems for city in refused)
    assert set(registry.load().by_key) == {parent.key, new.key}


def test_add_twice_is_refused(store: "ObjectStore", registry: Registry) -> None:
    """A key is taken by a city, and by a file that is refused."""
    registry.add(make_city())
    put(store, RENCA, b"{")
    for city in (make_city(), make_city(RENCA, make_square(size=0.2))):
        with pytest.raises(CityRefusedError, match="exists already"):
            registry.add(city)


@pytest.mark.parametrize("keys", [("chile/santiago", RENCA), (RENCA, "chile/santiago")])
def test_add_refuses_parent_paths(registry: Registry, keys: tuple[str, str]) -> None:
    """Neither the parent nor the child of a city can be added."""
    here = make_square(-70.7, -33.4)
    registry.add(make_city(keys[0], here, **CHILE))
    with pytest.raises(CityRefusedError, match="key chile/santiago"):
        registry.add(make_city(keys[1], here, **CHILE))
    assert list(registry.load().by_key) == [keys[0]]


def test_add_refuses_the_area_of_a_retired_city(registry: Registry) -> None:
    """An area id stays taken when its city retires."""
    registry.add(make_city())
    registry.retire(KEY)
    with pytest.raises(CityRefusedError, match="area_id"):
        registry.add(make_city("canada/vancouver"))


def edit(registry: Registry, city: City) -> None:
    """Replace a city by somebody who has just looked at it."""
    present = registry.load().find(city.key)
    registry.replace(city, expected=content_sha256(present))


def test_edit_replaces(registry: Registry) -> None:
    """Names and boundary may change."""
    registry.add(make_city(legacy_prefix="canada/van"))
    changed = make_city(
        geometry=make_square(size=0.2), city="Big Van", legacy_prefix="canada/van"
    )
    edit(registry, changed)
    assert registry.load().by_key == {KEY: changed}


def test_edit_keeps_the_legacy_prefix(registry: Registry) -> None:
    """Where old data lies cannot be edited away."""
    registry.add(make_city(legacy_prefix="canada/van"))
    with pytest.raises(CityRefusedError, match="legacy_prefix is frozen"):
        edit(registry, make_city())


def test_edit_is_checked(registry: Registry) -> None:
    """A bad new version leaves the old one in place."""
    registry.add(make_city())
    with pytest.raises(CityRefusedError, match="city is blank"):
        edit(registry, replace(make_city(), city=""))
    assert registry.load().by_key == {KEY: make_city()}


@pytest.mark.parametrize("key", [RENCA, "../outside", "a//b"])
def test_unknown_city_is_named(registry: Registry, key: str) -> None:
    """Editing or retiring a city that is not there says so."""
    registry.add(make_city())
    with pytest.raises(UnknownCityError, match=key):
        registry.retire(key)
    with pytest.raises(UnknownCityError, match=key):
        registry.replace(replace(make_city(), key=key), expected="")


def test_refused_city_must_be_mended_first(
    store: "ObjectStore", registry: Registry
) -> None:
    """A file that is refused is not overwritten."""
    put(store, RENCA, b"{")
    with pytest.raises(CityRefusedError, match="is not JSON"):
        registry.retire(RENCA)
    assert bytes(obstore.get(store, f"{RENCA}.geojson").bytes()) == b"{"


def test_retired_city_stays(registry: Registry) -> None:
    """A retired city is still known, but no longer active; twice changes nothing."""
    registry.add(make_city())
    assert list(registry.load().active) == [KEY]
    registry.retire(KEY)
    registry.retire(KEY)
    cities = registry.load()
    assert cities.find(KEY) == replace(make_city(), status="retired")
    assert not cities.active


def test_no_trace_beside_the_file(tmp_path: Path) -> None:
    """After writing there is the city's file, as text for people, and the lock."""
    store = open_store(str(tmp_path), endpoint_url=None, region="us-west-2")
    registry = Registry(store, make_history(tmp_path.parent / "history"))
    registry.add(make_city())
    edit(registry, make_city(city="Van"))
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert files == [tmp_path / ".registry.lock", tmp_path / f"{KEY}.geojson"]
    assert files[1].read_text("utf-8") == dump_geojson(
        json.loads(files[1].read_bytes())
    )


def test_change_by_somebody_else_is_noticed(
    s3: "S3Client", s3_url: str, session: boto3.Session, history: History
) -> None:
    """On S3 a version that is not the one that was read is not overwritten."""

    class Meddled(Registry):
        """A registry whose file is changed between its reading and its writing."""

        def _check(self, *arguments: object) -> None:
            super()._check(*arguments)  # type: ignore[arg-type]
            other = dump_geojson(make_feature(city="Other"))
            s3.put_object(Bucket="cities", Key=f"{KEY}.geojson", Body=other.encode())

    store = open_s3("s3://cities", s3_url, session)
    Registry(store, history).add(make_city())
    with pytest.raises(CityChangedError, match=KEY):
        edit(Meddled(store, history), make_city(city="Mine"))
    assert Registry(store).load().by_key[KEY].city == "Other"


def test_city_added_by_somebody_else_is_kept(
    store: "ObjectStore", history: History
) -> None:
    """Of two who add the same key at the same moment the second is refused."""

    class Overtaken(Registry):
        """A registry to which somebody else adds the city between check and write."""

        def _check(self, *arguments: object) -> None:
            super()._check(*arguments)  # type: ignore[arg-type]
            put(store, KEY, make_feature(city="Other"))

    with pytest.raises(CityRefusedError, match="exists already"):
        Overtaken(store, history).add(make_city(city="Mine"))
    assert Registry(store).load().by_key[KEY].city == "Other"


def test_folder_markers_are_ignored(
    s3: "S3Client", s3_url: str, session: boto3.Session, history: History
) -> None:
    """Empty objects that consoles make for folders are no cities."""
    registry = Registry(open_s3("s3://cities/here", s3_url, session), history)
    registry.add(make_city())
    for key in ("here/", "here/canada/"):
        s3.put_object(Bucket="cities", Key=key)
    cities = registry.load()
    assert (list(cities.by_key), cities.refused) == ([KEY], ())


def test_missing_bucket_is_configuration(
    s3_url: str, session: boto3.Session, history: History
) -> None:
    """A bucket that does not exist is one line that names the variable."""
    registry = Registry(open_s3("s3://nobody/cities", s3_url, session), history)
    with pytest.raises(ConfigurationError, match="MOBILITY_CITIES"):
        registry.load()
    with pytest.raises(ConfigurationError, match="MOBILITY_CITIES"):
        registry.add(make_city())


def test_vanished_folder_is_told(tmp_path: Path) -> None:
    """A folder that goes away after opening is an error, not a world without cities."""
    folder = tmp_path / "cities"
    folder.mkdir()
    store = open_store(str(folder), endpoint_url=None, region="us-west-2")
    folder.rmdir()
    with pytest.raises(ConfigurationError, match="no such folder"):
        Registry(store).load()
