"""Versions of the registry: kept here, backed up, restored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import boto3
import obstore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.geojson import content_sha256, parse_city
from mobility_pipeline.cities.history import KEPT_VERSIONS, History
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.cities.versions import parse_version, state_after
from mobility_pipeline.errors import (
    BackupFailedError,
    CityChangedError,
    CityRefusedError,
    ConfigurationError,
    MobilityError,
    RestoreRefusedError,
    StorageForbiddenError,
    UnknownCityError,
    UnknownVersionError,
    VersionUnreadableError,
)
from mobility_pipeline_tests.cities.examples import KEY, make_city, make_square
from mobility_pipeline_tests.cities.registries import START, make_history, open_s3

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from obstore.store import ObjectStore

OTHER = "kenya/nairobi"
FIRST, LARGER = make_city(), make_city(geometry=make_square(size=0.2))
SECOND = make_city(OTHER, make_square(size=0.3))


def replace_city(registry: Registry, city: City) -> None:
    """Replace a city by somebody who has just looked at it."""
    present = registry.load().find(city.key)
    registry.replace(city, expected=content_sha256(present))


def ids(registry: Registry) -> list[str]:
    """Return the ids of all versions, oldest first."""
    return [version.id for version in registry.versions().versions]


class TestKept:
    """What each change leaves."""

    def test_each_change_says_who_when_and_what(self, registry: Registry) -> None:
        """Every way to change a city, in order, with what was before and after."""
        registry.add(FIRST)
        registry.add_all([SECOND])
        replace_city(registry, LARGER)
        registry.retire(KEY)
        registry.reactivate(KEY)
        registry.record_purge(OTHER, "3 days")
        log = registry.versions()
        retired = replace(LARGER, status="retired")
        seen = [
            (v.operation, v.changes[0].before, v.changes[0].after) for v in log.versions
        ]
        assert seen == [
            ("add", None, FIRST),
            ("import", None, SECOND),
            ("edit", FIRST, LARGER),
            ("retire", LARGER, retired),
            ("reactivate", retired, LARGER),
            ("purge", SECOND, SECOND),
        ]
        assert {version.by for version in log.versions} == {"ada"}
        assert all(one.at < two.at for one, two in pairwise(log.versions))
        assert log.versions[0].at > START
        assert log.versions[-1].note == "3 days"
        assert (log.unreadable, log.backup_problem) == ({}, "")

    def test_change_that_changes_nothing_is_no_version(
        self, registry: Registry
    ) -> None:
        """Retiring twice, saving what is there, importing nothing new, restoring now."""
        registry.add(FIRST)
        registry.retire(KEY)
        registry.retire(KEY)
        replace_city(registry, replace(FIRST, status="retired"))
        registry.add_all([FIRST])
        registry.restore(registry.plan_restore(ids(registry)[-1]))
        assert len(ids(registry)) == 2

    def test_refused_change_is_no_version(self, registry: Registry) -> None:
        """Nothing of it is kept."""
        registry.add(FIRST)
        for refused in (FIRST, make_city("canada/vancouver"), replace(FIRST, city="")):
            with pytest.raises(CityRefusedError):
                registry.add(refused)
        with pytest.raises(UnknownCityError):
            registry.record_purge("nowhere/at_all", "")
        assert len(ids(registry)) == 1

    def test_clock_set_back_keeps_the_order(
        self, store: "ObjectStore", tmp_path: Path
    ) -> None:
        """A version is never older than the one it comes after."""
        now = [START, START.replace(year=2001), START]
        history = History(tmp_path / "history", by="ada", now=lambda: now.pop())
        registry = Registry(store, history)
        registry.add(FIRST)
        registry.retire(KEY)
        registry.reactivate(KEY)
        operations = [version.operation for version in registry.versions().versions]
        assert operations == ["add", "retire", "reactivate"]

    def test_registry_without_a_history_is_only_read(
        self, store: "ObjectStore"
    ) -> None:
        """No change can go past it."""
        with pytest.raises(ConfigurationError, match="only be read"):
            Registry(store).add(FIRST)
        assert not Registry(store).load().by_key

    def test_only_the_newest_are_kept_here(self, tmp_path: Path) -> None:
        """Without a backup; what can still be restored is what is kept."""
        registry = open_folder(tmp_path)
        registry.add(FIRST)
        for _ in range(KEPT_VERSIONS):
            registry.retire(KEY)
            registry.reactivate(KEY)
        kept = ids(registry)
        assert len(kept) == KEPT_VERSIONS
        registry.restore(registry.plan_restore(kept[0]))
        assert registry.load().by_key[KEY].status == "retired"


def open_folder(
    folder: Path, open_backup: "Callable[[], ObjectStore] | None" = None
) -> Registry:
    """Open a registry in a folder, which is made."""
    (folder / "cities").mkdir(exist_ok=True)
    store = open_store(str(folder / "cities"), endpoint_url=None, region="us-west-2")
    return Registry(store, make_history(folder / "history", open_backup))


def test_second_of_two_who_save_the_same_city_is_told(registry: Registry) -> None:
    """Both opened the same city: nobody's change is lost."""
    registry.add(FIRST)
    seen = content_sha256(registry.load().find(KEY))
    registry.replace(LARGER, expected=seen)
    with pytest.raises(CityChangedError, match=KEY):
        registry.replace(replace(FIRST, city="Van"), expected=seen)
    assert registry.load().by_key[KEY] == LARGER


