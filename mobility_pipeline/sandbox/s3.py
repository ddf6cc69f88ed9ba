"""The S3 and STS process: moto behind switchable faults.

    python -m mobility_pipeline.sandbox.s3 --port 5000

Objects live in memory and end with the process.
"""

import argparse

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


class _QuietHandler(MotoRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: one line per request would be most of the log."""


def make_s3_server(host: str, port: int) -> BaseWSGIServer:
    """Bind the server; it answers once `serve_forever` runs.

    Args:
        host: interface to listen on.
        port: 0 = any free port, then in `server.port`.
    """
    gate = S3Gate(DomainDispatcherApplication(create_backend_app))
    return make_server(host, port, gate, threaded=True, request_handler=_QuietHandler)


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
