"""The registry: one GeoJSON file per city, in a folder or under an S3 prefix.

A file is replaced in one step on both (obstore writes a folder's file beside it and
renames it), so a reader sees the old city or the new one. Nobody's change is lost: a
folder is held by one process at a time, and on S3 a file is replaced only if it is the one
that was read. Each change is kept as a version, see `history.py`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from mobility_pipeline.cities.city import City
from mobility_pipeline.cities.files import CityFile, CityFiles
from mobility_pipeline.cities.geojson import city_to_feature, content_sha256
from mobility_pipeline.cities.known import Cities, RefusedCity
from mobility_pipeline.cities.recording import Recorder
from mobility_pipeline.cities.restore import (
    RestorePlan,
    plan_restore,
    refuse_conflicts,
)
from mobility_pipeline.cities.validation import admit, find_conflicts, find_problems
from mobility_pipeline.cities.versions import CityChange, Operation, VersionLog
from mobility_pipeline.errors import (
    BackupFailedError,
    CityChangedError,
    CityRefusedError,
    MobilityError,
)

if TYPE_CHECKING:
    from typing import Literal

    from obstore.store import ObjectStore

    from mobility_pipeline.cities.history import History


class Registry:
    """The cities of one store. Each change is checked against all others first.

    Whatever changes the registry raises besides what it says:
        BackupFailedError: the change is made and kept here, its backup is not.
        ConfigurationError: the folder or bucket does not exist, or the registry was opened
            without a history.
        StorageError: S3 failed after retries, or another process took too long.
        StorageForbiddenError: S3 or the file system refused.
    """

    def __init__(self, store: "ObjectStore", history: "History | None" = None) -> None:
        """Address a registry; nothing is read yet.

        Args:
            store: where its files are.
            history: where its versions are kept; None = it is only read.
        """
        self._files = CityFiles(store)
        self._recorder = Recorder(self._files, history)

    def load(self) -> Cities:
        """Read every `.geojson` file; a bad one is refused and hides no other.

        Raises:
            ConfigurationError: the folder or bucket does not exist.
            StorageError: S3 failed after retries.
            StorageForbiddenError: S3 or the file system refused.
        """
        return _sort_out(self._files.read_all())

    def add(self, city: City) -> None:
        """Add a new city.

        Raises:
            CityRefusedError: it is invalid, its key exists, or it conflicts.
        """
        with self._recorder.changing():
            existing = self.load()
            is_taken = city.key in existing.taken
            problems = [f"key {city.key} exists already"] if is_taken else []
            self._check(city, existing, problems)
            self._recorder.make("add", [CityChange(city.key, None, city)])

    def add_all(self, cities: Sequence[City]) -> tuple[RefusedCity, ...]:
        """Add new cities that go with each other, as an import makes them: one version.

        Returns:
            Those that could not be added, each with its problems; the others are stored.
            A BackupFailedError has them as its `outcome`.
        """
        refused: tuple[RefusedCity, ...] = ()
        try:
            with self._recorder.changing():
                refused = self._add_all(cities)
        except BackupFailedError as error:
            error.outcome = refused
            raise
        return refused

    def replace(self, city: City, *, expected: str) -> None:
        """Replace a city; its key and `legacy_prefix` are frozen.

        Args:
            city: as it is to be; the same as before changes nothing.
            expected: `content_sha256` of the city whose new version it is.

        Raises:
            CityRefusedError: the new version is invalid, conflicts, or changes
                `legacy_prefix`; or the present file is refused itself.
            UnknownCityError: there is no city of this key.
            CityChangedError: it is not as expected: somebody else changed it.
        """
        with self._recorder.changing():
            files = self._files.read_all()
            existing = _sort_out(files)
            present = existing.find(city.key)
            if content_sha256(present) != expected:
                raise CityChangedError(
                    f"city {city.key} was changed by somebody else meanwhile: look at it "
                    "and try again; `mobility cities history` says who"
                )
            problems: list[str] = []
            if city.legacy_prefix != present.legacy_prefix:
                problems.append(f"legacy_prefix is frozen as {present.legacy_prefix!r}")
            self._check(city, existing, problems)
            if city != present:
                changes = [CityChange(city.key, present, city)]
                self._recorder.make("edit", changes, files)

    def retire(self, key: str) -> None:
        """Stop asking for a city; its file and data stay. Twice is as good as once.

        Raises:
            CityRefusedError: its file is refused.
            UnknownCityError: there is no city of this key.
            CityChangedError: somebody else changed it in the same moment (S3).
        """
        self._set_status(key, "retired")

    def reactivate(self, key: str) -> None:
        """Ask for a retired city again. Twice is as good as once.

        Raises:
            CityRefusedError: its file is refused.
            UnknownCityError: there is no city of this key.
            CityChangedError: somebody else changed it in the same moment (S3).
        """
        self._set_status(key, "active")

    def record_purge(self, key: str, note: str) -> None:
        """Record that a city's data is about to be erased; the city stays as it is.

        Raises:
            CityRefusedError: its file is refused.
            UnknownCityError: there is no city of this key.
        """
        with self._recorder.changing():
            city = self.load().find(key)
            self._recorder.make("purge", [CityChange(key, city, city)], note=note)

    def versions(self) -> VersionLog:
        """Return every version that is known, here and in the backup."""
        return self._recorder.load()

    def back_up(self) -> tuple[str, ...]:
        """Store in the backup what is not there; return the ids of these versions."""
        return self._recorder.back_up()

    def plan_restore(self, version: str, key: str | None = None) -> RestorePlan:
        """Say what it takes to have all cities, or one, as they were after a version.

        Raises:
            UnknownVersionError: no version of that id.
            VersionUnreadableError: it is not readable.
            RestoreRefusedError: that would lose or guess something.
            CityRefusedError: a city's file is refused now.
            UnknownCityError: the version says nothing of the city.
        """
        return plan_restore(self.versions(), self.load(), version, key)

    def restore(self, plan: RestorePlan) -> None:
        """Make a plan true, as a new version.

        Raises:
            CityChangedError: a city changed since the plan was made.
            CityRefusedError: a city conflicts with others, or its file is refused.
        """
        if not plan.changes:
            return
        with self._recorder.changing():
            files = self._files.read_all()
            existing = _sort_out(files)
            for change in plan.changes:
                taken = change.key in existing.taken
                if (existing.find(change.key) if taken else None) != change.before:
                    raise CityChangedError(
                        f"city {change.key} was changed by somebody else meanwhile: look "
                        "at it and restore again"
                    )
            refuse_conflicts(plan, existing)
            note = f"as it was after {plan.version}"
            # Cities that go make room for those below or above them.
            ordered = sorted(plan.changes, key=lambda change: change.after is not None)
            self._recorder.make("restore", ordered, files, note=note)

    def _set_status(self, key: str, status: "Literal['active', 'retired']") -> None:
        with self._recorder.changing():
            files = self._files.read_all()
            city = _sort_out(files).find(key)
            if city.status != status:
                operation: Operation = "retire" if status == "retired" else "reactivate"
                changes = [CityChange(key, city, replace(city, status=status))]
                self._recorder.make(operation, changes, files)

    def _add_all(self, cities: Sequence[City]) -> tuple[RefusedCity, ...]:
        existing = self.load()
        admitted, conflicts = admit(
            (city for city in cities if city.key not in existing.taken),
            tuple(existing.by_key.values()),
        )
        problems = {city.key: ["key exists already"] for city in cities} | conflicts
        for city in admitted:
            problems.pop(city.key)

        def refuse(key: str, error: MobilityError) -> None:
            is_taken = isinstance(error, CityRefusedError)
            text = "key exists already" if is_taken else f"could not be stored: {error}"
            problems[key] = [text]

        changes = [CityChange(city.key, None, city) for city in admitted]
        self._recorder.make("import", changes, on_failure=refuse)
        return tuple(RefusedCity(key, tuple(texts)) for key, texts in problems.items())

    def _check(self, city: City, existing: Cities, problems: list[str]) -> None:
        problems = problems + find_problems(city_to_feature(city), city.key)
        if not problems:
            others = [
                other for key, other in existing.by_key.items() if key != city.key
            ]
            problems = find_conflicts([*others, city]).get(city.key, [])
        if problems:
            raise CityRefusedError(city.key, problems)


def _sort_out(files: Sequence[CityFile]) -> Cities:
    contents = [file.content for file in files]
    refused = [content for content in contents if isinstance(content, RefusedCity)]
    admitted, conflicts = admit(
        content for content in contents if isinstance(content, City)
    )
    refused += [RefusedCity(key, tuple(texts)) for key, texts in conflicts.items()]
    return Cities(
        by_key={city.key: city for city in admitted},
        refused=tuple(sorted(refused, key=lambda city: city.name)),
    )
