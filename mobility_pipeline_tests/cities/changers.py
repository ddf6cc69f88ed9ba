"""Real processes that change a registry on S3 or in a folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from os import getpid
from pathlib import Path
from typing import TYPE_CHECKING

from mobility_pipeline.cities.geojson import content_sha256
from mobility_pipeline.cities.history import History
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.cities.stores import open_store
from mobility_pipeline.errors import CityChangedError
from mobility_pipeline.s3 import make_s3_store
from mobility_pipeline_tests.cities.examples import KEY, make_city, make_square
from mobility_pipeline_tests.processes import PROCESSES

if TYPE_CHECKING:
    from obstore.store import ObjectStore

OTHERS = tuple(
    make_city(f"kenya/city_{number}", make_square(size=0.2 + number / 100))
    for number in range(2)
)


@dataclass(frozen=True)
class Place:
    """Where a registry and its versions are."""

    url: str
    """Of S3; empty = the registry is a folder, and there is no backup."""
    folder: Path
    history: str = "history"
    """Folder of the versions."""

    def open(self) -> Registry:
        """Open the registry."""
        if self.url:
            store = _open_s3(self.url, "registry")
        else:
            cities = self.folder / "cities"
            cities.mkdir(exist_ok=True)
            store = open_store(str(cities), endpoint_url=None, region="us-west-2")
        history = History(
            self.folder / self.history,
            by="ada",
            now=lambda: datetime.now(UTC),
            open_backup=(lambda: _open_s3(self.url, "backup")) if self.url else None,
        )
        return Registry(store, history)


def _open_s3(url: str, bucket: str) -> "ObjectStore":
    return make_s3_store(
        bucket,
        endpoint_url=url,
        region="us-east-1",
        credentials=lambda: {
            "access_key_id": "testing",
            "secret_access_key": "testing",
            "token": None,
            "expires_at": None,
        },
        max_attempts=1,
    )


def _edit(registry: Registry) -> None:
    present = registry.load().find(KEY)
    registry.replace(make_city(city="Van"), expected=content_sha256(present))


def _import(registry: Registry) -> None:
    registry.add_all(OTHERS)


def _restore(registry: Registry) -> None:
    first = registry.versions().versions[0]
    registry.restore(registry.plan_restore(first.id))


CHANGES: Mapping[str, Callable[[Registry], None]] = {
    "edit": _edit,
    "import": _import,
    "restore": _restore,
}


def start_changer(place: Place, change: str) -> ForkServerProcess:
    """Change a registry in a process of its own."""
    process = PROCESSES.Process(target=_change, args=(place, change))
    process.start()
    return process


def count_up_at_once(places: list[Place], rounds: int) -> list[int | None]:
    """Let a process per place add to one city's number, until it has `rounds` times.

    Returns:
        Exit codes.
    """
    together = PROCESSES.Barrier(len(places))
    processes = [
        PROCESSES.Process(target=_count_up, args=(place, rounds, together))
        for place in places
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


def _change(place: Place, change: str) -> None:
    CHANGES[change](place.open())


def _count_up(place: Place, rounds: int, together: Barrier) -> None:
    registry = place.open()
    together.wait(30)
    done = 0
    while done < rounds:
        present = registry.load().find(KEY)
        # Each counts in its own way: two who save the very same lose nothing.
        city = make_city(city=str(int(present.city) + 1), source=f"process {getpid()}")
        try:
            registry.replace(city, expected=content_sha256(present))
        except CityChangedError:
            continue
        done += 1
