import json
from math import nan
from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.landing.ordering import total_order
from mobility_pipeline.schemas.pings import PING_SCHEMAS

SCHEMA = PING_SCHEMAS["pings_full"].append(pa.field("extra", pa.int64()))


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _sorted(rows: list[dict[str, Any]]) -> pa.Table:
    table = _table(rows)
    return table.take(total_order(table))


def test_rows_are_sorted_by_device_then_time_nulls_last() -> None:
    """The order readers rely on."""
    rows = [
        {"ad_id": None, "utc_timestamp": 1},
        {"ad_id": "b", "utc_timestamp": 1},
        {"ad_id": "a", "utc_timestamp": None},
        {"ad_id": "a", "utc_timestamp": 2},
        {"ad_id": "a", "utc_timestamp": 1},
    ]
    table = _sorted(rows).select(["ad_id", "utc_timestamp"])
    ids = table["ad_id"].to_pylist()
    times = table["utc_timestamp"].cast(pa.int64()).to_pylist()
    assert [*zip(ids, times, strict=True)] == [
        ("a", 1),
        ("a", 2),
        ("a", None),
        ("b", 1),
        (None, 1),
    ]


def test_no_rows_and_one_row() -> None:
    """The smallest tables have an order too."""
    assert total_order(_table([])).tolist() == []
    assert total_order(_table([{"ad_id": "a"}])).tolist() == [0]


_ROWS = st.fixed_dictionaries(
    {
        "ad_id": st.sampled_from([None, "a", "b"]),
        "utc_timestamp": st.sampled_from([None, 0, 1]),
        "latitude": st.sampled_from([None, nan, 0.0, -0.0, 1.0]),
        "ip_address": st.sampled_from([None, "", "é", "null"]),
        "poi_ids": st.sampled_from([None, ["x"], ["x", "y"]]),
        "quality_fields": st.sampled_from([None, [], [("k", None)], [("k", "v")]]),
        "extra": st.sampled_from([None, 3]),
    }
)


@given(st.data(), st.lists(_ROWS, max_size=14))
def test_the_order_rows_came_in_never_shows(
    data: st.DataObject, rows: list[dict[str, Any]]
) -> None:
    """Shuffled rows sort to the same table, to the sign of zero."""
    shuffled = data.draw(st.permutations(rows))
    assert _write(_sorted(rows)) == _write(_sorted(shuffled))


@given(st.lists(_ROWS, max_size=14))
def test_sorting_keeps_every_row_once(rows: list[dict[str, Any]]) -> None:
    """The order is a permutation, sorted by the two columns readers rely on."""
    table = _table(rows)
    order = total_order(table)
    assert sorted(order.tolist()) == [*range(len(rows))]
    keys = [
        (row["ad_id"] is None, row["ad_id"] or "", row["utc_timestamp"])
        for row in table.take(order).to_pylist()
    ]
    plain = [(*key[:2], key[2] is None, str(key[2])) for key in keys]
    assert plain == sorted(plain)


def _write(table: pa.Table) -> str:
    return json.dumps(table.to_pylist(), default=str)
