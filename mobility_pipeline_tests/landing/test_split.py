import random
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.errors import (
    ConservationError,
    CorruptFileError,
    UnknownAreaError,
    UnknownCityError,
)
from mobility_pipeline.landing.attribution import Attribution
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.split import (
    SplitDate,
    check_conservation,
    split_date,
    split_tables,
)
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.landing.store import (
    AREAS,
    CITIES,
    DEIMOS,
    JOB_PREFIX,
    MARS,
    MOON,
    put_files,
    to_parquet,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DAY = date(2024, 5, 1)
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def _pings(rows: list[tuple[str | None, list[str | None] | None]]) -> pa.Table:
    """Make pings of (device, area ids)."""
    return pa.table(
        {
            "ad_id": pa.array([row[0] for row in rows], pa.string()),
            "utc_timestamp": pa.array([NOON] * len(rows), pa.timestamp("us", "UTC")),
            "poi_ids": pa.array([row[1] for row in rows], pa.list_(pa.string())),
        }
    )


def _split(*tables: pa.Table, cities: Any = CITIES, areas: Any = AREAS) -> SplitDate:
    return split_tables(tables, DAY, "pings_full", areas, cities)


def _devices(split: SplitDate) -> dict[str, list[str | None]]:
    return {city: table["ad_id"].to_pylist() for city, table in split.tables.items()}


def test_each_city_gets_only_its_rows() -> None:
    """Rows go to every city they name; a city without rows has an empty table."""
    split = _split(
        _pings(
            [
                ("c", ["moon-aaaaaaaa"]),
                ("b", ["geo_json_0", "geo_radius_0"]),
                ("a", ["mars-bbbbbbbb"]),
                (None, ["geo_radius_0"]),
                ("x", [None]),
            ]
        )
    )
    assert _devices(split) == {
        MARS.city: ["a", "b"],
        DEIMOS.city: [],
        MOON.city: ["b", "c", None],
    }
    assert split.tables[DEIMOS.city].schema == PING_SCHEMAS["pings_full"]
    assert (split.rows_in, split.rejected) == (5, {"no_area": 1})


def test_stored_ids_are_the_areas() -> None:
    """Whatever form the vendor used, a row says which areas it was bought for."""
    split = _split(_pings([("a", ["geo_radius_0", "geo_json_0", None])]))
    ids = split.tables[MOON.city]["poi_ids"].to_pylist()
    assert ids == [["mars-bbbbbbbb", "moon-aaaaaaaa"]]


def test_a_city_that_was_not_asked_for_counts_and_gives_no_table() -> None:
    """Surplus of the job is attributed, not rejected, and not returned."""
    split = _split(
        _pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])]), cities=[MARS.city]
    )
    assert _devices(split) == {MARS.city: ["a"]}
    assert split.rejected == {"no_area": 0}


def test_a_city_the_job_did_not_cover_is_refused() -> None:
    """An empty table would say that the city is known to be empty."""
    with pytest.raises(UnknownCityError, match="space/venus"):
        _split(_pings([]), cities=["space/venus"])


def test_failed_casts_count_for_the_city_of_their_row() -> None:
    """A bad cell counts in each city its row belongs to, and in no other."""
    table = _pings([("a", ["geo_json_0", "geo_radius_0"]), ("b", ["geo_radius_1"])])
    table = table.append_column("latitude", [["north", "1.5"]])
    assert _split(table).cast_failures == {
        MARS.city: 1,
        MOON.city: 1,
        DEIMOS.city: 0,
    }


def test_one_unknown_area_stops_the_whole_date() -> None:
    """Nothing of a date with an id nobody asked for is returned."""
    with pytest.raises(UnknownAreaError, match="geo_radius_7"):
        _split(_pings([("a", ["geo_json_0"]), ("b", ["geo_radius_7"])]))


def test_a_pull_under_other_indexes_gives_the_same_tables() -> None:
    """The place of an area in the request does not show in what is kept."""
    swapped = (replace(DEIMOS, index=0), MARS, replace(MOON, index=1))
    first = _split(_pings([("a", ["geo_radius_0"]), ("b", ["deimos-cccccccc"])]))
    second = _split(
        _pings([("b", ["geo_radius_0"]), ("a", ["geo_radius_1"])]), areas=swapped
    )
    assert first.tables == second.tables


