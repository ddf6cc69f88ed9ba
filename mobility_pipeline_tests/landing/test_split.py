import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobility_pipeline.errors import (
    ConservationError,
    CorruptFileError,
    UnknownAreaError,
    UnknownCityError,
)
from mobility_pipeline.landing import split
from mobility_pipeline.landing.delivery import list_delivery
from mobility_pipeline.landing.shuffle import Shuffle, SpilledBucket, Window
from mobility_pipeline.landing.split import (
    Means,
    SplitDate,
    check_conservation,
    split_date,
)
from mobility_pipeline.landing.storage import Bucket
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.landing.deliveries import (
    DAY,
    FEED,
    NOON,
    Wanted,
    Way,
    encode,
    name_paths,
    read_rows,
    read_tables,
    splitting,
    splitting_tables,
)
from mobility_pipeline_tests.landing.oracle import (
    Row,
    is_in_order,
    split_rows,
    write_rows,
)
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
fixed = settings(max_examples=60, derandomize=True, database=None)


def _pings(rows: Sequence[tuple[str | None, Sequence[str | None] | None]]) -> pa.Table:
    """Make pings of (device, area ids)."""
    return pa.table(
        {
            "ad_id": pa.array([row[0] for row in rows], pa.string()),
            "utc_timestamp": pa.array([NOON] * len(rows), pa.timestamp("us", "UTC")),
            "poi_ids": pa.array([row[1] for row in rows], pa.list_(pa.string())),
        }
    )


def _devices(result: SplitDate) -> dict[str, list[str | None]]:
    tables = read_tables(result)
    return {city: table["ad_id"].to_pylist() for city, table in tables.items()}


def test_each_city_gets_only_its_rows() -> None:
    """Rows go to every city they name; a city without rows is there with none."""
    pings = _pings(
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
    pings = _pings([("a", ["geo_radius_0", "geo_json_0", None])])
    with splitting_tables(pings) as result:
        ids = read_tables(result)[MOON.city]["poi_ids"].to_pylist()
    assert ids == [["mars-bbbbbbbb", "moon-aaaaaaaa"]]


def test_a_city_that_was_not_asked_for_counts_and_is_not_returned() -> None:
    """Surplus of the job is attributed, not rejected, and not returned."""
    pings = _pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])])
    with splitting_tables(pings, wanted=Wanted(cities=[MARS.city])) as result:
        assert _devices(result) == {MARS.city: ["a"]}
        assert result.rows == {MARS.city: 1}
        assert result.rejected == {"no_area": 0}


def test_a_city_the_job_did_not_cover_is_refused() -> None:
    """An empty table would say that the city is known to be empty."""
    wanted = Wanted(cities=["space/venus"])
    with (
        pytest.raises(UnknownCityError, match="space/venus"),
        splitting_tables(_pings([]), wanted=wanted),
    ):
        pass


def test_failed_casts_count_for_the_city_of_their_row() -> None:
    """A bad cell counts in each city its row belongs to, and in no other."""
    pings = _pings([("a", ["geo_json_0", "geo_radius_0"]), ("b", ["geo_radius_1"])])
    pings = pings.append_column("latitude", [["north", "1.5"]])
    with splitting_tables(pings) as result:
        assert result.cast_failures == {MARS.city: 1, MOON.city: 1, DEIMOS.city: 0}


def test_one_unknown_area_stops_the_whole_date() -> None:
    """Nothing of a date with an id nobody asked for is returned."""
    pings = _pings([("a", ["geo_json_0"]), ("b", ["geo_radius_7"])])
    with (
        pytest.raises(UnknownAreaError, match="geo_radius_7"),
        splitting_tables(pings),
    ):
        pass


def test_a_pull_under_other_indexes_gives_the_same_rows() -> None:
    """The place of an area in the request does not show in what is kept."""
    swapped = Wanted((replace(DEIMOS, index=0), MARS, replace(MOON, index=1)))
    first = _pings([("a", ["geo_radius_0"]), ("b", ["deimos-cccccccc"])])
    second = _pings([("b", ["geo_radius_0"]), ("a", ["geo_radius_1"])])
    with (
        splitting_tables(first) as one,
        splitting_tables(second, wanted=swapped) as other,
    ):
        assert encode(one, 10) == encode(other, 10)


