"""A large file of several row groups, as writers other than ours cut them."""

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.landing.read import WINDOW_ROWS, decode_windows

ROWS = 3 * WINDOW_ROWS


def _make_rows() -> pa.Table:
    """Return rows whose lists, keys and values parquet codes by small dictionaries."""
    numbers = range(ROWS)
    fields = [[("kind", f"v{n % 4}"), (f"k{n % 3}", None)] for n in numbers]
    return pa.table(
        {
            "poi_ids": pa.array([[f"area-{n % 5}"] for n in numbers]),
            "geo_fields": pa.array(fields, pa.map_(pa.string(), pa.string())),
        }
    )


@pytest.mark.parametrize("group", [WINDOW_ROWS // 2 + 1, WINDOW_ROWS + 1, ROWS])
def test_windows_hold_all_rows_wherever_row_groups_end(group: int) -> None:
    """Arrow cannot join two groups' dictionaries in a list or map, so no window does."""
    rows = _make_rows()
    file = io.BytesIO()
    pq.write_table(rows, file, row_group_size=group)
    windows = [window.table for window in decode_windows(file, "a file")]
    assert max(window.num_rows for window in windows) <= WINDOW_ROWS
    read = [row for window in windows for row in window.to_pylist()]
    assert read == rows.to_pylist()
