"""Bring the ledger's city-days in line with the lake, whose manifests are the truth. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState

GONE = "the ledger called it {state}, but the lake has no manifest of it"
"""Reason of a city-day that was lost, with its state before."""
_PRESENT = (CityDayState.DELIVERED, CityDayState.EMPTY)
_ADDED = "found in the lake"
ERASED = "the lake says that it was erased"
"""Reason of a city-day whose tombstone was found."""


@dataclass(frozen=True)
class Held:
    """What a manifest says of its city-day."""

    state: CityDayState
    """`delivered` or `empty`."""
    job_id: str
    """The vendor's."""


_UNREAD = Held(CityDayState.DELIVERED, "")
"""What is said of a manifest that only another version of the project reads."""


@dataclass(frozen=True)
class LakeIndex:
    """Every manifest of one feed's lake, from one listing that came to its end."""

    listed_at: datetime
    """When the listing began: what the ledger learned later is newer, and stays."""
    held: Mapping[CityDay, Held]
    unreadable: Mapping[CityDay, str]
    """City-day -> why its manifest says nothing, or which part of it is gone or another:
    bought once, and `rejected`."""
    unjudged: frozenset[CityDay] = frozenset()
    """Their manifests were written by another version of the project: left as they are, and
    taken for delivered where nothing is known."""
    erased: frozenset[CityDay] = frozenset()
    """Erased for good, as their tombstones say; in none of the others."""


@dataclass(frozen=True)
class Changes:
    """What the ledger has to learn of one feed."""

    found: dict[CityDay, Held] = field(default_factory=dict[CityDay, Held])
    """In the lake, and not called so: they become what their manifest says."""
    lost: dict[CityDay, str] = field(default_factory=dict[CityDay, str])
    """Called delivered or empty, and not in the lake: why they are `not_requested`."""
    spoilt: dict[CityDay, str] = field(default_factory=dict[CityDay, str])
    """Their manifest or a part cannot be read: why they are `rejected`."""
    found_below: dict[CityDay, Held] = field(default_factory=dict[CityDay, Held])
    """Requested anew, while the lake holds an older delivery nobody knew of."""
    lost_below: frozenset[CityDay] = frozenset()
    """Requested anew, while the older delivery is gone."""
    erased: frozenset[CityDay] = frozenset()
    """Erased, and not called so: an older ledger, or a new one."""

    @property
    def count(self) -> int:
        """How many city-days change."""
        settled = len(self.found) + len(self.lost) + len(self.spoilt)
        below = len(self.found_below) + len(self.lost_below)
        return settled + below + len(self.erased)


def compare_with_lake(
    records: Mapping[CityDay, CityDayRecord], lake: LakeIndex
) -> Changes:
    """Say what the ledger has to learn; applying it and comparing again says nothing.

    Erased city-days stay erased, requested ones requested, and what is in neither place
    keeps the reason it has.

    Args:
        records: every city-day the ledger has of the feed.
        lake: what the lake has of it.
    """
    changes = Changes()
    lost_below: set[CityDay] = set()
    # Something was bought and stands there: on a new ledger, too, it is not bought again.
    unread = dict.fromkeys(lake.unjudged - records.keys(), _UNREAD)
    for city_day, held in {**lake.held, **unread}.items():
        _compare_held(changes, city_day, held, records.get(city_day), lake.listed_at)
    known = lake.held.keys() | lake.unjudged | lake.erased
    for city_day in records.keys() - known:
        record = records[city_day]
        if record.updated_at >= lake.listed_at or not record.is_in_lake:
            continue
        if record.state is CityDayState.REQUESTED:
            lost_below.add(city_day)
        elif record.state in _PRESENT and city_day in lake.unreadable:
            changes.spoilt[city_day] = lake.unreadable[city_day]
        elif record.state in _PRESENT:
            changes.lost[city_day] = GONE.format(state=record.state)
    for city_day in lake.unreadable.keys() - lake.unjudged - records.keys():
        changes.spoilt[city_day] = lake.unreadable[city_day]
    erased = frozenset(
        day for day in lake.erased if _is_news(records.get(day), lake.listed_at)
    )
    return replace(changes, lost_below=frozenset(lost_below), erased=erased)


def count_states(records: Collection[CityDayRecord]) -> dict[str, int]:
    """Return how many city-days are in each state; states nothing is in are absent."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state.value] = counts.get(record.state.value, 0) + 1
    return dict(sorted(counts.items()))


def _compare_held(
    changes: Changes,
    city_day: CityDay,
    held: Held,
    record: CityDayRecord | None,
    listed_at: datetime,
) -> None:
    if record is None:
        changes.found[city_day] = held
    elif record.updated_at >= listed_at or record.state is CityDayState.ERASED:
        return
    elif record.state is CityDayState.REQUESTED:
        if not record.is_in_lake:
            changes.found_below[city_day] = held
    elif record.state is not held.state:
        changes.found[city_day] = held


def _is_news(record: CityDayRecord | None, listed_at: datetime) -> bool:
    """Return whether the ledger does not know of an erased city-day."""
    if record is None:
        return True
    return record.state is not CityDayState.ERASED and record.updated_at < listed_at


def reason_found(record: CityDayRecord | None) -> str:
    """Return what to say of a city-day that was found in the lake."""
    return f"{_ADDED}; the ledger called it {record.state}" if record else _ADDED
