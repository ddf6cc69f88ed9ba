"""Map columns, against known values."""

import pyarrow as pa

from mobility_pipeline.sandbox.text_maps import geo_fields, trip_fields


def test_geohashes_are_the_published_ones() -> None:
    """Two examples from the literature: u4pruyd (Jutland) and ezs42e4 (León)."""
    rows = pa.table(
        {
            "longitude": [10.40744, -5.6],
            "latitude": [57.64911, 42.6],
            "region": ["a", "b"],
            "city": ["c", "d"],
        }
    )
    first, second = (dict(row) for row in geo_fields(rows).to_pylist())
    assert (first["region"], first["city"], first["geohash"]) == ("a", "c", "u4pruyd")
    assert second["geohash"][:5] == "ezs42"


def test_trip_fields_are_null_outside_a_trip() -> None:
    """A row on a trip has its times and numbers as text, another has null."""
    rows = pa.table(
        {
            "trip_number": pa.array([1, None], pa.int64()),
            "trip_start_s": pa.array([86_400, None], pa.int64()),
            "trip_end_s": pa.array([87_000, None], pa.int64()),
            "trip_distance_m": pa.array([1234.56, None]),
            "trip_pings": pa.array([3, None], pa.int64()),
        }
    )
    moving, resting = trip_fields(rows).to_pylist()
    assert resting is None
    assert dict(moving) == {
        "index": "1",
        "start_time": "1970-01-02 00:00:00",
        "end_time": "1970-01-02 00:10:00",
        "traverse_time": "600",
        "pings": "3",
        "displacement": "1234.6",
    }
