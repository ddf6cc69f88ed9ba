"""A webhook's receiver on a real socket, which does as it is told."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_c3ludGhldGljLXNlY3JldC1vZi1ub2JvZHk="


@dataclass
class Receiver:
    """Verifies each post, and answers the next of `answers`, then 204.

    An answer of 0 hangs until the receiver stops.
    """

    answers: list[int] = field(default_factory=list[int])
    taken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Documents answered with 2xx."""
    ids: list[str] = field(default_factory=list[str])
    """The `webhook-id` of every attempt."""
    forged: int = 0
    """Posts whose signature is not ours."""

    def __enter__(self) -> Self:
        """Start."""
        self._stopping = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.receive(self)

            def log_message(self, format: str, *args: Any) -> None:
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?token=s3cret"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one post."""
        body = request.rfile.read(int(request.headers["content-length"]))
        self.ids.append(request.headers.get("webhook-id", ""))
        try:
            Webhook(SECRET).verify(body, dict(request.headers.items()))
        except WebhookVerificationError:
            self.forged += 1
            status = 401
        else:
            status = self.answers.pop(0) if self.answers else 204
        if status == 0:
            self._stopping.wait(30)
            return
        if status in (200, 204):
            self.taken.append(json.loads(body))
        request.send_response(status)
        request.send_header("content-length", "0")
        request.send_header("location", self.url)
        request.end_headers()