class TestBackup:
    """The bucket that has every version."""

    @pytest.fixture
    def open_backup(
        self, s3: "S3Client", s3_url: str, session: boto3.Session
    ) -> "Callable[[], ObjectStore]":
        """Open a prefix of a bucket."""
        return partial(open_s3, "s3://cities/cities-backup", s3_url, session)

    def test_each_version_is_backed_up_with_its_cities(
        self, tmp_path: Path, open_backup: "Callable[[], ObjectStore]", s3: "S3Client"
    ) -> None:
        """`<UTC time>/<key>.geojson` is the city as it is after it, beside `change.json`."""
        registry = open_folder(tmp_path, open_backup)
        registry.add(FIRST)
        registry.add(SECOND)
        first, second = ids(registry)
        found = s3.list_objects_v2(Bucket="cities")["Contents"]
        assert [item["Key"] for item in found] == [
            f"cities-backup/{first}/{KEY}.geojson",
            f"cities-backup/{first}/change.json",
            f"cities-backup/{second}/change.json",
            f"cities-backup/{second}/{OTHER}.geojson",
        ]
        backup = open_backup()
        city = bytes(obstore.get(backup, f"{first}/{KEY}.geojson").bytes())
        assert parse_city(city, KEY) == FIRST
        change = bytes(obstore.get(backup, f"{second}/change.json").bytes())
        assert parse_version(change, second).changes[0].after == SECOND

    def test_older_versions_come_from_the_backup(
        self, tmp_path: Path, open_backup: "Callable[[], ObjectStore]"
    ) -> None:
        """All of them are listed, and another machine sees them, too."""
        registry = open_folder(tmp_path, open_backup)
        registry.add(FIRST)
        for _ in range(KEPT_VERSIONS // 2 + 1):
            registry.retire(KEY)
            registry.reactivate(KEY)
        kept = [*(tmp_path / "history" / "versions").iterdir()]
        assert len(kept) == KEPT_VERSIONS
        every = ids(registry)
        assert len(every) == 1 + 2 * (KEPT_VERSIONS // 2 + 1)
        elsewhere = Registry(
            open_store(str(tmp_path / "cities"), endpoint_url=None, region="us-west-2"),
            make_history(tmp_path / "elsewhere", open_backup, by="bo"),
        )
        assert ids(elsewhere) == every

    @pytest.mark.parametrize(
        ("failing", "words"),
        [
            ("missing bucket", "CITIES_BACKUP_BUCKET names no existing bucket"),
            ("no role", "the role is not given to us"),
            ("nobody there", "backup failed"),
        ],
    )
    def test_failed_backup_is_told_and_made_up_for(
        self,
        tmp_path: Path,
        open_backup: "Callable[[], ObjectStore]",
        s3_url: str,
        session: boto3.Session,
        failing: str,
        words: str,
    ) -> None:
        """The change is made and kept; the next one, or a call, stores both."""

        def fail() -> "ObjectStore":
            if failing == "no role":
                raise StorageForbiddenError("the role is not given to us")
            if failing == "missing bucket":
                return open_s3("s3://nobody/cities-backup", s3_url, session)
            return open_s3("s3://cities/x", "http://127.0.0.1:9", session)

        registry = open_folder(tmp_path, fail)
        with pytest.raises(BackupFailedError, match=words) as caught:
            registry.add(FIRST)
        assert "mobility cities backup" in str(caught.value)
        assert registry.load().by_key[KEY] == FIRST
        log = registry.versions()
        assert [version.operation for version in log.versions] == ["add"]
        assert log.backup_problem
        with pytest.raises(RestoreRefusedError, match="versions may be missing"):
            registry.plan_restore(log.versions[0].id)
        with pytest.raises(BackupFailedError):
            registry.add_all([FIRST, SECOND])
        assert len(open_folder(tmp_path, open_backup).back_up()) == 2
        assert open_folder(tmp_path, open_backup).back_up() == ()

    def test_import_whose_backup_fails_says_what_it_refused(
        self, tmp_path: Path
    ) -> None:
        """Its result is not lost with the message."""

        def fail() -> "ObjectStore":
            raise StorageForbiddenError("no")

        registry = open_folder(tmp_path, fail)
        with pytest.raises(BackupFailedError) as caught:
            registry.add_all([FIRST, make_city("canada/vancouver")])
        assert isinstance(caught.value.outcome, tuple)
        assert [city.name for city in caught.value.outcome] == ["canada/vancouver"]

    def test_what_is_not_backed_up_is_kept(
        self, tmp_path: Path, open_backup: "Callable[[], ObjectStore]"
    ) -> None:
        """However many versions wait for a bucket that fails."""

        def fail() -> "ObjectStore":
            raise StorageForbiddenError("no")

        registry = open_folder(tmp_path, fail)
        with pytest.raises(BackupFailedError):
            registry.add(FIRST)
        for number in range(KEPT_VERSIONS):
            with pytest.raises(BackupFailedError):
                replace_city(registry, replace(FIRST, city=f"Van {number}"))
        assert len(ids(registry)) == KEPT_VERSIONS + 1
        mended = open_folder(tmp_path, open_backup)
        assert len(mended.back_up()) == KEPT_VERSIONS + 1
        assert len([*(tmp_path / "history" / "versions").iterdir()]) == KEPT_VERSIONS

    def test_backup_cut_off_is_no_version(
        self, tmp_path: Path, open_backup: "Callable[[], ObjectStore]"
    ) -> None:
        """Without `change.json`, which is stored last, it is stored again."""
        registry = open_folder(tmp_path, open_backup)
        registry.add(FIRST)
        (version,) = ids(registry)
        obstore.delete(open_backup(), f"{version}/change.json")
        assert registry.back_up() == (version,)

    def test_spoilt_copy_here_is_read_from_the_backup(
        self, tmp_path: Path, open_backup: "Callable[[], ObjectStore]"
    ) -> None:
        """And the other way round both are named."""
        registry = open_folder(tmp_path, open_backup)
        registry.add(FIRST)
        (version,) = ids(registry)
        (tmp_path / "history" / "versions" / f"{version}.json").write_text("{")
        assert (ids(registry), registry.versions().unreadable) == ([version], {})
        obstore.put(open_backup(), f"{version}/change.json", b"{")
        assert list(registry.versions().unreadable) == [version]


class TestRestore:
    """Going back, as a version on top."""

    def test_one_city(self, registry: Registry) -> None:
        """The others stay as they are, and the history grows."""
        registry.add(FIRST)
        registry.add(SECOND)
        replace_city(registry, LARGER)
        registry.retire(OTHER)
        registry.restore(registry.plan_restore(ids(registry)[0], KEY))
        cities = registry.load().by_key
        assert (cities[KEY], cities[OTHER].status) == (FIRST, "retired")
        log = registry.versions()
        assert log.versions[-1].operation == "restore"
        assert log.versions[0].id in log.versions[-1].note
        assert len(log.versions) == 5

    def test_city_that_was_added_later_goes(self, registry: Registry) -> None:
        """And comes back when that is taken back."""
        registry.add(FIRST)
        registry.add(SECOND)
        first, second = ids(registry)
        plan = registry.plan_restore(first)
        assert plan.removed == (OTHER,)
        registry.restore(plan)
        assert list(registry.load().by_key) == [KEY]
        assert registry.load().refused == ()
        registry.restore(registry.plan_restore(second))
        assert list(registry.load().by_key) == [KEY, OTHER]

    def test_plan_that_is_too_old_is_refused(self, registry: Registry) -> None:
        """Somebody changed a city after it was shown what would change."""
        registry.add(FIRST)
        replace_city(registry, LARGER)
        plan = registry.plan_restore(ids(registry)[0])
        registry.retire(KEY)
        with pytest.raises(CityChangedError, match=KEY):
            registry.restore(plan)
        assert registry.load().by_key[KEY] == replace(LARGER, status="retired")

    def test_change_by_hand_is_not_taken_back_unasked(
        self, store: "ObjectStore", registry: Registry
    ) -> None:
        """A city that was edited as a file is named; asked for by its key it goes back."""
        registry.add(FIRST)
        registry.retire(KEY)
        content = bytes(obstore.get(store, f"{KEY}.geojson").bytes())
        obstore.put(store, f"{KEY}.geojson", content.replace(b'"Vancouver"', b'"Van"'))
        first = ids(registry)[0]
        with pytest.raises(RestoreRefusedError, match=KEY):
            registry.plan_restore(first)
        registry.restore(registry.plan_restore(first, KEY))
        assert registry.load().by_key[KEY] == FIRST

    @pytest.mark.parametrize("city", [None, KEY])
    def test_refused_file_is_not_overwritten(
        self, store: "ObjectStore", registry: Registry, city: str | None
    ) -> None:
        """It may be a typing error that somebody is about to correct."""
        registry.add(FIRST)
        replace_city(registry, LARGER)
        obstore.put(store, f"{KEY}.geojson", b"{")
        with pytest.raises(CityRefusedError, match="not JSON"):
            registry.plan_restore(ids(registry)[0], city)

    def test_city_whose_key_is_a_parent_path_now(
        self, store: "ObjectStore", registry: Registry
    ) -> None:
        """It conflicts with the city below, and the words say so."""
        parent = make_city("chile/santiago")
        below = make_city("chile/santiago/renca", make_square(size=0.2))
        registry.add(parent)
        (added,) = ids(registry)
        registry.retire(parent.key)
        registry.add(SECOND)
        plan = registry.plan_restore(added, parent.key)
        # A file taken away by hand makes room below.
        obstore.delete(store, f"{parent.key}.geojson")
        registry.add(below)
        for city in (parent.key, None):
            with pytest.raises(RestoreRefusedError) as caught:
                registry.restore(registry.plan_restore(added, city))
            assert "santiago" in str(caught.value)
        with pytest.raises(CityChangedError):
            registry.restore(plan)
        assert set(registry.load().by_key) == {OTHER, below.key}

    @pytest.mark.parametrize(
        ("version", "city", "error"),
        [
            ("2001", None, UnknownVersionError),
            ("nonsense", KEY, UnknownVersionError),
            ("", None, UnknownVersionError),
            ("2025", "atlantis", UnknownCityError),
            ("2025", "../outside", UnknownCityError),
        ],
    )
    def test_wrong_words(
        self,
        registry: Registry,
        version: str,
        city: str | None,
        error: type[MobilityError],
    ) -> None:
        """What is not there is named."""
        registry.add(FIRST)
        with pytest.raises(error):
            registry.plan_restore(version, city)

    def test_unreadable_version_is_in_the_way_of_those_before(
        self, tmp_path: Path
    ) -> None:
        """Nobody knows what it did; a city is restored by what another did to it."""
        registry = open_folder(tmp_path)
        registry.add(FIRST)
        registry.add(SECOND)
        replace_city(registry, LARGER)
        first, second, third = ids(registry)
        (tmp_path / "history" / "versions" / f"{second}.json").write_bytes(b"\xff")
        log = registry.versions()
        assert [version.id for version in log.versions] == [first, third]
        assert list(log.unreadable) == [second]
        with pytest.raises(VersionUnreadableError, match=second):
            registry.plan_restore(second)
        with pytest.raises(RestoreRefusedError, match=second):
            registry.plan_restore(first)
        registry.restore(registry.plan_restore(first, KEY))
        assert registry.load().by_key[KEY] == FIRST


keys = st.sampled_from(["a/one", "a/two", "b/one"])
actions = st.tuples(
    st.sampled_from(["add", "edit", "retire", "reactivate", "restore"]),
    keys,
    st.integers(0, 30),
)


@given(st.lists(actions, min_size=1, max_size=12))
@settings(max_examples=25)
def test_history_replays_to_the_registry_and_each_version_can_be_restored(
    steps: Sequence[tuple[str, str, int]],
) -> None:
    """Two laws: the last state is the registry; a restored version equals what it was."""
    with TemporaryDirectory() as folder:
        registry = open_folder(Path(folder))
        seen: dict[str, dict[str, City]] = {}
        for action, key, number in steps:
            act(registry, action, key, number)
            log = registry.versions()
            if log.versions:
                present = dict(registry.load().by_key)
                state = state_after(log.versions, log.versions[-1])
                assert {k: c for k, c in state.items() if c is not None} == present
                seen[log.versions[-1].id] = present
        for version, then in seen.items():
            registry.restore(registry.plan_restore(version))
            assert dict(registry.load().by_key) == then


def act(registry: Registry, action: str, key: str, number: int) -> None:
    """Do one thing to one city, if it can be done."""
    place = [*"abcdefgh"].index(key[0]) * 20 + len(key)
    geometry = make_square(-123 + place, 49.25, 0.1 + number / 1000)
    city = make_city(key, geometry, city=f"City {number}")
    log = registry.versions()
    try:
        if action == "add":
            registry.add(city)
        elif action == "edit":
            replace_city(registry, city)
        elif action == "restore" and log.versions:
            version = log.versions[number % len(log.versions)]
            registry.restore(registry.plan_restore(version.id))
        elif action == "retire":
            registry.retire(key)
        elif action == "reactivate":
            registry.reactivate(key)
    except (UnknownCityError, CityRefusedError):
        pass
