"""OpenStreetMap's process: an Overpass API and a Nominatim with a few boundaries.

Its answers (`osm_answers/`) have the form of the real ones (dev.overpass-api.de/
overpass-doc, nominatim.org/release-docs/latest/api/Output), but are made up: numbers are
nobody's, outlines are those of `cities/` and shapes around them. One, Burnaby, is not
closed.

python -m mobility_pipeline.sandbox.osm
"""

import argparse
import html
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mobility_pipeline.sandbox.lifeline import (
    add_process_arguments,
    announce,
    follow_stdin,
)
from mobility_pipeline.sandbox.osm_ql import ParseError, World, answer

_ANSWERS = Path(__file__).parent / "osm_answers"
_NO_FAULTS = {"overpass": [], "nominatim": [], "hang_seconds": 5, "slot_seconds": None}
"""What can be switched on: wrong answers of each, one a request; and how long they take.

A wrong answer is a status, `[status, Retry-After]`, `html`, `slow`, `huge`, the `remark`
of an HTTP 200 (`runtime error: …`), or any other text.
`slot_seconds` is what the status page says.
"""

_PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<html><head><title>OSM3S Response</title>'
    "</head><body><p>The data included in this document is from www.openstreetmap.org."
    '</p><p><strong style="color:#FF0000">Error</strong>: {} </p></body></html>'
)
_BUSY = "runtime error: open64: 0 Success /osm3s_osm_base Dispatcher_Client::{}. {}"


class Servers:
    """Both servers' data, faults, and what they were asked."""

    def __init__(self) -> None:
        self.overpass = json.loads((_ANSWERS / "overpass.json").read_bytes())
        self.places = json.loads((_ANSWERS / "nominatim.json").read_bytes())
        codes = {p["osm_id"]: p["address"]["country_code"] for p in self.places}
        self.world = World(
            relations=self.overpass["elements"],
            country_codes={number: code.upper() for number, code in codes.items()},
            outlines={p["osm_id"]: p["geojson"] for p in self.places if "geojson" in p},
        )
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Clear faults and what was asked."""
        self.faults: dict[str, Any] = dict(_NO_FAULTS)
        self.asked: list[dict[str, str]] = []

    def take_fault(self, server: str) -> Any:
        """Take the next wrong answer of a server off its queue."""
        with self.lock:
            first, *rest = self.faults[server] or [None]
            self.faults[server] = rest
            return first

    def ask_overpass(self, question: str) -> dict[str, Any]:
        """Answer a question in Overpass QL."""
        return {**self.overpass, "elements": answer(question, self.world)}

    def search(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        """Answer `/search`: places whose address holds every word."""
        words = fields["q"].casefold().replace(",", " ").split()
        found = [
            place
            for place in self.places
            if place["address"]["country_code"] in fields["countrycodes"].split(",")
            and all(word in place["display_name"].casefold() for word in words)
        ]
        found.sort(key=lambda place: -place["importance"])
        return [_present(place, fields) for place in found[: int(fields["limit"])]]

    def look_up(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        """Answer `/lookup`: the places of these ids."""
        wanted = fields["osm_ids"].split(",")
        return [
            _present(place, fields)
            for place in self.places
            if f"{place['osm_type'][0].upper()}{place['osm_id']}" in wanted
        ]

    def status_page(self) -> str:
        """Return the text of `/api/status`."""
        seconds = self.faults["slot_seconds"]
        slots = (
            "2 slots available now."
            if seconds is None
            else f"Slot available after: 2026-01-05T10:00:00Z, in {seconds} seconds."
        )
        return (
            "Connected as: 2130706433\nCurrent time: 2026-01-05T10:00:00Z\nRate limit: 2\n"
            f"{slots}\nCurrently running queries (pid, space limit, time limit, start "
            "time):\n"
        )


def _present(place: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    hidden = set()
    if fields.get("polygon_geojson") != "1":
        hidden.add("geojson")
    if fields.get("addressdetails") != "1":
        hidden.add("address")
    return {name: value for name, value in place.items() if name not in hidden}


class _Handler(BaseHTTPRequestHandler):
    servers: Servers

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/api/status":
            self._send(self.servers.status_page(), kind="text/plain")
        elif parts.path == "/_sandbox/requests":
            self._send(json.dumps(self.servers.asked))
        else:
            self._answer(parts.path, _fields(parts.query))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if self.path == "/_sandbox/faults":
            self.servers.faults |= json.loads(body)
            self._send(json.dumps(self.servers.faults))
        elif self.path == "/_sandbox/reset":
            self.servers.reset()
            self._send("{}")
        else:
            self._answer(self.path, _fields(body))

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""

    def _answer(self, path: str, fields: dict[str, str]) -> None:
        agent = self.headers.get("User-Agent", "")
        self.servers.asked.append({"path": path, "agent": agent, **fields})
        routes = {
            "/api/interpreter": ("overpass", self._overpass),
            "/search": ("nominatim", self.servers.search),
            "/lookup": ("nominatim", self.servers.look_up),
        }
        if path not in routes:
            self._send(
                "<title>404 Not Found</title>", HTTPStatus.NOT_FOUND, "text/html"
            )
            return
        server, route = routes[path]
        fault = self.servers.take_fault(server)
        try:
            if fault is not None:
                self._misbehave(fault)
            else:
                self._send(json.dumps(route(fields)))
        except ParseError as error:
            page = _PAGE.format(html.escape(f"line 1: {error}"))
            self._send(page, HTTPStatus.BAD_REQUEST, "text/html")

    def _overpass(self, fields: dict[str, str]) -> dict[str, Any]:
        return self.servers.ask_overpass(fields["data"])

    def _misbehave(self, fault: Any) -> None:
        if isinstance(fault, str) and fault.startswith("runtime"):
            document = {**self.servers.overpass, "elements": [], "remark": fault}
            self._send(json.dumps(document))
        elif fault == "slow":
            time.sleep(self.servers.faults["hang_seconds"])
        elif fault == "huge":
            self._send(" " * 50_000_001)
        elif fault == "html":
            self._send(_PAGE.format("come back later"), kind="text/html")
        elif isinstance(fault, str):
            self._send(fault)
        else:
            status, wait = fault if isinstance(fault, list) else (fault, None)
            reason = {
                429: (
                    "request_read_and_idx::rate_limited",
                    "Please check /api/status.",
                ),
                504: (
                    "request_read_and_idx::timeout",
                    "The server is probably too busy.",
                ),
            }.get(status, ("?", "simulated"))
            headers = {} if wait is None else {"Retry-After": str(wait)}
            page = _PAGE.format(_BUSY.format(*reason))
            self._send(page, status, "text/html", headers)

    def _send(
        self,
        text: str,
        status: int = HTTPStatus.OK,
        kind: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _fields(text: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(text).items()}


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_process_arguments(parser)
    arguments = parser.parse_args()
    _Handler.servers = Servers()
    server = ThreadingHTTPServer((arguments.host, arguments.port), _Handler)
    if arguments.follow_stdin:
        follow_stdin()
    announce(arguments.host, server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    main()
