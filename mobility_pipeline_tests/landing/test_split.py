from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from mobility_pipeline.errors import (
    CorruptFileError,
    UnknownAreaError,
    UnknownCityError,
)
from mobility_pipeline.landing import split
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.split import Means, SplitDate, split_date
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.landing.deliveries import (
    DAY,
    FEED,
    NOON,
    Wanted,
    Way,
    encode,
    make_pings,
    name_paths,
    read_tables,
    splitting,
    splitting_tables,
)
from mobility_pipeline_tests.landing.drifting import deliver_rows, make_rows
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

SCHEMA = PING_SCHEMAS[FEED]


def _devices(result: SplitDate) -> dict[str, list[str | None]]:
    tables = read_tables(result)
    return {city: table["ad_id"].to_pylist() for city, table in tables.items()}


def test_each_city_gets_only_its_rows() -> None:
    """Rows go to every city they name; a city without rows is there with none."""
    pings = make_pings(
        [
            ("c", ["moon-aaaaaaaa"]),
            ("b", ["geo_json_0", "geo_radius_0"]),
            ("a", ["mars-bbbbbbbb"]),
            (None, ["geo_radius_0"]),
            ("x", [None]),
        ]
    )
    with splitting_tables(pings) as result:
        assert _devices(result) == {
            MARS.city: ["a", "b"],
            DEIMOS.city: [],
            MOON.city: ["b", "c", None],
        }
        assert result.rows == {MARS.city: 2, DEIMOS.city: 0, MOON.city: 3}
        assert result.schema == SCHEMA
        assert (result.rows_in, result.rejected) == (5, {"no_area": 1})


def test_stored_ids_are_the_areas() -> None:
    """Whatever form the vendor used, a row says which areas it was bought for."""
    pings = make_pings([("a", ["geo_radius_0", "geo_json_0", None])])
    with splitting_tables(pings) as result:
        ids = read_tables(result)[MOON.city]["poi_ids"].to_pylist()
    assert ids == [["mars-bbbbbbbb", "moon-aaaaaaaa"]]


def test_a_city_that_was_not_asked_for_counts_and_is_not_returned() -> None:
    """Surplus of the job is attributed, not rejected, and not returned."""
    pings = make_pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])])
    with splitting_tables(pings, wanted=Wanted(cities=[MARS.city])) as result:
        assert _devices(result) == {MARS.city: ["a"]}
        assert result.rows == {MARS.city: 1}
        assert result.rejected == {"no_area": 0}


def test_a_city_the_job_did_not_cover_is_refused() -> None:
    """An empty table would say that the city is known to be empty."""
    wanted = Wanted(cities=["space/venus"])
    with (
        pytest.raises(UnknownCityError, match="space/venus"),
        splitting_tables(make_pings([]), wanted=wanted),
    ):
        pass


def test_failed_casts_count_for_the_city_of_their_row() -> None:
    """A bad cell counts in each city its row belongs to, and in no other."""
    pings = make_pings([("a", ["geo_json_0", "geo_radius_0"]), ("b", ["geo_radius_1"])])
    pings = pings.append_column("latitude", [["north", "1.5"]])
    with splitting_tables(pings) as result:
        assert result.cast_failures == {MARS.city: 1, MOON.city: 1, DEIMOS.city: 0}


def test_one_unknown_area_stops_the_whole_date() -> None:
    """Nothing of a date with an id nobody asked for is returned."""
    pings = make_pings([("a", ["geo_json_0"]), ("b", ["geo_radius_7"])])
    with (
        pytest.raises(UnknownAreaError, match="geo_radius_7"),
        splitting_tables(pings),
    ):
        pass


def test_a_pull_under_other_indexes_gives_the_same_rows() -> None:
    """The place of an area in the request does not show in what is kept."""
    swapped = Wanted((replace(DEIMOS, index=0), MARS, replace(MOON, index=1)))
    first = make_pings([("a", ["geo_radius_0"]), ("b", ["deimos-cccccccc"])])
    second = make_pings([("b", ["geo_radius_0"]), ("a", ["geo_radius_1"])])
    with (
        splitting_tables(first) as one,
        splitting_tables(second, wanted=swapped) as other,
    ):
        assert encode(one, 10) == encode(other, 10)


