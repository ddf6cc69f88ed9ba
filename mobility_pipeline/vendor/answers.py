"""Judge one HTTP answer of the vendor: its data, or the error it amounts to.

Shape: the envelope `{request_id, error_code, error_message, data}`; 422 has
`{detail: [{loc, msg, type}]}`. Undocumented but real: 429, 5xx and bodies without JSON.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import requests

from mobility_pipeline.backoff import read_retry_after
from mobility_pipeline.errors import (
    AreasRefusedError,
    MobilityError,
    QuotaExceededError,
    VendorAuthenticationError,
    VendorJobUnknownError,
    VendorPermanentError,
    VendorTransientError,
)

Json = Mapping[str, Any]

_QUOTA_WORDS = "monthly job quota exceeded"
_WORDS_LENGTH = 500
"""Characters of the vendor's own words that a message keeps."""
_ASK_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})


def read_envelope(
    response: requests.Response, doing: str, secret: str, *, of_job: bool = False
) -> Json:
    """Return the envelope of a successful answer.

    Args:
        response: any answer whatsoever.
        doing: what was asked for, to begin the message with.
        secret: cut out of the vendor's words, should they repeat it.
        of_job: whether one vendor job was asked about.

    Returns:
        The envelope; its `data` is not judged yet, and an `error_code` may be set.

    Raises:
        QuotaExceededError: whatever the status, where the words say so.
        VendorAuthenticationError: 401 or 403.
        VendorJobUnknownError: 404, of one vendor job.
        VendorPermanentError: 3xx or another 4xx.
        VendorTransientError: 408, 425, 429, 5xx, or not a JSON object.
    """
    envelope = _parse_object(response)
    if response.ok and not response.is_redirect and envelope is not None:
        return envelope
    words = _words(response, envelope).replace(secret, "***")
    if _QUOTA_WORDS in response.text.lower():
        raise QuotaExceededError(f"{doing}: {words}")
    if response.status_code < HTTPStatus.MULTIPLE_CHOICES:
        raise VendorTransientError(f"{doing}: the answer is not a JSON object: {words}")
    if of_job and response.status_code == HTTPStatus.NOT_FOUND:
        raise VendorJobUnknownError(f"{doing}: {words}")
    raise _error_of_status(response, envelope, f"{doing}: {words}")


def refuse_error_code(envelope: Json, doing: str, secret: str) -> None:
    """Raise what an `error_code` in a 200 envelope means; do nothing without one."""
    code = envelope.get("error_code") or ""
    words = f"{code} {envelope.get('error_message') or ''}".strip()
    message = f"{doing}: {words[:_WORDS_LENGTH].replace(secret, '***')}"
    if _QUOTA_WORDS in words.lower():
        raise QuotaExceededError(message)
    if not code:
        return
    number = int(str(code)) if str(code).isdecimal() else 0
    if number in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VendorAuthenticationError(f"{message}; check VERASET_API_KEY")
    if (
        number == HTTPStatus.TOO_MANY_REQUESTS
        or number >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        raise VendorTransientError(message)
    raise VendorPermanentError(message)


def member(value: object, name: str) -> object:
    """Return a member of what may be a JSON object; null where it is none."""
    return cast("Json", value).get(name) if isinstance(value, dict) else None


def _error_of_status(
    response: requests.Response, envelope: Json | None, message: str
) -> MobilityError:
    status = response.status_code
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return VendorTransientError(
            message, retry_after_s=read_retry_after(response), may_have_happened=False
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _ASK_AGAIN:
        return VendorTransientError(message, retry_after_s=read_retry_after(response))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return VendorAuthenticationError(f"{message}; check VERASET_API_KEY")
    if status < HTTPStatus.BAD_REQUEST:
        return VendorPermanentError(f"{message}; check VERASET_API_URL")
    areas = _refused_areas(envelope)
    return AreasRefusedError(message, areas) if areas else VendorPermanentError(message)


def _parse_object(response: requests.Response) -> Json | None:
    try:
        parsed: object = response.json()
    except requests.exceptions.JSONDecodeError:
        return None
    return cast("Json", parsed) if isinstance(parsed, dict) else None


def _words(response: requests.Response, envelope: Json | None) -> str:
    """Say the status, and what the vendor says about it, on one line."""
    text = " ".join(_explanation(response, envelope).split())
    return f"HTTP {response.status_code} {text[:_WORDS_LENGTH]}".rstrip()


def _explanation(response: requests.Response, envelope: Json | None) -> str:
    if response.is_redirect:
        return "redirected, which is not followed with a key"
    if envelope is None:
        return response.text
    details = _details(envelope)
    if details:
        return "; ".join(
            f"{'.'.join(str(part) for part in loc)}: {msg}" for loc, msg in details
        )
    message = envelope.get("error_message") or envelope.get("detail")
    return str(message or response.text)


def _details(envelope: Json | None) -> list[tuple[list[object], str]]:
    """Return (loc, msg) of each well-formed entry of a 422's `detail`."""
    detail: object = (envelope or {}).get("detail")
    if not isinstance(detail, list):
        return []
    details: list[tuple[list[object], str]] = []
    for entry in cast("list[object]", detail):
        loc = member(entry, "loc")
        if isinstance(loc, list):
            details.append((cast("list[object]", loc), str(member(entry, "msg"))))
    return details


def _refused_areas(envelope: Json | None) -> frozenset[tuple[str, int]]:
    """Return the areas a 422 is about; empty where it is about anything else too."""
    areas: set[tuple[str, int]] = set()
    for loc, _ in _details(envelope):
        match loc:
            case ["body", "geo_radius" | "geo_json" as kind, int(index), *_]:
                areas.add((str(kind), index))
            case _:
                return frozenset()
    return frozenset(areas)
