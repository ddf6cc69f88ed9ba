"""What the console's pages work with: rooms that are opened, and the orchestrator."""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.map_servers import MapServers
from mobility_pipeline.cities.registry import Registry
from mobility_pipeline.schemas.feeds import Feed
from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger
from mobility_pipeline.vendor.preview import Preview
from mobility_pipeline.vendor.quota import MonthlyUse

_MAX_SELECTIONS = 200


@dataclass(frozen=True)
class Wish:
    """City-days that somebody wants to ask for, as typed."""

    feed: str
    cities: tuple[str, ...]
    """Keys; none = every active city."""
    start: str
    """`YYYY-MM-DD`."""
    end: str
    """Inclusive."""
    refresh: bool = False


@dataclass(frozen=True)
class Plan:
    """What a wish would take."""

    preview: Preview
    surplus: int
    """City-days that the vendor jobs bring beyond what is wanted."""
    expected: frozenset[CityDay]
    """Every city-day of the wish, there or not."""
    use: MonthlyUse


@dataclass(frozen=True)
class StartedRequest:
    """A request that was started from this console."""

    number: int
    wish: Wish
    expected: frozenset[CityDay]
    user: str
    started_at: datetime


@dataclass(frozen=True)
class RequestState:
    """How a started request stands."""

    run_url: str | None
    """Of its run in the Dagster UI; null until there is one."""
    is_running: bool
    message: str
    """What it said at its end; empty while it runs."""


@dataclass(frozen=True)
class ScheduleState:
    """A schedule, as it is switched in the Dagster UI."""

    name: str
    is_on: bool
    next_at: datetime | None
    """Null while it is off."""


class Orchestrator(Protocol):
    """Starts requests and knows schedules; does not hold up who asks for long."""

    def plan(self, wish: Wish) -> Plan:
        """Say what a wish would take; sends nothing.

        Raises:
            UsageError: a day or a city of it cannot be asked for.
        """
        ...

    def start(self, wish: Wish, user: str) -> StartedRequest:
        """Start to ask for city-days; see `plan` for what it raises."""
        ...

    def started(self) -> Sequence[StartedRequest]:
        """Return what was started since the console is up, newest first."""
        ...

    def look(self, request: StartedRequest) -> RequestState:
        """Say how a request stands."""
        ...

    def schedules(self) -> Sequence[ScheduleState]:
        """Return every schedule; the daily load first."""
        ...


@dataclass(frozen=True)
class Desk:
    """All that pages need. Calls may take a while: make them outside the event loop."""

    open_registry: Callable[[str], Registry]
    """For the user who is at work."""
    ledger: Ledger
    servers: MapServers
    make_vendor_client: Callable[[], VerasetClient]
    feeds: tuple[Feed, ...]
    first_day: date
    """MOBILITY_START_DATE."""
    newest_day: Callable[[], date]
    monthly_jobs: int | None
    now: Callable[[], datetime]
    orchestrator: Orchestrator
    facts: Sequence[tuple[str, str]]
    """Settings of the daily load in words, none of them secret."""
    dagster_url: str
    selections: "Selections" = field(default_factory=lambda: Selections())


class Selections:
    """Cities that were ticked, on their way from one page to the next."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def keep(self, keys: Collection[str]) -> str:
        """Keep some cities; returns what the next page's address says for them."""
        token = secrets.token_urlsafe(9)
        self._kept[token] = tuple(keys)
        while len(self._kept) > _MAX_SELECTIONS:
            self._kept.popitem(last=False)
        return token

    def find(self, token: str) -> tuple[str, ...] | None:
        """Return the cities that were kept; None where they are forgotten."""
        return self._kept.get(token)
