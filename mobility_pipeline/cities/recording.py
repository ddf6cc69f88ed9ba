"""Make changes of the registry's files and keep them as versions: both, or neither.

1. Hold the folder (on S3 each write has its condition instead) and the history.
2. Settle what a crash left begun: ask the files what took effect.
3. `begin` the version, make its changes, `settle` it, back it up.

    killed             the registry has    whoever comes next
    before `begin`     no change           finds nothing
    before `settle`    none, some or all   keeps those that are made as the version
    before the backup  all                 backs it up
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mobility_pipeline.cities.versions import CityChange, Operation, VersionLog
from mobility_pipeline.errors import ConfigurationError, MobilityError, StorageError

if TYPE_CHECKING:
    from mobility_pipeline.cities.files import CityFile, CityFiles
    from mobility_pipeline.cities.history import History


class Recorder:
    """Changes the files of one registry."""

    def __init__(self, files: "CityFiles", history: "History | None") -> None:
        self._files = files
        self._optional_history = history

    @contextmanager
    def changing(self) -> Generator[None]:
        """Hold files and history while changes are checked and made; back up after it.

        Raises:
            BackupFailedError: the changes are made and kept here, their backup is not.
        """
        with self._held():
            yield
        self._history.back_up()

    def make(
        self,
        operation: Operation,
        changes: Sequence[CityChange],
        files: Sequence["CityFile"] = (),
        *,
        note: str = "",
        on_failure: "Callable[[str, MobilityError], None] | None" = None,
    ) -> None:
        """Make changes that were checked, and keep what was made as one version.

        Args:
            operation: what it is called.
            changes: in the order to make them; none = no version.
            files: as they were read, where any is replaced.
            note: for people.
            on_failure: told of each city that could not be stored, and the others are;
                None = the first failure ends it, and is raised.
        """
        if not changes:
            return
        version = self._history.begin(operation, changes, note)
        made: list[CityChange] = []
        is_unsure, failure = False, None
        for change in changes:
            try:
                if change.before != change.after:
                    self._files.make(change, files)
                made.append(change)
            except MobilityError as error:
                # It may be made where only the answer was lost.
                is_unsure |= isinstance(error, StorageError)
                if on_failure is None:
                    failure = error
                    break
                on_failure(change.key, error)
        if is_unsure:
            with suppress(StorageError):  # else whoever comes next settles it
                self._settle_begun()
        else:
            self._history.settle(version, made)
        if failure is not None:
            raise failure

    def load(self) -> VersionLog:
        """Return every version that is known; what a crash left is settled first."""
        if self._history.has_begun():
            with self._held():
                pass
        return self._history.load()

    def back_up(self) -> tuple[str, ...]:
        """Store in the backup what is not there; return the ids of these versions."""
        if self._history.has_begun():
            with self._held():
                pass
        return self._history.back_up()

    @property
    def _history(self) -> "History":
        if self._optional_history is None:
            raise ConfigurationError(
                "this registry was opened without a history: it can only be read"
            )
        return self._optional_history

    @contextmanager
    def _held(self) -> Generator[None]:
        history = self._history
        with self._files.held(), history.held():
            self._settle_begun()
            yield

    def _settle_begun(self) -> None:
        for version in self._history.begun():
            made = [change for change in version.changes if self._is_made(change)]
            self._history.settle(version, made)

    def _is_made(self, change: CityChange) -> bool:
        """Say whether a change that was begun took effect.

        A city that is neither as before nor as after was changed again by somebody who
        shares only the files: then it is kept, as too much history is better than a gap.
        """
        file = self._files.read(change.key)
        if file is not None and file.is_being_removed:
            self._files.end_removal(change.key)
            file = None
        present = None if file is None else file.content
        return present == change.after or present != change.before
