"""The S3, STS and SNS process: moto behind switchable faults.

    python -m mobility_pipeline.sandbox.s3 --port 5000

Objects live in memory and end with the process.
"""

import argparse
from collections.abc import Callable

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import BaseWSGIServer, make_server

from mobility_pipeline.sandbox.lifeline import (
    add_process_arguments,
    announce,
    follow_stdin,
)
from mobility_pipeline.sandbox.s3_gate import S3Gate


class _Handler(MotoRequestHandler):
    """Keeps connections open between reads, which werkzeug closes after each request."""

    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request."""
        has_body = (
            "Content-Length" in self.headers or "Transfer-Encoding" in self.headers
        )
        if self.command not in ("GET", "HEAD") or has_body:
            super().run_wsgi()  # closes, as nobody may have read the whole body
            return
        started: list[tuple[str, list[tuple[str, str]]]] = []
        chunks: list[bytes] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], *_: object
        ) -> Callable[[bytes], object]:
            started.append((status, headers))
            return chunks.append

        chunks.extend(self.server.app(self.make_environ(), start_response))
        body = b"".join(chunks)
        status, headers = started[-1]
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        has_length = any(name.lower() == "content-length" for name, _ in headers)
        if not has_length and code not in ("204", "304"):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: one line per request would be most of the log."""


def make_s3_server(host: str, port: int) -> BaseWSGIServer:
    """Bind the server; it answers once `serve_forever` runs.

    Args:
        host: interface to listen on.
        port: 0 = any free port, then in `server.port`.
    """
    gate = S3Gate(DomainDispatcherApplication(create_backend_app))
    return make_server(host, port, gate, threaded=True, request_handler=_Handler)


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_process_arguments(parser)
    arguments = parser.parse_args()
    server = make_s3_server(arguments.host, arguments.port)
    if arguments.follow_stdin:
        follow_stdin()
    announce(arguments.host, server.port)
    server.serve_forever()


if __name__ == "__main__":
    main()
