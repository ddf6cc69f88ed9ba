"""Rows that show what may go wrong, as files of drifting types, and as they come out."""

import random
from datetime import timedelta
from math import nan

import pyarrow as pa
from hypothesis import strategies as st

from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.landing.deliveries import FEED, NOON, Way
from mobility_pipeline_tests.landing.oracle import Row

SCHEMA = PING_SCHEMAS[FEED]

_AREA_IDS = ["geo_radius_0", "geo_radius_1", "geo_json_0", "moon-aaaaaaaa", None, " "]
_DEVICES = [None, "", "a", "é", "\0", "00112233-aa", "00112233-bb", "ffffffff-ff"]
ROW = st.fixed_dictionaries(
    {
        "ad_id": st.sampled_from(_DEVICES),
        "id_type": st.sampled_from([None, "idfa", "aaid"]),
        "utc_timestamp": st.sampled_from([None, NOON, NOON + timedelta(seconds=1)]),
        "latitude": st.sampled_from([None, nan, 0.5, 2.5]),
        "poi_ids": st.none() | st.lists(st.sampled_from(_AREA_IDS), max_size=4),
        "quality_fields": st.sampled_from(
            [None, [], [("k", None)], [("k", "v")], [("é", ""), ("k", "ü")]]
        ),
        "extra": st.sampled_from([None, 7]),
        "date": st.sampled_from([None, "2023-12-31"]),
    }
)
DELIVERED = pa.schema(
    [
        *(field for field in SCHEMA if field.name in ("ad_id", "id_type", "poi_ids")),
        *(SCHEMA.field(n) for n in ("utc_timestamp", "latitude", "quality_fields")),
        ("extra", pa.int32()),
        ("date", pa.string()),
    ]
)
DRIFTS = {
    "id_type": [pa.large_string(), pa.dictionary(pa.int8(), pa.string())],
    "utc_timestamp": [pa.timestamp("ns"), pa.int64(), pa.string()],
    "latitude": [pa.float32(), pa.string()],
    "poi_ids": [pa.large_list(pa.large_string())],
    "quality_fields": [pa.map_(pa.large_string(), pa.large_string())],
}
"""Types besides the declared one that say the same."""
DRIFT = st.fixed_dictionaries(
    {name: st.sampled_from([None, *kinds]) for name, kinds in DRIFTS.items()}
)
LACKING = st.frozensets(st.sampled_from(["id_type", "latitude", "extra", "date"]))
ROWS = st.lists(ROW, max_size=5) | st.lists(ROW, min_size=10, max_size=20)
FILE = st.tuples(ROWS, DRIFT, LACKING, st.booleans())
"""Rows; the types of columns; columns it lacks; whether its unknown column is text."""
WAY = st.builds(
    Way,
    threads=st.integers(1, 2),
    large_file_bytes=st.sampled_from([1, 2**23]),
    batch_files=st.integers(1, 3),
    window_rows=st.sampled_from([3, 200_000]),
    window_bytes=st.sampled_from([1, 2**23]),
)


def deliver_rows(rows: list[Row], drift: dict[str, pa.DataType | None]) -> pa.Table:
    """Make a file's table, some columns in another type than the declared one."""
    table = pa.Table.from_pylist(rows, schema=DELIVERED)
    for place, name in enumerate(table.column_names):
        kind = drift.get(name)
        if kind is None:
            continue
        column = table[name]
        if name == "utc_timestamp" and not pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("s"))
        table = table.set_column(place, name, column.cast(kind))
    return table


def conform_rows(
    rows: list[Row], lacking: frozenset[str], *, has_text: bool
) -> list[Row]:
    """Write rows as they have to come out, but for the area ids."""
    none = dict.fromkeys(SCHEMA.names)
    conformed: list[Row] = []
    for row in rows:
        kept: Row = none | row | {"ad_id": row["ad_id"] or None}
        kept |= dict.fromkeys(lacking)
        if has_text and kept["extra"] is not None:
            kept["extra"] = str(kept["extra"])
        kept["vendor_date"] = kept.pop("date")
        conformed.append(kept)
    return conformed


def make_rows(count: int) -> list[Row]:
    """Make rows of which a fifth are one device's; three quarters name an area."""
    source = random.Random(5)
    areas = [["geo_radius_0"], ["geo_json_0"], ["geo_radius_1", "geo_json_0"], None]
    return [
        {
            "ad_id": f"{source.getrandbits(144) if number % 5 else 0:036x}",
            "id_type": source.choice([None, "idfa", "aaid"]),
            "utc_timestamp": NOON + timedelta(seconds=source.randrange(40_000)),
            "latitude": source.random(),
            "poi_ids": source.choice(areas),
            "quality_fields": source.choice([None, [("k", "v")], [("é", "ü" * 9)]]),
            "extra": source.choice([None, 1, 2]),
            "date": None,
        }
        for number in range(count)
    ]
