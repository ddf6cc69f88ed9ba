"""Pings: one row per position a device reported, as one city's UTC day keeps it.

Source: Veraset `movement/job/pings`, schema types BASIC, FULL and TRIPS. Cadence: daily,
about a week behind. One row per ping; sorted by (ad_id, utc_timestamp); a ping of two
areas stands in both cities' tables. Null means "not delivered or not readable".
"""

from collections.abc import Mapping

import pyarrow as pa

_TEXT_MAP = pa.map_(pa.string(), pa.string())

_BASIC = (
    # 36-character lower-case UUID; null or blank occurs, and blank becomes null.
    pa.field("ad_id", pa.string()),
    # 64-hex device hash that some deliveries have instead of ad_id.
    pa.field("caid", pa.string()),
    pa.field("id_type", pa.string()),
    pa.field("utc_timestamp", pa.timestamp("us", tz="UTC")),
    # EPSG:4326 degrees, as delivered: NaN and out of range occur, analytics filters.
    pa.field("latitude", pa.float64()),
    pa.field("longitude", pa.float64()),
    # Metres; absent in some BASIC deliveries.
    pa.field("horizontal_accuracy", pa.float64()),
    pa.field("ip_address", pa.string()),
    pa.field("iso_country_code", pa.string()),
    # Ids of the areas the ping was bought for (`area_id`), sorted, each once.
    pa.field("poi_ids", pa.list_(pa.string())),
)
_FULL = (
    pa.field("quality_fields", _TEXT_MAP),
    pa.field("geo_fields", _TEXT_MAP),
)
_TRIPS = (
    pa.field("trip_fields", _TEXT_MAP),
    pa.field("trip_ping_fields", _TEXT_MAP),
    pa.field("trip_to_trip_fields", _TEXT_MAP),
)

PING_SCHEMAS: Mapping[str, pa.Schema] = {
    "pings_basic": pa.schema(_BASIC),
    "pings_full": pa.schema([*_BASIC, *_FULL]),
    "pings_trips": pa.schema([*_BASIC, *_TRIPS]),
}
"""Feed name -> declared columns, in stored order. Columns the vendor adds come after."""

DEVICE_COLUMNS = ("ad_id", "caid")
"""A device is the first non-null of these."""
