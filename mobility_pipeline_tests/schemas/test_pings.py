import pyarrow as pa
import pytest

from mobility_pipeline.landing.casts import cast_cells
from mobility_pipeline.schemas.pings import DEVICE_COLUMNS, PING_SCHEMAS


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_columns_are_declared_once(feed: str) -> None:
    """A schema has each column once, the device ids and the areas among them."""
    names = PING_SCHEMAS[feed].names
    assert len(names) == len(set(names))
    assert {*DEVICE_COLUMNS, "poi_ids", "utc_timestamp"} <= set(names)


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_every_declared_type_can_be_cast_to(feed: str) -> None:
    """Landing knows a cell-by-cell cast for each type a schema declares."""
    for field in PING_SCHEMAS[feed]:
        assert cast_cells(pa.nulls(1, pa.null()), field.type).type == field.type


def test_full_and_trips_exclude_each_other() -> None:
    """Quality and geo fields are FULL's, trip fields are TRIPS's; BASIC has neither."""
    basic, full, trips = (
        set(PING_SCHEMAS[f"pings_{name}"].names) for name in ("basic", "full", "trips")
    )
    assert full - basic == {"quality_fields", "geo_fields"}
    assert trips - basic == {
        "trip_fields",
        "trip_ping_fields",
        "trip_to_trip_fields",
    }
    assert full & trips == basic
