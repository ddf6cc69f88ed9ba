"""Problems of failed Dagster runs whose cause no city-day tells. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mobility_pipeline import errors
from mobility_pipeline.alerts.problems import Kind, Problem

IN_COVERAGE = errors.CityDaysMissingError.__name__
"""The error of a run that went to its end and named what is missing: the city-days' own
problems tell it."""

RunError = tuple[str, str]
"""An error's class, and its message."""


@dataclass(frozen=True)
class RunEnd:
    """How one run ended."""

    feed: str
    """Empty where it is of no feed."""
    job: str
    """Dagster's name of the job."""
    run_id: str
    ended_at: datetime
    errors: tuple[RunError, ...] = ()
    """None = it succeeded."""
    is_refresh: bool = False
    """It asked for days that were there: what did not come is missing nowhere."""

    @property
    def subject(self) -> str:
        """What its problems are about."""
        return "runs" if self.feed else f"runs of {self.job}"

    @property
    def line(self) -> tuple[str, str]:
        """Runs of one line prove for each other that something works again."""
        return self.feed, self.subject

    @property
    def problems(self) -> tuple[RunError, ...]:
        """Its errors that nothing else tells."""
        if self.is_refresh:
            return self.errors
        return tuple(error for error in self.errors if error[0] != IN_COVERAGE)


def find_run_problems(
    ends: Iterable[RunEnd],
) -> tuple[list[Problem], frozenset[tuple[str, str]]]:
    """Find what runs failed of, where no later run of the same line got through.

    Args:
        ends: in any order.

    Returns:
        One problem per line and error, sorted; and the lines of which a run got through
        after which none failed of the like.
    """
    failed: dict[tuple[tuple[str, str], str], list[tuple[RunEnd, str]]] = {}
    got_through: set[tuple[str, str]] = set()
    for end in sorted(ends, key=lambda end: end.ended_at):
        if not end.problems:
            got_through.add(end.line)
            failed = {key: found for key, found in failed.items() if key[0] != end.line}
        for error_type, message in end.problems:
            failed.setdefault((end.line, error_type), []).append((end, message))
    problems = [
        _describe(error_type, found)
        for (_, error_type), found in sorted(failed.items())
    ]
    return problems, frozenset(got_through)


def _describe(error_type: str, found: list[tuple[RunEnd, str]]) -> Problem:
    last, message = found[-1]
    count = "a run" if len(found) == 1 else f"{len(found)} runs"
    kind = _ours().get(error_type)
    # What a library says may hold rows or keys; our own errors never do.
    said = message if kind is not None else f"{error_type}; the run's log says more"
    return Problem(
        feed=last.feed,
        kind=Kind.RUN,
        subject=last.subject,
        reason=error_type,
        what=f"{count} failed: {said}",
        by_itself=_foretell(kind),
        by_person=f"{_advise(kind)} The last run: {last.run_id} in the Dagster UI.",
        since=found[0][0].ended_at,
    )


def _foretell(kind: type[errors.MobilityError] | None) -> str:
    if kind is not None and issubclass(kind, errors.TransientError):
        return "The next scheduled run tries again, and goes on where this one stopped."
    return (
        "The next scheduled run tries again, and will fail again until it is corrected."
    )


def _advise(kind: type[errors.MobilityError] | None) -> str:
    if kind is None:
        return "Report it: no error of this sort was foreseen."
    if issubclass(kind, errors.TransientError):
        return "Nothing yet. If it goes on: `mobility doctor`."
    return "Correct what the message names; `mobility doctor` tries it."


def _ours() -> Mapping[str, type[errors.MobilityError]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.MobilityError)
    }
