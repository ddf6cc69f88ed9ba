import pyarrow as pa

from mobility_pipeline.checks.finding import Severity
from mobility_pipeline.checks.schema import matches_schema
from mobility_pipeline.schemas.pings import PING_SCHEMAS

FULL = PING_SCHEMAS["pings_full"]


def test_the_declared_schema_passes_with_columns_the_vendor_added() -> None:
    """What was added is named, and no problem."""
    found = matches_schema(FULL.append(pa.field("speed", pa.float64())), FULL)
    assert found.passed
    assert found.numbers["added_columns"] == ("speed",)


def test_a_missing_column_is_named() -> None:
    """Without its latitude a table is another one."""
    found = matches_schema(FULL.remove(FULL.get_field_index("latitude")), FULL)
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert found.message == "column latitude is missing"


def test_another_type_is_named_with_both() -> None:
    """A naive time is not an instant."""
    place = FULL.get_field_index("utc_timestamp")
    naive = FULL.set(place, pa.field("utc_timestamp", pa.timestamp("us")))
    found = matches_schema(naive, FULL)
    assert found.message == (
        "column utc_timestamp is timestamp[us] instead of timestamp[us, tz=UTC]"
    )


def test_the_name_inside_a_list_is_the_writers_business() -> None:
    """Parquet calls a list's item `element`."""
    place = FULL.get_field_index("poi_ids")
    item = pa.list_(pa.field("element", pa.string()))
    assert matches_schema(FULL.set(place, pa.field("poi_ids", item)), FULL).passed
