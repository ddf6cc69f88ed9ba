"""Processes that change the registry are killed at each request; two change it at once."""

import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count, repeat
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from queue import Queue
from signal import SIGKILL
from typing import TYPE_CHECKING

import boto3
import pytest

from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.versions import state_after
from mobility_pipeline_tests.cities.changers import (
    CHANGES,
    OTHERS,
    Place,
    count_up_at_once,
    start_changer,
)
from mobility_pipeline_tests.cities.examples import KEY, make_city
from mobility_pipeline_tests.landing.wire import SET_UP_KEY, Wire, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.processes

FIRST = make_city()


class Kill:
    """Kills a process at one of its writes, which is never answered."""

    def __init__(self, number: int, *, is_applied: bool) -> None:
        self.victims: Queue[ForkServerProcess] = Queue()
        self._writes = count(1)
        self._number = number
        self._is_applied = is_applied

    def __call__(
        self,
        application: "WSGIApplication",
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Answer, unless it is the one."""
        is_read = environ["REQUEST_METHOD"] in ("GET", "HEAD")
        if is_read or next(self._writes) != self._number:
            return application(environ, start_response)
        if self._is_applied:
            b"".join(application(environ, start_response))
        victim = self.victims.get(timeout=30)
        assert victim.pid is not None
        os.kill(victim.pid, SIGKILL)
        wait([victim.sentinel], timeout=30)
        start_response("503 Dead", [])
        return []


@pytest.fixture(scope="module")
def server() -> Iterator[Wire]:
    """An S3 server of our own."""
    with serve() as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: Wire) -> Iterator["S3Client"]:
    """A client that is not noted, with the buckets of registry and backup."""
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id=SET_UP_KEY,
        aws_secret_access_key="testing",
    )
    for bucket in ("registry", "backup"):
        client.create_bucket(Bucket=bucket)
    yield client
    client.close()


def empty(s3: "S3Client", bucket: str) -> None:
    """Delete every object."""
    for item in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
        s3.delete_object(Bucket=bucket, Key=item["Key"])


@dataclass(frozen=True)
class Scene:
    """A registry of three versions, that can be had again and again."""

    s3: "S3Client"
    place: Place
    objects: dict[tuple[str, str], bytes]
    """Bucket and key -> content."""

    def again(self) -> Place:
        """Put everything back."""
        for bucket in ("registry", "backup"):
            empty(self.s3, bucket)
        for (bucket, key), data in self.objects.items():
            self.s3.put_object(Bucket=bucket, Key=key, Body=data)
        fresh = replace(self.place, history=f"history-{uuid.uuid4()}")
        shutil.copytree(self.place.folder / "history", fresh.folder / fresh.history)
        return fresh


@pytest.fixture(scope="module")
def scene(
    server: Wire, s3: "S3Client", tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    """A city, another of the same boundary, and the first retired."""
    place = Place(server.url, tmp_path_factory.mktemp("scene"))
    registry = place.open()
    registry.add(FIRST)
    registry.add(make_city("chile/arica", FIRST.boundary()))
    registry.retire(KEY)
    objects = {
        (bucket, item["Key"]): s3.get_object(Bucket=bucket, Key=item["Key"])[
            "Body"
        ].read()
        for bucket in ("registry", "backup")
        for item in s3.list_objects_v2(Bucket=bucket)["Contents"]
    }
    return Scene(s3, place, objects)


WRITES = {"edit": 1 + 2, "import": 2 + 3, "restore": 3 + 2}
"""Of the registry, counted by hand (a removal is a marker and a deletion), and the backup."""


@pytest.mark.parametrize(
    ("change", "is_applied"),
    [("edit", True), ("import", True), ("restore", True), ("restore", False)],
)
def test_killed_at_each_write(
    scene: Scene, server: Wire, change: str, is_applied: bool
) -> None:
    """Whatever is made is in the history, nothing else is, and the backup catches up."""
    for number in range(1, WRITES[change] + 2):
        place = scene.again()
        kill = Kill(number, is_applied=is_applied)
        server.hit(repeat(kill))
        process = start_changer(place, change)
        kill.victims.put(process)
        process.join(30)
        server.hit(())
        is_killed = number <= WRITES[change]
        assert process.exitcode == (-SIGKILL if is_killed else 0)
        check(place.open(), scene.s3)
        # Somebody else comes, and does it again to the end.
        CHANGES[change](place.open())
        check(place.open(), scene.s3)
        check_done(place.open(), change)


def check(registry: Registry, s3: "S3Client") -> None:
    """Check that history, registry and backup agree."""
    log = registry.versions()
    assert (log.unreadable, log.backup_problem) == ({}, "")
    cities = registry.load()
    assert cities.refused == ()
    state = state_after(log.versions, log.versions[-1])
    assert {key: city for key, city in state.items() if city} == cities.by_key
    registry.back_up()
    items = s3.list_objects_v2(Bucket="backup")["Contents"]
    stored = {
        item["Key"].split("/")[0] for item in items if "change.json" in item["Key"]
    }
    assert stored == {version.id for version in log.versions}


def check_done(registry: Registry, change: str) -> None:
    """Check that a change which was begun again is made."""
    cities = registry.load().by_key
    match change:
        case "edit":
            assert cities[KEY].city == "Van"
        case "import":
            assert {city.key for city in OTHERS} < cities.keys()
        case _:
            assert cities == {KEY: FIRST}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_nothing_is_lost_among_many_who_save(
    server: Wire, s3: "S3Client", tmp_path: Path, kind: str
) -> None:
    """Three processes, two of which share their history, count up one number."""
    for bucket in ("registry", "backup"):
        empty(s3, bucket)
    place = Place(server.url if kind == "s3" else "", tmp_path)
    place.open().add(make_city(city="0"))
    places = [place, place, replace(place, history="elsewhere")]
    assert count_up_at_once(places, 4) == [0, 0, 0]
    assert place.open().load().by_key[KEY].city == "12"
    logs = [
        replace(place, history=name).open().versions()
        for name in ("history", "elsewhere")
    ]
    edits = {
        version.id: version.changes[0].after
        for log in logs
        for version in log.versions
        if version.operation == "edit"
    }
    found = sorted(int(city.city) for city in edits.values() if city is not None)
    assert found == [*range(1, 13)]


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    """Its files stay, and keep nobody out."""
    place = Place("", tmp_path)
    registry = place.open()
    registry.add(FIRST)
    process = start_changer(place, "import")
    process.kill()
    process.join(30)
    registry.retire(KEY)
    assert registry.load().by_key[KEY].status == "retired"
