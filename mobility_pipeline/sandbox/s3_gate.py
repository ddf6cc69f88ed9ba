"""What stands before moto: counts and faults; answers admin routes and plain reads.

`POST /_sandbox/faults` merges a JSON object of `S3Faults`, `POST /_sandbox/reset`
clears faults and counts, `GET /_sandbox/requests` counts requests by method, bucket and
first part of the key. Requests signed with `INTERNAL_ACCESS_KEY` are neither counted
nor hit. SNS is served too, with a fault of its own.
"""

import io
import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from pydantic import ValidationError

from mobility_pipeline.sandbox.s3_faults import FaultState, Refusal, S3Request
from mobility_pipeline.sandbox.s3_reads import PlainReads

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

INTERNAL_ACCESS_KEY = "sandbox-internal"
"""Access key of the sandbox's own writes; moto checks no secrets."""

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/\d+/[^/]+/([^/]+)/aws4_request")
_SESSION_TOKEN = re.compile(rb"<SessionToken>([^<]+)</SessionToken>")


class S3Gate:
    """WSGI application: admin routes, faults, plain reads, then moto."""

    def __init__(self, backend: "WSGIApplication") -> None:
        self._backend = backend
        self._state = FaultState()
        self._reads = PlainReads()

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer one request."""
        path: str = environ["PATH_INFO"]
        if path.startswith("/_sandbox/"):
            return self._administrate(environ, start_response)
        access_key, service = _signer(environ)
        if service == "sts":
            return self._assume(environ, start_response)
        if service == "sns":
            return self._publish(environ, start_response)
        request = _s3_request(environ)
        if access_key != INTERNAL_ACCESS_KEY:
            refusal = self._state.admit(request)
            if refusal is not None:
                _read_body(environ)
                return _refuse(refusal, environ, start_response)
        if request.method in ("GET", "HEAD"):
            return self._read(request, environ, start_response)
        try:
            return self._backend(environ, start_response)
        finally:
            self._reads.note_write(request.bucket)

    def _read(
        self,
        request: S3Request,
        environ: "WSGIEnvironment",
        start_response: "StartResponse",
    ) -> Iterable[bytes]:
        answer = self._reads.answer(environ, request.bucket, request.key)
        if answer is None:
            return self._backend(environ, start_response)
        start_response("200 OK", answer.headers)
        return [answer.body]

    def _administrate(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        route = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        body = _read_body(environ)
        if route == "POST /_sandbox/faults":
            try:
                self._state.merge(json.loads(body))
            except (ValueError, TypeError, ValidationError) as error:
                return _answer_json(
                    start_response, "422 Refused", {"detail": str(error)}
                )
        elif route == "POST /_sandbox/reset":
            self._state.reset()
        elif route == "GET /_sandbox/requests":
            counts = self._state.counts()
            return _answer_json(start_response, "200 OK", {"requests": counts})
        else:
            return _answer_json(start_response, "404 Not Found", {"detail": route})
        return _answer_json(start_response, "200 OK", {"ok": True})

    def _publish(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        refusal = self._state.admit_sns()
        if refusal is None:
            return self._backend(environ, start_response)
        _read_body(environ)
        return _refuse(refusal, environ, start_response, is_query_api=True)

    def _assume(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        body = _read_body(environ)
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        refusal = self._state.admit_sts(form)
        if refusal is not None:
            return _refuse(refusal, environ, start_response, is_query_api=True)
        environ["wsgi.input"] = io.BytesIO(body)
        answer = b"".join(self._backend(environ, start_response))
        for token in _SESSION_TOKEN.findall(answer):
            self._state.remember_session(token.decode())
        return [answer]


def _signer(environ: "WSGIEnvironment") -> tuple[str, str]:
    query = parse_qs(environ.get("QUERY_STRING", ""))
    presigned = "Credential=" + query.get("X-Amz-Credential", [""])[0]
    header = environ.get("HTTP_AUTHORIZATION", presigned)
    match = _CREDENTIAL.search(header)
    return (match[1], match[2]) if match else ("", "s3")


def _s3_request(environ: "WSGIEnvironment") -> S3Request:
    query = parse_qs(environ.get("QUERY_STRING", ""))
    bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
    token = (
        environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
        or query.get("X-Amz-Security-Token", [None])[0]
    )
    return S3Request(environ["REQUEST_METHOD"], bucket, key, token)


def _read_body(environ: "WSGIEnvironment") -> bytes:
    # Also where a request is refused: closing with unread bytes would look like a
    # dropped connection to the client, not like the answer.
    if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", ""):
        return environ["wsgi.input"].read()
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


def _refuse(
    refusal: Refusal,
    environ: "WSGIEnvironment",
    start_response: "StartResponse",
    *,
    is_query_api: bool = False,
) -> list[bytes]:
    error = f"<Code>{refusal.code}</Code><Message>{refusal.message}</Message>"
    if is_query_api:
        body = (
            "<ErrorResponse><Error>"
            f"<Type>Sender</Type>{error}</Error><RequestId>sandbox</RequestId>"
            "</ErrorResponse>"
        )
    else:
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{error}'
            "<RequestId>sandbox</RequestId><HostId>sandbox</HostId></Error>"
        )
    payload = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
    start_response(refusal.status, _headers("application/xml", payload))
    return [payload]


def _answer_json(
    start_response: "StartResponse", status: str, content: dict[str, Any]
) -> list[bytes]:
    payload = json.dumps(content).encode()
    start_response(status, _headers("application/json", payload))
    return [payload]


def _headers(content_type: str, payload: bytes) -> list[tuple[str, str]]:
    return [("Content-Type", content_type), ("Content-Length", str(len(payload)))]
