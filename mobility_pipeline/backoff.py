"""How long to wait before asking a server again."""

import random
from email.utils import parsedate_to_datetime

import requests

_FIRST_S = 1.0
_LONGEST_S = 60.0
LONGEST_WAIT_S = 300.0
"""A longer Retry-After is cut to this: waiting is the caller's decision, not ours."""


def wait_after(attempt: int, asked_s: float | None = None) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        attempt: number of attempts made, from 1.
        asked_s: seconds the server asked for; never undercut.

    Returns:
        Exponential back-off, of which half is random so that clients spread.
    """
    ceiling = min(_FIRST_S * 2 ** (attempt - 1), _LONGEST_S)
    wait = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads, hides nothing
    return max(wait, min(asked_s or 0.0, LONGEST_WAIT_S))


def read_retry_after(response: requests.Response) -> float | None:
    """Return the seconds to wait, from either form of Retry-After; null without one.

    A date counts from the answer's own `Date`, so that no clock of ours is involved.
    """
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        answered = parsedate_to_datetime(response.headers.get("Date", ""))
        return max((until - answered).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
