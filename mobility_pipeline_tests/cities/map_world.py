"""The sandbox's OpenStreetMap, asked by our clients with a clock of our own."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mobility_pipeline.cities.answer_cache import AnswerCache
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.sandbox.launch import Sandbox


@dataclass
class Clock:
    """Time that passes only where somebody sleeps."""

    time_s: float = 1_767_600_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.time_s += seconds


@dataclass(frozen=True)
class MapWorld:
    """Servers to ask, and what they were asked."""

    sandbox: Sandbox
    servers: MapServers
    clock: Clock

    def asked(self, path: str = "") -> list[dict[str, str]]:
        """What reached the servers, of one path."""
        requests = self.sandbox.osm_requests()
        return [request for request in requests if request["path"].startswith(path)]

    def but(self, **changes: Any) -> MapServers:
        """The servers, with these fields changed."""
        return replace(self.servers, **changes)


def make_map_world(sandbox: Sandbox, folder: Path) -> MapWorld:
    """Ask the sandbox, with an empty cache."""
    clock = Clock()
    servers = MapServers(
        overpass_url=f"{sandbox.osm_url}/api/interpreter",
        nominatim_url=sandbox.osm_url,
        contact="maps@example.invalid",
        cache=AnswerCache(folder / "cache" / "osm", 86_400, clock.now),
        sleep=clock.sleep,
    )
    return MapWorld(sandbox, servers, clock)