def test_a_whole_date_from_storage(s3: "S3Client", bucket: str) -> None:
    """Files with drifting types, extra columns and no rows become one date."""
    good = _pings([("a", ["geo_json_0"])]).append_column("latitude", [[1.5]])
    drifted = pa.table(
        {
            "latitude": ["2.5"],
            "utc_timestamp": ["2024-05-01 12:00:00"],
            "poi_ids": [["geo_json_0"]],
            "ad_id": ["b"],
            "date": ["2023-12-31"],
        }
    )
    files = {
        "date=2024-05-01/_SUCCESS": b"",
        "date=2024-05-01/part-3.parquet": to_parquet(good),
        "date=2024-05-01/part-7.parquet": to_parquet(drifted),
        "date=2024-05-01/part-9.parquet": to_parquet(good[:0]),
    }
    put_files(s3, bucket, files)
    delivery = list_delivery(s3, bucket, JOB_PREFIX)
    split = split_date(s3, delivery, DAY, "pings_full", AREAS, [MARS.city])
    columns = ["ad_id", "utc_timestamp", "latitude", "vendor_date"]
    assert split.tables[MARS.city].select(columns).to_pylist() == [
        {"ad_id": "a", "utc_timestamp": NOON, "latitude": 1.5, "vendor_date": None},
        {
            "ad_id": "b",
            "utc_timestamp": NOON,
            "latitude": 2.5,
            "vendor_date": "2023-12-31",
        },
    ]
    assert split.rows_in == 2


def test_a_corrupt_file_stops_its_date_and_no_other(
    s3: "S3Client", bucket: str
) -> None:
    """Other dates of the delivery are split as if nothing had happened."""
    good = to_parquet(_pings([("a", ["geo_json_0"])]))
    put_files(
        s3,
        bucket,
        {
            "date=2024-05-01/p0.parquet": good,
            "date=2024-05-01/p1.parquet": good[:-20],
            "date=2024-05-02/p0.parquet": good,
        },
    )
    delivery = list_delivery(s3, bucket, JOB_PREFIX)
    with pytest.raises(CorruptFileError):
        split_date(s3, delivery, DAY, "pings_full", AREAS, CITIES)
    other = split_date(s3, delivery, date(2024, 5, 2), "pings_full", AREAS, CITIES)
    assert other.rows_in == 1


@pytest.mark.parametrize(
    ("rows_in", "attributed", "rejected", "rows"),
    [(3, 1, 1, [0]), (2, 2, 1, [0]), (2, 1, 1, [0, 1])],
)
def test_lost_or_made_up_rows_stop_the_date(
    rows_in: int, attributed: int, rejected: int, rows: list[int]
) -> None:
    """Numbers that do not add up are an error, whichever of them is wrong."""
    counts = {"no_area": rejected}
    split = SplitDate(DAY, {MOON.city: _pings([("a", None)])}, rows_in, counts, {})
    attribution = Attribution(
        pa.array([]), {MOON.city: np.array(rows)}, attributed, counts
    )
    with pytest.raises(ConservationError, match="2024-05-01"):
        check_conservation(split, attribution)


_IDS = ["geo_radius_0", "geo_radius_1", "geo_json_0", "moon-aaaaaaaa", None, ""]
_ROW = st.tuples(
    st.sampled_from([None, "", "a", "b"]),
    st.none() | st.lists(st.sampled_from(_IDS), max_size=4),
)


@given(st.lists(st.lists(_ROW, max_size=6), max_size=4))
def test_rows_are_conserved(
    files: list[list[tuple[str | None, list[str | None] | None]]],
) -> None:
    """Rows in = rows of at least one city + rows rejected; a row is in each city once."""
    split = _split(*(_pings(rows) for rows in files))
    names = {
        MOON.city: {"geo_radius_0", "moon-aaaaaaaa"},
        DEIMOS.city: {"geo_radius_1"},
        MARS.city: {"geo_json_0"},
    }
    ids = [set(cell or []) for rows in files for _, cell in rows]
    assert {city: table.num_rows for city, table in split.tables.items()} == {
        city: sum(bool(row & mine) for row in ids) for city, mine in names.items()
    }
    homeless = sum(not row - {None, ""} for row in ids)
    assert (split.rows_in, split.rejected["no_area"]) == (len(ids), homeless)


@given(
    st.lists(_ROW, max_size=10), st.integers(1, 4), st.randoms(use_true_random=False)
)
def test_order_and_cut_of_the_files_never_show(
    rows: list[tuple[str | None, list[str | None] | None]],
    file_count: int,
    shuffle: random.Random,
) -> None:
    """The same rows in other files and another order give equal tables."""
    shuffled = [*rows]
    shuffle.shuffle(shuffled)
    files = [_pings(shuffled[number::file_count]) for number in range(file_count)]
    assert _split(_pings(rows)).tables == _split(*files).tables
