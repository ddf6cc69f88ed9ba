"""The vendor's documented submit routes, and what must never be sent to them.

Source: the vendor's OpenAPI document, `https://platform.prd.veraset.tech/v1`.
"""

from collections.abc import Mapping
from typing import Any

from mobility_pipeline.errors import UsageError
from mobility_pipeline.schemas.feeds import MISSING_ENDPOINTS

_AREA_ENDPOINTS = frozenset(
    {
        "movement/job/pings",
        "movement/job/devices",
        "movement/job/aggregate",
        "movement/job/cohort",
        "visits/job/aggregate",
        "visits/job/cohort",
        "home/job/devices",
        "home/job/aggregate",
        "home/job/cohort",
        "work/job/devices",
        "work/job/aggregate",
        "work/job/cohort",
    }
)
_LIST_ENDPOINTS: Mapping[str, str] = {
    "movement/job/pings_by_device": "device_ids",
    "movement/job/pings_by_ip": "ip_addresses",
}
"""Endpoint -> the list in its body that says what is bought."""

_AREA_LISTS = ("geo_radius", "geo_json", "geometry", "place_key")


def check_submittable(endpoint: str, body: Mapping[str, Any]) -> None:
    """Refuse a request that does not exist or would buy the whole world.

    Args:
        endpoint: route without `/v1/`.
        body: the JSON body.

    Raises:
        UsageError: an endpoint the vendor does not document, or a body that names no
            area, device or address.
    """
    if endpoint in _AREA_ENDPOINTS:
        if not any(body.get(name) for name in _AREA_LISTS):
            raise UsageError(
                f"{endpoint}: a request without any area buys the whole world; name at "
                "least one city"
            )
    elif endpoint in _LIST_ENDPOINTS:
        if not body.get(_LIST_ENDPOINTS[endpoint]):
            raise UsageError(f"{endpoint}: {_LIST_ENDPOINTS[endpoint]} is empty")
    else:
        unknown = "does not exist at the vendor: see its documented routes"
        raise UsageError(f"{endpoint} {MISSING_ENDPOINTS.get(endpoint, unknown)}")
