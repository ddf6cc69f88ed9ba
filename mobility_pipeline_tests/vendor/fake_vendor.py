"""A vendor of a few lines on a real socket, which fails exactly when a test says so."""

import json
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

KEY = "fake-key-of-the-tests"


@dataclass
class Fault:
    """One answer that is not the normal one."""

    status: int = 500
    body: str = "broken"
    headers: dict[str, str] = field(default_factory=dict)
    creates: bool = False
    """Whether a submit creates its job all the same."""
    hangs: bool = False
    """Never answers, until the vendor is stopped."""
    drops: bool = False
    """Closes the connection without an answer."""


def refusal(*locs: list[object]) -> Fault:
    """Return a 422 about these places of the body."""
    detail = [{"loc": loc, "msg": "is refused", "type": "value_error"} for loc in locs]
    return Fault(422, json.dumps({"detail": detail}))


def quota_fault(status: int = 403) -> Fault:
    """Return the quota error, in an envelope."""
    envelope = {
        "request_id": "r",
        "error_code": "QUOTA",
        "error_message": "Monthly Job Quota exceeded",
        "data": None,
    }
    return Fault(status, json.dumps(envelope))


class FakeVendor:
    """Keeps jobs in memory; `submit_faults`, `poll_faults`, `list_faults` are queues."""

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.submits: list[dict[str, Any]] = []
        self.submit_faults: list[Fault] = []
        self.poll_faults: list[Fault] = []
        self.list_faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.submit_seconds = 0.0
        """How long a submit takes."""
        self.submitted = threading.Event()
        """Set when a submit has arrived, before it is answered."""
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Handler", (_Handler,), {"vendor": self})
        )
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def add_job(
        self, created_at: datetime | None = None, status: str = "RUNNING"
    ) -> str:
        """Add a job, as if somebody had submitted it, and return its id."""
        with self._lock:
            job_id = f"job-{len(self.jobs) + 1:04}"
            created = created_at or datetime.now(UTC)
            self.jobs[job_id] = {"status": status, "created_at": created.isoformat()}
            return job_id

    def finish(self, job_id: str, status: str = "SUCCESS", message: str = "") -> None:
        """Give a job its last status."""
        self.jobs[job_id] |= {"status": status, "error_message": message or None}

    def answer(self, method: str, path: str, body: Any) -> Fault | object:
        """Return what a request is answered."""
        if method == "POST":
            return self._submit(body)
        if path == "/v1/job":
            if self.list_faults:
                return self.list_faults.pop(0)
            return [
                {"id": key, "status": job["status"], "created_at": job["created_at"]}
                for key, job in self.jobs.items()
            ]
        if self.poll_faults:
            return self.poll_faults.pop(0)
        job = self.jobs.get(path.split("/")[3])
        if job is None:
            return Fault(404, json.dumps({"error_message": "no such job"}))
        if method == "DELETE" and job["status"] != "SUCCESS":
            job["status"] = "CANCELLED"
        return job

    def _submit(self, body: Any) -> Fault | object:
        self.submits.append(body)
        self.stopped.wait(self.submit_seconds)
        fault = self.submit_faults.pop(0) if self.submit_faults else None
        job_id = self.add_job() if fault is None or fault.creates else ""
        if fault is None:
            return {"job_id": job_id, "status": "SCHEDULED"}
        return fault


class _Handler(BaseHTTPRequestHandler):
    vendor: ClassVar[FakeVendor]

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        self.vendor.requests.append((self.command, self.path, dict(self.headers)))
        if self.headers.get("X-API-Key") != KEY:
            self._send(Fault(401, '{"error_message": "bad key"}'))
            return
        answer = self.vendor.answer(self.command, self.path, body)
        if self.command == "POST":
            self.vendor.submitted.set()
        self._send(answer)

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def _send(self, answer: Fault | object) -> None:
        fault = answer if isinstance(answer, Fault) else Fault(200, _envelope(answer))
        if fault.hangs:
            self.vendor.stopped.wait(30)
        if fault.hangs or fault.drops:
            self.close_connection = True
            return
        self.send_response(fault.status)
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(fault.body.encode())))
        self.end_headers()
        self.wfile.write(fault.body.encode())

    def log_message(self, *_: object) -> None:
        pass


def _envelope(data: Any) -> str:
    message = data.get("error_message") if isinstance(data, dict) else None
    if isinstance(data, dict) and "created_at" in data:
        place = {"bucket": "vendor-bucket", "folder_path": "/output/Org/job"}
        done = data["status"] == "SUCCESS"
        data = {"status": data["status"], "s3_location": place if done else None}
    return json.dumps(
        {"request_id": "r", "error_code": None, "error_message": message, "data": data}
    )