def test_a_whole_date_from_storage(
    s3: "S3Client", bucket: Bucket, tmp_path: Path
) -> None:
    """Files with drifting types, extra columns and no rows become one date."""
    good = make_pings([("a", ["geo_json_0"])]).append_column("latitude", [[1.5]])
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
    delivery = list_delivery(bucket, JOB_PREFIX)
    means = Means(2**30, 2, tmp_path)
    result = split_date(bucket, delivery, DAY, FEED, AREAS, [MARS.city], means)
    columns = ["ad_id", "utc_timestamp", "latitude", "vendor_date"]
    assert read_tables(result)[MARS.city].select(columns).to_pylist() == [
        {"ad_id": "a", "utc_timestamp": NOON, "latitude": 1.5, "vendor_date": None},
        {
            "ad_id": "b",
            "utc_timestamp": NOON,
            "latitude": 2.5,
            "vendor_date": "2023-12-31",
        },
    ]
    assert result.rows_in == 2


def test_a_corrupt_file_stops_its_date_and_no_other(
    s3: "S3Client", bucket: Bucket, tmp_path: Path
) -> None:
    """Other dates of the delivery are split as if nothing had happened."""
    good = to_parquet(make_pings([("a", ["geo_json_0"])]))
    put_files(
        s3,
        bucket,
        {
            "date=2024-05-01/p0.parquet": good,
            "date=2024-05-01/p1.parquet": good[:-20],
            "date=2024-05-02/p0.parquet": good,
        },
    )
    delivery = list_delivery(bucket, JOB_PREFIX)
    means = Means(2**30, 1, tmp_path)
    with pytest.raises(CorruptFileError):
        split_date(bucket, delivery, DAY, FEED, AREAS, CITIES, means)
    other = DAY + timedelta(days=1)
    result = split_date(bucket, delivery, other, FEED, AREAS, CITIES, means)
    assert (result.date, result.rows_in) == (other, 1)


def test_wide_rows_come_in_smaller_chunks() -> None:
    """A chunk is bounded by cells of the schema, not by rows alone."""
    pings = make_pings([("a", ["geo_json_0"])] * 9)
    with (
        splitting_tables(pings) as result,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(split, "CHUNK_CELLS", 4 * len(SCHEMA))
        sizes = [
            chunk.num_rows
            for group in result.groups
            for city, chunks in result.read(group)
            for chunk in chunks
        ]
    assert sizes == [4, 4, 1]


def test_rows_nobody_asked_for_take_no_memory() -> None:
    """One city of a large date is held; the windows it came in are not."""
    rows = make_rows(1_000)
    for row in rows[1:]:
        row["poi_ids"] = ["geo_radius_0"]
    rows[0]["poi_ids"] = ["geo_json_0"]
    data = to_parquet(deliver_rows(rows, {}))
    with splitting([data], Way(20_000), Wanted(cities=[MARS.city])) as result:
        assert name_paths(result) == {"held"}
        (bucket,) = result.groups[0].rows.buckets
        assert sum(window.packed.num_rows for window in bucket._windows) == 1


def test_nothing_stays_on_disk(tmp_path: Path) -> None:
    """The file has no name while it is used, and its descriptor goes with the split."""
    data = to_parquet(deliver_rows(make_rows(1_000), {}))
    before = _open_files()
    folder = tmp_path / "not" / "there yet"
    way = Way(50_000, large_file_bytes=1, window_rows=100)
    with splitting([data], way, Wanted(folder=folder)) as result:
        assert name_paths(result) == {"spilled", "cut again"}
        assert _open_files() > before
        assert [*folder.iterdir()] == []
    assert _open_files() == before


def test_a_failing_split_lets_go_of_its_file(tmp_path: Path) -> None:
    """Also where the last file of a date is broken."""
    data = to_parquet(deliver_rows(make_rows(1_000), {}))
    before = _open_files()
    way = Way(50_000, large_file_bytes=1, window_rows=100)
    with (
        pytest.raises(CorruptFileError),
        splitting([data, data[:-20]], way, Wanted(folder=tmp_path)),
    ):
        pass
    assert _open_files() == before


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])
