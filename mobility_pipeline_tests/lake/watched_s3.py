"""A small S3 server in this process, that can kill another one at one of its writes.

It speaks what a city-day needs: list a folder, get, put (in pieces too) and delete. Each
request applies wholly or not at all, as in S3. Tests look at its objects directly.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import md5
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from queue import Queue
from xml.sax.saxutils import escape

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

READS = ("GET", "HEAD")
_MODIFIED = datetime(2024, 5, 1, tzinfo=UTC)


@dataclass
class Kill:
    """A process that will not survive one of its writes."""

    number: int
    """Of the write, from 1."""
    is_applied: bool
    """Whether the write takes effect before the process dies; it is never answered."""
    victims: Queue[ForkServerProcess] = field(default_factory=Queue)
    writes: Iterator[int] = field(default_factory=lambda: count(1))


class WatchedS3:
    """Objects of one bucket, and the requests that were made for them."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, bytes] = {}
        """By key."""
        self.requests: list[tuple[str, str]] = []
        """Method and last part of the key; `?` stands for a listing."""
        self._pieces: dict[str, dict[int, bytes]] = {}
        self._kill: Kill | None = None

    @contextmanager
    def killing(self, number: int, *, is_applied: bool) -> Iterator[Kill]:
        """Kill the process put into `victims` at its number-th write.

        Nobody else may write meanwhile.
        """
        self._kill = Kill(number, is_applied)
        yield self._kill
        self._kill = None

    def answer(self, request: Request) -> Response:
        """Answer one request; the one that kills is answered to nobody."""
        is_listing = "list-type" in request.args
        name = "?" if is_listing else request.path.rpartition("/")[2]
        self.requests.append((request.method, name))
        kill = None if request.method in READS else self._kill
        if kill is None or next(kill.writes) != kill.number:
            return self._apply(request)
        if kill.is_applied:
            self._apply(request)
        victim = kill.victims.get(timeout=30)
        assert victim.pid is not None
        os.kill(victim.pid, signal.SIGKILL)
        wait([victim.sentinel], timeout=30)
        return Response(status=503)

    def _apply(self, request: Request) -> Response:
        key = request.path.lstrip("/").partition("/")[2]
        match request.method:
            case "GET" if "list-type" in request.args:
                return _xml(self._list(request.args["prefix"]))
            case "GET" if key in self.objects:
                data = self.objects[key]
                response = Response(data, headers={"ETag": _etag(data)})
                response.last_modified = _MODIFIED
                return response
            case "PUT" if "uploadId" in request.args:
                pieces = self._pieces[request.args["uploadId"]]
                pieces[int(request.args["partNumber"])] = request.get_data()
                return Response(headers={"ETag": '"piece"'})
            case "PUT":
                self.objects[key] = request.get_data()
                return Response(headers={"ETag": _etag(self.objects[key])})
            case "POST" if "uploads" in request.args:
                upload = f"upload-{len(self._pieces)}"
                self._pieces[upload] = {}
                return _xml(
                    f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId>"
                    "</InitiateMultipartUploadResult>"
                )
            case "POST" if "uploadId" in request.args:
                pieces = self._pieces[request.args["uploadId"]]
                self.objects[key] = b"".join(
                    pieces[number] for number in sorted(pieces)
                )
                return _xml(
                    "<CompleteMultipartUploadResult><ETag>whole</ETag>"
                    "</CompleteMultipartUploadResult>"
                )
            case "DELETE":
                self.objects.pop(key, None)
                return Response(status=204)
            case _:
                return _xml("<Error><Code>NoSuchKey</Code></Error>", 404)

    def _list(self, prefix: str) -> str:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(data)}</Size>"
            f"<LastModified>{_MODIFIED.isoformat()}</LastModified><ETag>{_etag(data)}</ETag></Contents>"
            for key, data in sorted(self.objects.copy().items())
            if key.startswith(prefix) and "/" not in key.removeprefix(prefix)
        )
        return f"<ListBucketResult>{found}</ListBucketResult>"


@contextmanager
def serve_watched() -> Iterator[WatchedS3]:
    """Serve an empty bucket on a free port of loopback."""
    watched = WatchedS3()
    server = make_server(
        "127.0.0.1",
        0,
        Request.application(watched.answer),
        threaded=True,
        request_handler=_QuietHandler,
    )
    watched.url = f"http://127.0.0.1:{server.port}"
    serving = threading.Thread(target=server.serve_forever, args=(0.01,))
    serving.start()
    yield watched
    server.shutdown()
    serving.join()
    server.server_close()


class _QuietHandler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the requests are noted."""


def _xml(text: str, status: int = 200) -> Response:
    return Response(text, status=status, mimetype="application/xml")


def _etag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'