def test_a_whole_date_from_storage(
    s3: "S3Client", bucket: Bucket, tmp_path: Path
) -> None:
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
    delivery = list_delivery(bucket, JOB_PREFIX)
    means = Means(2**30, 1, tmp_path)
    with pytest.raises(CorruptFileError):
        split_date(bucket, delivery, DAY, FEED, AREAS, CITIES, means)
    other = DAY + timedelta(days=1)
    result = split_date(bucket, delivery, other, FEED, AREAS, CITIES, means)
    assert (result.date, result.rows_in) == (other, 1)


@pytest.mark.parametrize(
    ("rows_in", "attributed", "rejected"), [(3, 1, 1), (2, 2, 1), (1, 1, 1)]
)
def test_lost_or_made_up_rows_stop_the_date(
    rows_in: int, attributed: int, rejected: int
) -> None:
    """Numbers that do not add up are an error, whichever of them is wrong."""
    with pytest.raises(ConservationError, match="2024-05-01"):
        check_conservation(date(2024, 5, 1), rows_in, attributed, {"x": rejected})


_AREA_IDS = ["geo_radius_0", "geo_radius_1", "geo_json_0", "moon-aaaaaaaa", None, " "]
_DEVICES = [None, "", "a", "é", "\0", "00112233-aa", "00112233-bb", "ffffffff-ff"]
_ROW = st.fixed_dictionaries(
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
_DELIVERED = pa.schema(
    [
        *(field for field in SCHEMA if field.name in ("ad_id", "id_type", "poi_ids")),
        *(SCHEMA.field(n) for n in ("utc_timestamp", "latitude", "quality_fields")),
        ("extra", pa.int32()),
        ("date", pa.string()),
    ]
)
_DRIFTS = {
    "id_type": [pa.large_string(), pa.dictionary(pa.int8(), pa.string())],
    "utc_timestamp": [pa.timestamp("ns"), pa.int64(), pa.string()],
    "latitude": [pa.float32(), pa.string()],
    "poi_ids": [pa.large_list(pa.large_string())],
    "quality_fields": [pa.map_(pa.large_string(), pa.large_string())],
}
"""Types besides the declared one that say the same."""
_DRIFT = st.fixed_dictionaries(
    {name: st.sampled_from([None, *kinds]) for name, kinds in _DRIFTS.items()}
)
_LACKING = st.frozensets(st.sampled_from(["id_type", "latitude", "extra", "date"]))
_FILE = st.tuples(st.lists(_ROW, max_size=10), _DRIFT, _LACKING, st.booleans())
"""Rows; the types of columns; columns it lacks; whether its unknown column is text."""
_WAY = st.builds(
    Way,
    memory_bytes=st.sampled_from([2**30, 40_000, 12_000, 16]),
    threads=st.integers(1, 2),
    large_file_bytes=st.sampled_from([1, 2**23]),
    batch_files=st.integers(1, 3),
    window_rows=st.sampled_from([3, 200_000]),
    window_bytes=st.sampled_from([1, 2**23]),
)


def _deliver(rows: list[Row], drift: dict[str, pa.DataType | None]) -> pa.Table:
    """Make a file's table, some columns in another type than the declared one."""
    table = pa.Table.from_pylist(rows, schema=_DELIVERED)
    for place, name in enumerate(table.column_names):
        kind = drift.get(name)
        if kind is None:
            continue
        column = table[name]
        if name == "utc_timestamp" and not pa.types.is_timestamp(kind):
            column = column.cast(pa.timestamp("s"))
        table = table.set_column(place, name, column.cast(kind))
    return table


def _conform(rows: list[Row], lacking: frozenset[str], *, has_text: bool) -> list[Row]:
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


def test_agrees_with_the_oracle() -> None:
    """Whatever comes in, and by whichever way: the rows of a splitter in plain Python."""
    seen: set[str] = set()

    @fixed
    @given(st.lists(_FILE, max_size=4), _WAY)
    def agree(files: list[Any], way: Way) -> None:
        data: list[bytes] = []
        rows: list[Row] = []
        texts = [
            is_text
            for mine, _, lacking, is_text in files
            if mine and "extra" not in lacking
        ]
        columns: set[str] = set()
        for mine, drift, lacking, is_text in files:
            drift = drift | {"extra": pa.string() if is_text else None}
            table = _deliver(mine, drift).drop_columns([*lacking])
            data.append(to_parquet(table))
            rows += _conform(mine, lacking, has_text=any(texts))
            columns |= {*table.column_names} if mine else set()
        expected = split_rows(rows, AREAS)
        others = {"extra", "vendor_date"} & {
            {"date": "vendor_date"}.get(name, name) for name in columns
        }
        with splitting(data or [to_parquet(_pings([]))], way) as result:
            found = read_rows(result)
            seen.update(name_paths(result))
        assert result.schema.names == [*SCHEMA.names, *sorted(others)]
        assert (result.rows_in, result.rejected["no_area"]) == (
            len(rows),
            expected.rejected,
        )
        assert set(found) == set(CITIES)
        for city, mine in expected.rows.items():
            shown = [{name: row[name] for name in result.schema.names} for row in mine]
            assert is_in_order(found[city])
            assert sorted(write_rows(found[city])) == sorted(write_rows(shown))
            assert result.rows[city] == len(mine)

    agree()
    # Which of two threads comes first decides how large a bucket becomes.
    assert seen > {"held"}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("memory_bytes", "path"),
    [(2**30, "held"), (1_500_000, "spilled"), (300_000, "cut again")],
)
def test_larger_dates_agree_with_the_oracle(
    memory_bytes: int, path: str, threads: int
) -> None:
    """In memory, cut by prefixes of devices, and cut again, since the first file has one."""
    rows = _make_rows(3_000)
    data = [to_parquet(_deliver(rows[start::5], {})) for start in range(5)]
    expected = split_rows(_conform(rows, frozenset(), has_text=False), AREAS)
    way = Way(memory_bytes, threads, large_file_bytes=1, window_rows=600)
    with splitting(data, way) as result:
        paths = name_paths(result)
        if threads == 1:
            assert path in paths
            assert paths == {path} or path == "cut again"
        found = read_rows(result)
    for city, mine in expected.rows.items():
        assert len(mine) > 500
        assert is_in_order(found[city])
        assert sorted(write_rows(found[city])) == sorted(write_rows(mine))


