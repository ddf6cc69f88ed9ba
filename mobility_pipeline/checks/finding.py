"""What a check found: one value, whatever was judged and whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Metadata = Mapping[str, str | int | float | tuple[str, ...]]


class Severity(StrEnum):
    """How bad it is where a check did not pass."""

    WARN = "warn"
    """Look at it."""
    ERROR = "error"
    """Wrong or missing: do something."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    name: str
    """The check's: `no_missing_dates`."""
    passed: bool
    severity: Severity
    """Counts only where it did not pass."""
    message: str
    """One line; never a device id."""
    numbers: Metadata = field(default_factory=dict[str, str | int | float])
    """What the message is made of. A number that is not known is not there: never 0."""


def passed(name: str, message: str, numbers: Metadata) -> Finding:
    """Make the finding of a check that passed."""
    return Finding(name, True, Severity.WARN, message, numbers)


def warned(name: str, message: str, numbers: Metadata) -> Finding:
    """Make the finding of a check that did not pass, to be looked at."""
    return Finding(name, False, Severity.WARN, message, numbers)


def failed(name: str, message: str, numbers: Metadata) -> Finding:
    """Make the finding of a check that did not pass, and means that data is wrong."""
    return Finding(name, False, Severity.ERROR, message, numbers)
