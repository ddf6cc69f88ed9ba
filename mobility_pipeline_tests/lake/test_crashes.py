"""A publishing process is killed at each of its writes, under a reader that never stops."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count, groupby
from pathlib import Path
from random import Random
from signal import SIGKILL

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.lake.manifest import Manifest
from mobility_pipeline.lake.paths import city_day_prefix
from mobility_pipeline.lake.publish import Lake
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline_tests.lake.publisher import (
    Content,
    make_content,
    open_bucket,
    publish,
    start_publisher,
)
from mobility_pipeline_tests.lake.tables import DAY
from mobility_pipeline_tests.lake.watched_s3 import READS, WatchedS3, serve_watched

pytestmark = pytest.mark.processes

FOLDER = city_day_prefix(DAY)
OLD = make_content(["a"], ["b", "c"])
NEW = make_content(["a"], ["d"], ["e", "f"], job_id="job-2")
EMPTY = make_content(job_id="job-3")
SAME_ROWS = make_content(["a"], ["b", "c"], job_id="job-4")
LARGE = make_content([Random(seed).randbytes(2**19).hex() for seed in range(9)])
NOTE = {"note.txt": b"not a part"}
STRAYS = {"part-00009-dead0000.snappy.parquet": b"x", **NOTE}


@dataclass(frozen=True)
class World:
    """A city-day's folder on a server that can kill."""

    s3: WatchedS3

    @cached_property
    def bucket(self) -> Bucket:
        """The lake's, for this process."""
        return open_bucket(self.s3.url)

    @property
    def lake(self) -> Lake:
        """Read it as the product does."""
        return Lake(self.bucket)

    def reset(self, old: Content | None, more: Mapping[str, bytes] = NOTE) -> None:
        """Let the folder hold a published city-day, or none, and further objects."""
        objects = ({} if old is None else old.objects) | more
        self.s3.objects = {FOLDER + name: data for name, data in objects.items()}

    @property
    def objects(self) -> dict[str, bytes]:
        """Everything in the folder."""
        found = self.s3.objects.copy()
        return {key.removeprefix(FOLDER): data for key, data in found.items()}

    def publish(self, content: Content) -> list[tuple[str, str]]:
        """Publish undisturbed; return the writes it took."""
        start = len(self.s3.requests)
        publish(self.bucket, content)
        return [done for done in self.s3.requests[start:] if done[0] not in READS]

    def publish_killed(
        self,
        content: Content,
        number: int,
        *,
        is_applied: bool,
        files: Path | None = None,
    ) -> bool:
        """Publish in a process that dies at its number-th write.

        Returns:
            False where it had fewer writes, and came through.
        """
        with self.s3.killing(number, is_applied=is_applied) as kill:
            process = start_publisher(self.s3.url, content, files)
            kill.victims.put(process)
            process.join(30)
        assert process.exitcode in (0, -SIGKILL)
        return process.exitcode == -SIGKILL


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Give an empty lake."""
    with serve_watched() as watched:
        yield World(watched)


@contextmanager
def reading(world: World, *stages: Content | None) -> Iterator[None]:
    """Follow the manifest all the time: whole contents only, and never back to an older.

    Args:
        world: what to read.
        stages: the contents in the order they may appear; None = nothing is published.
    """
    is_over = threading.Event()
    is_read = threading.Event()

    def read() -> Iterator[int]:
        lake = world.lake
        while not is_over.is_set():
            yield read_stage(lake, stages)
            is_read.set()

    with ThreadPoolExecutor(1) as pool:
        seen = pool.submit(lambda: [stage for stage, _ in groupby(read())])
        try:
            assert is_read.wait(30) or seen.result()
            yield
        finally:
            is_over.set()
        assert seen.result() == sorted(set(seen.result()))


def read_stage(lake: Lake, stages: tuple[Content | None, ...]) -> int:
    """Return which content a reader finds; its rows may be of a later one already."""
    manifest = lake.read_manifest(DAY)
    stage = manifests(stages).index(manifest)
    if manifest is not None:
        table = lake.read(DAY)  # sha256 of each part is checked in there
        later = [content.table for content in stages[stage:] if content is not None]
        assert table in later
    return stage


def manifests(stages: tuple[Content | None, ...]) -> list[Manifest | None]:
    """Return the manifest of each content."""
    return [None if content is None else content.manifest for content in stages]


@dataclass(frozen=True)
class Case:
    """A publish, and how many writes it takes, counted by hand."""

    old: Content | None
    new: Content
    puts: int
    """Of parts, before the manifest's."""
    deletes: int
    """After the manifest's."""
    more: Mapping[str, bytes] = field(default_factory=lambda: NOTE)
    """Objects besides the old day's."""