def _make_rows(count: int) -> list[Row]:
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


_PLACED = st.tuples(_ROW, st.integers(0, 3))
"""A row, and the number of its file."""


def test_how_rows_came_and_went_never_shows() -> None:
    """Other files, another order, types, memory and threads give the same bytes."""
    seen: set[str] = set()

    @fixed
    @given(
        placed=st.lists(_PLACED, max_size=25),
        drifts=st.lists(_DRIFT, min_size=4, max_size=4),
        use_dictionary=st.booleans(),
        way=_WAY,
        order=st.randoms(use_true_random=False),
    )
    def agree(
        placed: list[tuple[Row, int]],
        drifts: list[dict[str, pa.DataType | None]],
        *,
        use_dictionary: bool,
        way: Way,
        order: random.Random,
    ) -> None:
        one_file = to_parquet(_deliver([row for row, _ in placed], {}))
        with splitting([one_file]) as result:
            expected = encode(result, chunk_rows=4)
        order.shuffle(placed)
        files = [
            to_parquet(
                _deliver([row for row, place in placed if place == number], drift),
                use_dictionary=use_dictionary,
            )
            for number, drift in enumerate(drifts)
        ]
        with splitting(files, way) as result:
            assert encode(result, chunk_rows=4) == expected
            seen.update(name_paths(result))

    agree()
    # Which of two threads comes first decides how large a bucket becomes.
    assert seen > {"held"}


def test_same_rows_are_cut_at_the_same_places() -> None:
    """Chunks have their size whatever buckets the rows waited in; the last is the rest."""
    data = to_parquet(_deliver(_make_rows(1_000), {}))
    shapes: set[tuple[int, ...]] = set()
    for memory_bytes in (2**30, 50_000):
        way = Way(memory_bytes, large_file_bytes=1, window_rows=100)
        with splitting([data], way) as result, pytest.MonkeyPatch.context() as patch:
            patch.setattr(split, "CHUNK_ROWS", 100)
            chunks = {
                city: tuple(chunk.num_rows for chunk in chunks)
                for group in result.groups
                for city, chunks in result.read(group)
            }
        total = result.rows[MARS.city]
        sizes = [min(100, total - start) for start in range(0, total, 100)]
        assert chunks[MARS.city] == tuple(sizes)
        shapes.add(chunks[MARS.city])
    assert len(shapes) == 1


