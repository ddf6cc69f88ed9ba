"""How a notification leaves the house: one protocol, and the channel that is always on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from mobility_pipeline.alerts.message import Notification

LOG = "log"


class Channel(Protocol):
    """One way to tell people."""

    @property
    def target(self) -> str:
        """Where it leads, for people; never a secret."""
        ...

    def send(self, notification: Notification) -> None:
        """Hand over one notification.

        Raises:
            AlertUndeliveredError: it was not taken; says why and what to do.
        """
        ...


Channels = Mapping[str, Callable[[], Channel]]
"""Name -> what opens that channel, or raises a ConfigurationError. Configured ones only."""


@dataclass(frozen=True)
class LogChannel:
    """Writes the text to a log."""

    write: Callable[[str], None]
    target: str = "the log of alert_sensor"

    def send(self, notification: Notification) -> None:
        """Write it."""
        self.write(notification.text)
