"""City-days for tests of `lake/`."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.lake.manifest import Source
from mobility_pipeline.schemas.pings import PING_SCHEMAS

FEED = "pings_full"
DAY = CityDay("space/moon", date(2024, 5, 1))
SCHEMA = PING_SCHEMAS[FEED]
SOURCE = Source(
    job_id="job-1",
    request_sha256="b" * 64,
    area_id="moon-aaaaaaaa",
    boundary_sha256="a" * 64,
)
_NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def make_pings(*devices: str | None) -> pa.Table:
    """Make one ping per device, a minute apart from noon on."""
    rows = [
        {
            "ad_id": device,
            "utc_timestamp": _NOON + timedelta(minutes=number),
            "poi_ids": ["moon-aaaaaaaa"],
        }
        for number, device in enumerate(devices)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)
