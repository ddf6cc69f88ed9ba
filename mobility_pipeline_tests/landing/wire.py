"""The S3 server of tests, and faults on the way to it."""

import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import requests
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

from mobility_pipeline.sandbox.s3_gate import S3Gate

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SET_UP_KEY = "testing-set-up"
"""Access key of a test's own client: neither noted nor hit by faults."""

_EXPIRATION = re.compile(rb"(?<=<Expiration>)[^<]*")

Fault = Callable[
    ["WSGIApplication", "WSGIEnvironment", "StartResponse"], Iterable[bytes]
]
"""Answers a request in place of the application."""


class Wire:
    """The sandbox's S3 and STS behind faults of one answer each."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[tuple[str, str]] = []
        """Method, path and query of each request to S3."""
        self.assumed = 0
        """Roles assumed so far."""
        self.session_life: timedelta | None = None
        """How long sessions last that begin from now on; null = as was asked for."""
        self._faults: Iterator[Fault | None] = iter(())
        self._server = S3Gate(DomainDispatcherApplication(create_backend_app))

    def hit(self, faults: Iterable[Fault | None]) -> None:
        """Let each request from now meet the next of these; null = none."""
        self._faults = iter(faults)

    def set_faults(self, **faults: Any) -> None:
        """Change faults of the sandbox (`sandbox.s3_faults.S3Faults`)."""
        requests.post(
            f"{self.url}/_sandbox/faults", json=faults, timeout=30
        ).raise_for_status()

    def calm(self) -> None:
        """Forget faults and requests."""
        self._faults = iter(())
        self.requests.clear()
        self.assumed = 0
        self.session_life = None
        requests.post(f"{self.url}/_sandbox/reset", timeout=30).raise_for_status()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path: str = environ["PATH_INFO"]
        if path == "/":
            return self._assume(environ, start_response)
        is_set_up = SET_UP_KEY in environ.get("HTTP_AUTHORIZATION", "")
        if is_set_up or path.startswith("/_sandbox/"):
            return self._server(environ, start_response)
        query = environ["QUERY_STRING"]
        self.requests.append((environ["REQUEST_METHOD"], f"{path}?{query}".rstrip("?")))
        fault = next(self._faults, None)
        if fault is None:
            return self._server(environ, start_response)
        return fault(self._server, environ, start_response)

    def _assume(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        self.assumed += 1
        answer = b"".join(self._server(environ, start_response))
        if self.session_life is None:
            return [answer]
        end = f"{datetime.now(UTC) + self.session_life:%Y-%m-%dT%H:%M:%SZ}"
        return [_EXPIRATION.sub(lambda old: end.encode().ljust(len(old[0])), answer)]


def drop(
    application: "WSGIApplication",
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    """Close the connection without an answer."""
    environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    raise ConnectionResetError


def cut_off(
    application: "WSGIApplication",
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
) -> Iterable[bytes]:
    """Announce the whole body and send half of it, as a server that knows no ranges."""
    environ.pop("HTTP_RANGE", None)
    body = b"".join(application(environ, start_response))
    return [body[: len(body) // 2]]


def refuse(status: str, body: str) -> Fault:
    """Answer with a status and a body, instead of what was asked for."""

    def fault(
        application: "WSGIApplication",
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        headers = [("Content-Length", str(len(body))), ("Content-Type", "text/xml")]
        start_response(status, headers)
        return [body.encode()]

    return fault


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the requests are noted."""


@contextmanager
def serve() -> Iterator[Wire]:
    """Serve on a free port of loopback, in this process."""
    wire = Wire()
    server = make_server(
        "127.0.0.1", 0, wire, threaded=True, request_handler=_QuietHandler
    )
    wire.url = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield wire
    server.shutdown()
    thread.join()
    server.server_close()
