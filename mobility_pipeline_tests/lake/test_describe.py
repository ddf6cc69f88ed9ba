import random
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.lake.describe import Measure
from mobility_pipeline.landing.packing import Packer
from mobility_pipeline_tests.lake.tables import SCHEMA, make_pings
from mobility_pipeline_tests.landing.deliveries import NOON

LATER = NOON + timedelta(seconds=1)


def _measure(*chunks: pa.Table) -> Measure:
    measure = Measure()
    assert [*measure.watch(chunks)] == [*chunks]
    return measure


def test_a_device_is_the_first_id_a_ping_has() -> None:
    """A device is its ad_id, else its caid; pings without either are nobody's."""
    ids = [("a", None), ("a", "h"), (None, "h"), (None, None), ("h", "x")]
    rows = [{"ad_id": ad_id, "caid": caid} for ad_id, caid in ids]
    assert _measure(pa.Table.from_pylist(rows, schema=SCHEMA)).devices == 2


def test_nothing_is_measured_of_no_rows() -> None:
    """Neither devices nor times, whether there are no chunks or empty ones."""
    for measure in (_measure(), _measure(SCHEMA.empty_table())):
        assert (measure.rows, measure.devices) == (0, 0)
        assert (measure.first_ping_at, measure.last_ping_at) == (None, None)


def test_pings_without_a_time_have_no_first_and_last() -> None:
    """Null times neither count nor hide those of other chunks."""
    timeless = pa.Table.from_pylist([{"ad_id": "a"}], schema=SCHEMA)
    assert _measure(timeless).first_ping_at is None
    measure = _measure(timeless, make_pings("b"), timeless)
    assert measure.first_ping_at == measure.last_ping_at == NOON


_ROW = st.fixed_dictionaries(
    {
        "ad_id": st.sampled_from([None, "a", "b"]),
        "caid": st.sampled_from([None, "a", "c"]),
        "utc_timestamp": st.sampled_from([None, NOON, LATER]),
    }
)


@given(st.lists(_ROW, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_chunks_never_show(rows: list[dict[str, Any]], cuts: list[int]) -> None:
    """What is said of rows does not depend on where they are cut; a loop agrees."""
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    ends = [0, *sorted(cuts), 12]
    measure = _measure(*(table[start:end] for start, end in pairwise(ends)))
    times: list[datetime] = [r["utc_timestamp"] for r in rows if r["utc_timestamp"]]
    devices = {row["ad_id"] or row["caid"] for row in rows} - {None}
    assert measure.rows == len(rows)
    assert measure.devices == len(devices)
    assert measure.first_ping_at == min(times, default=None)
    assert measure.last_ping_at == max(times, default=None)


@pytest.mark.parametrize("count", [1, 5_000])
def test_coded_chunks_are_measured_like_plain_ones(count: int) -> None:
    """Chunks come from a splitter, with repeated text coded."""
    source = random.Random(2)
    table = make_pings(*(str(source.randrange(400)) for _ in range(count)))
    packer = Packer(SCHEMA, ["moon-aaaaaaaa"])
    coded = packer.unpack(packer.pack(table, [1] * count, [0] * count))
    assert coded.schema != table.schema
    plain = _measure(table)
    found = _measure(coded)
    assert (found.rows, found.devices) == (plain.rows, plain.devices)
    assert (found.first_ping_at, found.last_ping_at) == (
        plain.first_ping_at,
        plain.last_ping_at,
    )
