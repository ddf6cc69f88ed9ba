"""Faults that hit some requests only, and gates that keep requests waiting."""

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mobility_pipeline_tests.landing.wire import Fault, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OUT_OF_ORDER = refuse("500 No", "<Code>InternalError</Code>")
"""An S3 that fails, also when it is asked again."""


def pass_on(
    application: "WSGIApplication",
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    """Answer as if there were no fault."""
    return application(environ, start_response)


def only(method: str, pattern: str, fault: Fault) -> Fault:
    """Let a fault hit only requests of a method whose path has a pattern."""

    def choose(
        application: "WSGIApplication",
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        is_hit = environ["REQUEST_METHOD"] == method
        is_hit = is_hit and re.search(pattern, environ["PATH_INFO"]) is not None
        answer = fault if is_hit else pass_on
        return answer(application, environ, start_response)

    return choose


@dataclass
class Gate:
    """A fault that keeps requests waiting until it is opened."""

    awaited: int = 1
    """Requests that have to come until it counts as reached."""
    then: Fault = pass_on
    """What becomes of them when it is open."""
    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)
    _waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(
        self,
        application: "WSGIApplication",
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        """Wait, then answer."""
        with self._lock:
            self._waiting += 1
            if self._waiting >= self.awaited:
                self.reached.set()
        assert self.opened.wait(30)
        return self.then(application, environ, start_response)