CASES = {
    "fresh": Case(None, NEW, puts=3, deletes=0),
    "fresh and empty": Case(None, EMPTY, puts=0, deletes=0),
    "changed": Case(OLD, NEW, puts=2, deletes=1),
    "was empty": Case(EMPTY, OLD, puts=2, deletes=0),
    "becomes empty": Case(OLD, EMPTY, puts=0, deletes=2),
    "same rows, newer job": Case(OLD, SAME_ROWS, puts=0, deletes=0),
    "strays": Case(OLD, NEW, puts=2, deletes=2, more=STRAYS),
}


@pytest.mark.parametrize("is_applied", [False, True], ids=["unapplied", "applied"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_killed_at_each_write(world: World, case: Case, is_applied: bool) -> None:
    """A reader sees the old day or the new one; the next publish repairs the folder."""
    total = case.puts + 1 + case.deletes
    for number in range(1, total + 1):
        world.reset(case.old, case.more)
        with reading(world, case.old, case.new):
            assert world.publish_killed(case.new, number, is_applied=is_applied)
            is_switched = number - 1 + is_applied > case.puts
            check_crash(world, case.new if is_switched else case.old)
            check_repair(world, case.new)
    world.reset(case.old, case.more)
    assert not world.publish_killed(case.new, total + 1, is_applied=is_applied)
    check_repair(world, case.new, writes=0)


@pytest.mark.parametrize("is_applied", [False, True], ids=["unapplied", "applied"])
@pytest.mark.parametrize("number", range(1, 6))
def test_killed_during_an_upload_in_pieces(
    world: World, tmp_path: Path, number: int, is_applied: bool
) -> None:
    """A large part is streamed from its file: begun, two pieces, completed, then named."""
    world.reset(OLD)
    with reading(world, OLD, LARGE):
        assert world.publish_killed(
            LARGE, number, is_applied=is_applied, files=tmp_path
        )
        check_crash(world, LARGE if number == 5 and is_applied else OLD)
        check_repair(world, LARGE)


@pytest.mark.parametrize("is_applied", [False, True], ids=["unapplied", "applied"])
def test_killed_again_and_again(world: World, is_applied: bool) -> None:
    """Each process dies one write later than the last, until one comes through."""
    world.reset(OLD, STRAYS)
    with reading(world, OLD, NEW):
        for number in count(1):
            if not world.publish_killed(NEW, number, is_applied=is_applied):
                break
            read_stage(world.lake, (OLD, NEW))
    assert number > 3
    check_repair(world, NEW, writes=0)


crashes = st.tuples(
    st.sampled_from([OLD, NEW, EMPTY, SAME_ROWS]), st.integers(1, 7), st.booleans()
)


@given(publishes=st.lists(crashes, min_size=2, max_size=6))
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
def test_killed_between_different_jobs(
    world: World, publishes: list[tuple[Content, int, bool]]
) -> None:
    """Whatever earlier processes left, a reader sees one whole day, and the last repairs."""
    world.reset(None)
    stands: Content | None = None
    for content, number, is_applied in publishes:
        with reading(world, stands, content):
            world.publish_killed(content, number, is_applied=is_applied)
        stands = (stands, content)[read_stage(world.lake, (stands, content))]
    check_repair(world, publishes[-1][0])


def check_crash(world: World, stands: Content | None) -> None:
    """Check what a crash left: for who follows the manifest, globs, or skips what stands."""
    if stands is None:
        assert world.lake.read_manifest(DAY) is None
        assert world.lake.find_complete(DAY) is None
        return
    assert world.lake.read_manifest(DAY) == stands.manifest
    assert world.lake.read(DAY) == stands.table
    assert stands.objects.items() <= world.objects.items()
    is_complete = world.objects == stands.objects | NOTE
    assert world.lake.find_complete(DAY) == (stands.manifest if is_complete else None)


def check_repair(world: World, content: Content, writes: int | None = None) -> None:
    """Check that a publish leaves exactly its objects, and another one writes nothing."""
    done = world.publish(content)
    assert writes is None or len(done) == writes
    assert world.objects == content.objects | NOTE
    assert world.lake.find_complete(DAY) == content.manifest
    assert world.publish(content) == []
    assert world.lake.read(DAY) == content.table
