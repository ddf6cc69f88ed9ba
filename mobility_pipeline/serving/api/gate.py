"""Who asks, and how often: an API key in `X-API-Key`, and a limit per key."""

import math
from collections.abc import Awaitable, Callable

from fastapi import Request
from limits import RateLimitItem
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from mobility_pipeline.errors import TooManyRequestsError, UnauthenticatedError
from mobility_pipeline.serving.api.keys import ApiKey, ApiKeys

HEADER = "X-API-Key"
SECURITY_SCHEMES = {
    "ApiKey": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": "Of `mobility api keys create`.",
    }
}
"""For the OpenAPI document."""


Gate = Callable[..., Awaitable[ApiKey]]
"""A dependency of routes."""


class RateLimit:
    """How often each key may ask, counted in this process."""

    def __init__(self, limit: RateLimitItem, now_s: Callable[[], float]) -> None:
        """Begin to count.

        Args:
            limit: requests in a window that slides.
            now_s: seconds since 1970.
        """
        self._limit = limit
        self._now_s = now_s
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, name: str) -> None:
        """Count a request of a key.

        Raises:
            TooManyRequestsError: it was one too many, and is not counted.
        """
        if self._counter.hit(self._limit, name):
            return
        until = self._counter.get_window_stats(self._limit, name).reset_time
        wait_s = max(1, math.ceil(until - self._now_s()))
        raise TooManyRequestsError(
            f"more than {self._limit}: wait {wait_s} s", retry_after_s=wait_s
        )


def make_gate(keys: ApiKeys, limit: RateLimit) -> Gate:
    """Make the dependency that every route has: it returns whose key it is.

    Raises (as the dependency):
        UnauthenticatedError: no key, or one that nobody has.
        TooManyRequestsError: the key's limit is reached.
    """

    async def check_key(request: Request) -> ApiKey:
        key = request.headers.get(HEADER)
        if not key:
            raise UnauthenticatedError("send an API key in the header X-API-Key")
        found = keys.find(key)
        if found is None:
            raise UnauthenticatedError("the API key is unknown or revoked")
        limit.count(found.name)
        return found

    return check_key
