import json
from math import nan
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.landing.ordering import (
    break_ties,
    order_devices,
    order_roughly,
    read_prefixes,
)
from mobility_pipeline.schemas.pings import PING_SCHEMAS

SCHEMA = PING_SCHEMAS["pings_full"].append(pa.field("extra", pa.int64()))


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _sorted(rows: list[dict[str, Any]]) -> pa.Table:
    table = _table(rows)
    return table.take(pa.array(_order(table, [0] * len(rows)), pa.int64()))


def _order(table: pa.Table, cities: list[int]) -> list[int]:
    """Return row numbers in total order."""
    numbers = np.array(cities, dtype=np.uint16)
    order, ties = order_devices(numbers, table)
    # Packing has no part in this: rows that are moved as they are tie just so.
    return break_ties(table, order, ties, lambda rows: rows).tolist()


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
    assert _order(_table([]), []) == []
    assert _order(_table([{"ad_id": "a"}]), [0]) == [0]


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


@given(st.lists(st.tuples(_ROWS, st.integers(0, 2)), max_size=14))
def test_sorting_keeps_every_row_once(rows: list[tuple[dict[str, Any], int]]) -> None:
    """The order is a permutation, sorted by city and the two columns readers rely on."""
    table = _table([row for row, _ in rows])
    cities = [city for _, city in rows]
    order = _order(table, cities)
    assert sorted(order) == [*range(len(rows))]
    keys = [
        (cities[number], row["ad_id"] is None, row["ad_id"] or "", row["utc_timestamp"])
        for number, row in zip(
            order, table.take(pa.array(order, pa.int64())).to_pylist(), strict=True
        )
    ]
    plain = [(*key[:3], key[3] is None, str(key[3])) for key in keys]
    assert plain == sorted(plain)


_IDS = st.lists(
    st.none() | st.text(max_size=10) | st.text("\0a\U0010ffff", min_size=7, max_size=9),
    max_size=12,
)


@given(_IDS, st.integers(0, 3))
def test_prefixes_sort_as_their_ids_do(ids: list[str | None], start: int) -> None:
    """A smaller prefix is a smaller id, null is last; a slice begins where it does."""
    table = pa.table({"ad_id": pa.array(ids, pa.string())})[start:]
    prefixes = read_prefixes(table)
    expected = [None if cell is None else cell.encode()[:8] for cell in ids[start:]]
    assert [_cut(int(prefix)) for prefix in prefixes] == [
        None if cell is None else cell.ljust(8, b"\0") for cell in expected
    ]


def _cut(prefix: int) -> bytes | None:
    return None if prefix == 2**64 - 1 else prefix.to_bytes(8, "big")


@given(_IDS)
def test_rough_order_is_by_city_and_prefix(ids: list[str | None]) -> None:
    """Every row once, cities first; how ties stand does not matter."""
    table = pa.table({"ad_id": pa.array(ids, pa.string())})
    cities = np.arange(len(ids), dtype=np.uint16) % 3
    prefixes = read_prefixes(table)
    order = order_roughly(cities, prefixes)
    assert sorted(order.tolist()) == [*range(len(ids))]
    keys = [(int(cities[place]), int(prefixes[place])) for place in order]
    assert keys == sorted(keys)


def test_ids_of_all_languages_are_in_the_order_of_their_bytes() -> None:
    """The order does not depend on a locale."""
    ids = ["é", "z", "Z", "\U0001f600", "\ue000", ""]
    found = _sorted([{"ad_id": device} for device in ids])["ad_id"].to_pylist()
    assert found == sorted(ids, key=str.encode)


def test_times_far_apart_are_still_in_order() -> None:
    """Also where device and time do not fit into one number."""
    first, last = -62_135_596_800_000_000, 253_402_300_799_999_999
    rows = [
        {"ad_id": device, "utc_timestamp": time}
        for device in ("b", "a", "c", "d", "e", None)
        for time in (last, None, first, 0)
    ]
    table = _sorted(rows).select(["ad_id", "utc_timestamp"])
    times = table["utc_timestamp"].cast(pa.int64()).to_pylist()
    assert times == [first, 0, last, None] * 6
    assert table["ad_id"].to_pylist()[::4] == ["a", "b", "c", "d", "e", None]


def _write(table: pa.Table) -> str:
    return json.dumps(table.to_pylist(), default=str)
