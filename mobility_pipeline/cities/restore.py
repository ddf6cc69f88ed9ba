"""What it takes to have the registry as it was after a version."""

from collections.abc import Iterable
from dataclasses import dataclass

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.cities.validation import find_conflicts
from mobility_pipeline.cities.versions import (
    CityChange,
    Version,
    VersionLog,
    state_after,
)
from mobility_pipeline.errors import (
    CityRefusedError,
    RestoreRefusedError,
    UnknownCityError,
)

_NAMED = 5
"""Cities that one message names."""


@dataclass(frozen=True)
class RestorePlan:
    """Changes to the registry as it is now; none = it is as it was."""

    version: str
    """Id of the version to go back to."""
    changes: tuple[CityChange, ...]
    """By key."""

    @property
    def removed(self) -> tuple[str, ...]:
        """Keys of cities that were not there then, and whose files will go."""
        return tuple(change.key for change in self.changes if change.after is None)


def plan_restore(
    log: VersionLog, present: Cities, version: str, key: str | None = None
) -> RestorePlan:
    """Say what has to change for all cities, or one, to be as after a version.

    Cities that no version changed stay as they are.

    Args:
        log: every version that is known.
        present: the registry now.
        version: id, or the beginning of just one.
        key: of the one city to restore; None = all.

    Raises:
        UnknownVersionError: no version of that id.
        VersionUnreadableError: it is not readable.
        RestoreRefusedError: versions may be missing; a city was changed outside of them;
            or the cities would conflict.
        CityRefusedError: a city's file is refused now.
        UnknownCityError: no version says anything of the city.
    """
    goal = log.find(version)
    if key is None:
        targets = _find_targets(log, goal)
        _refuse_unrecorded(log, present, targets)
    else:
        targets = {key: _find_target(log, goal, key)}
    changes: list[CityChange] = []
    for name, after in sorted(targets.items()):
        before = present.find(name) if name in present.taken else None
        if before != after:
            changes.append(CityChange(name, before, after))
    plan = RestorePlan(goal.id, tuple(changes))
    refuse_conflicts(plan, present)
    return plan


def refuse_conflicts(plan: RestorePlan, present: Cities) -> None:
    """Refuse a plan whose cities do not go with those that stay, or with each other.

    Raises:
        RestoreRefusedError: naming every conflict.
    """
    cities = dict(present.by_key)
    for change in plan.changes:
        cities.pop(change.key, None)
        if change.after is not None:
            cities[change.key] = change.after
    conflicts = find_conflicts(cities.values())
    found = [text for c in plan.changes for text in conflicts.get(c.key, ())]
    if found:
        raise RestoreRefusedError(
            f"version {plan.version} can't be restored: {_name(dict.fromkeys(found))}; "
            "restore cities one by one with --city, or retire what is in the way"
        )


def _find_targets(log: VersionLog, goal: Version) -> dict[str, City | None]:
    _require_complete(log, goal)
    return state_after(log.versions, goal)


def _find_target(log: VersionLog, goal: Version, key: str) -> City | None:
    change = goal.change_of(key)
    if change is not None:
        return change.after  # no other version is needed to know
    _require_complete(log, goal)
    state = state_after(log.versions, goal)
    if key not in state:
        raise UnknownCityError(
            f"no version changed a city {key!r}: `mobility cities history` names those "
            "that were"
        )
    return state[key]


def _require_complete(log: VersionLog, goal: Version) -> None:
    if log.backup_problem:
        raise RestoreRefusedError(
            f"version {goal.id} can't be restored: versions may be missing, as the backup "
            f"could not be read: {log.backup_problem}"
        )
    if log.unreadable:
        raise RestoreRefusedError(
            f"version {goal.id} can't be restored: {_name(log.unreadable.values())}; "
            "restore single cities by the versions that changed them, with --city"
        )


def _refuse_unrecorded(
    log: VersionLog, present: Cities, targets: dict[str, City | None]
) -> None:
    """Refuse to take back a change that is in no version, such as one made by hand."""
    recorded = state_after(log.versions, log.versions[-1])
    refused = {city.name: city for city in present.refused}
    strange: list[str] = []
    for key, target in targets.items():
        if key in refused:
            raise CityRefusedError(key, refused[key].problems)
        now = present.by_key.get(key)
        if now not in (target, recorded[key]):
            strange.append(key)
    if strange:
        raise RestoreRefusedError(
            f"changed outside of the history, by hand or from elsewhere: {_name(strange)}; "
            "look at them, and restore cities one by one with --city"
        )


def _name(texts: Iterable[str]) -> str:
    listed = [*texts]
    more = f" and {len(listed) - _NAMED} more" if len(listed) > _NAMED else ""
    return ", ".join(listed[:_NAMED]) + more
