import hashlib
import random
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.lake.parts import encode_parts
from mobility_pipeline_tests.lake.tables import SCHEMA, make_pings


def _decode(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def _random_devices(count: int) -> list[str]:
    source = random.Random(7)
    return [f"{source.getrandbits(128):032x}" for _ in range(count)]


def test_a_city_day_is_one_part() -> None:
    """Few files: one part until it is too large, named by its sha256, in snappy."""
    table = make_pings("a", "b")
    (part,) = encode_parts(table)
    sha256 = hashlib.sha256(part.data).hexdigest()
    assert part.file.sha256 == sha256
    assert part.file.name == f"part-00000-{sha256[:8]}.snappy.parquet"
    assert (part.file.rows, part.file.bytes) == (2, len(part.data))
    assert _decode(part.data) == table
    metadata = pq.ParquetFile(pa.BufferReader(part.data)).metadata
    assert metadata.row_group(0).column(0).compression == "SNAPPY"


def test_no_rows_give_no_part() -> None:
    """An empty city-day is a manifest alone."""
    assert encode_parts(SCHEMA.empty_table()) == ()


def test_a_large_city_day_is_cut_into_parts_below_the_limit() -> None:
    """Beyond the limit there are several parts, in the order of rows."""
    table = make_pings(*_random_devices(4_000))
    limit = 40_000
    parts = encode_parts(table, limit)
    assert len(parts) > 2
    assert max(part.file.bytes for part in parts) <= limit
    assert [part.file.name[:10] for part in parts] == [
        f"part-{number:05d}" for number in range(len(parts))
    ]
    assert pa.concat_tables([_decode(part.data) for part in parts]) == table


def test_a_single_row_above_the_limit_is_still_a_part() -> None:
    """A limit nothing can meet cuts down to rows, and no further."""
    assert [part.file.rows for part in encode_parts(make_pings("a", "b"), 1)] == [1, 1]


@pytest.mark.parametrize("limit", [10_000, 10**9])
@given(cuts=st.lists(st.integers(0, 50), max_size=5))
def test_the_chunks_of_a_table_never_show(limit: int, cuts: list[int]) -> None:
    """Equal rows give equal bytes, however Arrow holds them in memory."""
    table = make_pings(*_random_devices(50))
    ends = [0, *sorted(cuts), 50]
    pieces = [table[a:b] for a, b in pairwise(ends)]
    assert encode_parts(pa.concat_tables(pieces), limit) == encode_parts(table, limit)