def test_wide_rows_come_in_smaller_chunks() -> None:
    """A chunk is bounded by cells, not by rows alone."""
    pings = _pings([("a", ["geo_json_0"])] * 9)
    with (
        splitting_tables(pings) as result,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(split, "CHUNK_CELLS", 4 * (len(SCHEMA) + 3))
        sizes = [
            chunk.num_rows
            for group in result.groups
            for city, chunks in result.read(group)
            for chunk in chunks
        ]
    assert sizes == [4, 4, 1]


def test_rows_nobody_asked_for_take_no_memory() -> None:
    """One city of a large date is held; the windows it came in are not."""
    rows = _make_rows(1_000)
    for row in rows[1:]:
        row["poi_ids"] = ["geo_radius_0"]
    rows[0]["poi_ids"] = ["geo_json_0"]
    data = to_parquet(_deliver(rows, {}))
    with splitting([data], Way(20_000), Wanted(cities=[MARS.city])) as result:
        assert name_paths(result) == {"held"}
        (bucket,) = result.groups[0].rows.buckets
        assert sum(window.packed.num_rows for window in bucket._windows) == 1


def test_nothing_stays_on_disk(tmp_path: Path) -> None:
    """The file has no name while it is used, and its descriptor goes with the split."""
    data = to_parquet(_deliver(_make_rows(1_000), {}))
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
    data = to_parquet(_deliver(_make_rows(1_000), {}))
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


def _lose(bucket: SpilledBucket) -> None:
    bucket._pieces.pop()


def _repeat(bucket: SpilledBucket) -> None:
    bucket._pieces.append(bucket._pieces[0])


def _lose_all(bucket: SpilledBucket) -> None:
    bucket._pieces.clear()


@pytest.mark.parametrize("tamper", [_lose, _repeat, _lose_all])
def test_a_city_with_other_rows_than_its_own_is_an_error(
    tamper: Callable[[SpilledBucket], None],
) -> None:
    """Rows lost or doubled on disk stop their city, at its end; others are as they are."""
    pings = _pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])] * 4)
    way = Way(16, large_file_bytes=1, window_rows=2)
    with splitting([to_parquet(pings)], way) as result:
        tamper(_bucket_of(result, MOON.city))
        for group in result.groups:
            for city, chunks in result.read(group):
                if city == MOON.city:
                    with pytest.raises(ConservationError, match=r"space/moon 2024-05"):
                        list(chunks)
                else:
                    assert sum(c.num_rows for c in chunks) == result.rows[city]


def test_rows_of_another_city_are_an_error() -> None:
    """A piece in the wrong bucket never becomes rows of a city."""
    pings = _pings([("a", ["geo_json_0"]), ("b", ["geo_radius_0"])] * 4)
    way = Way(16, large_file_bytes=1, window_rows=2)
    with splitting([to_parquet(pings)], way) as result:
        moon, mars = (_bucket_of(result, area.city) for area in (MOON, MARS))
        mars._pieces.append(moon._pieces.pop())
        with pytest.raises(ConservationError):
            read_tables(result)


def _bucket_of(result: SplitDate, city: str) -> SpilledBucket:
    """Return the one bucket that holds a city's rows."""
    (group,) = [group for group in result.groups if city in group.cities]
    (bucket,) = [bucket for bucket in group.rows.buckets if bucket._pieces]
    assert isinstance(bucket, SpilledBucket)
    return bucket


class LosingShuffle(Shuffle):
    """Forgets the first row of each window."""

    def add(self, window: Window, expected_bytes: float) -> None:
        """Take all but one."""
        super().add(
            replace(window, rows=window.rows[1:], cities=window.cities[1:]),
            expected_bytes,
        )


def test_a_shuffle_that_loses_rows_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever goes wrong between counting and reading, the city's count tells."""
    monkeypatch.setattr(split, "Shuffle", LosingShuffle)
    pings = _pings([("a", ["geo_json_0"]), ("b", ["geo_json_0"])])
    with (
        splitting_tables(pings) as result,
        pytest.raises(ConservationError, match="2 rows attributed, 1 split"),
    ):
        read_tables(result)
