"""What errors look like, for the OpenAPI document."""

from typing import Any, Literal

from pydantic import BaseModel


class Refusal(BaseModel):
    """Every error."""

    msg: str
    """For people."""
    code: int
    """The HTTP status."""
    data: Literal[None]
    detail: dict[str, Any]
    """For programs: reasons, names, values."""


_WORDS = {
    401: "No API key, or one that is unknown or revoked.",
    403: "The key's scope, or a setting, does not allow it.",
    404: "No such city or region, or no data: `detail` says why.",
    406: "Nothing that `Accept` names can be made of it.",
    422: "A parameter is wrong.",
    429: "The key asks too often: wait for `Retry-After` seconds.",
    503: "The store can't be read at the moment.",
}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": words} for status, words in _WORDS.items()
}
