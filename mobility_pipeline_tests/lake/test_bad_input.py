"""What the vendor may deliver, in small files and in large ones, landed over the wire."""

import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.errors import (
    CorruptFileError,
    DeliveryRejectedError,
    UnknownAreaError,
)
from mobility_pipeline.lake.land_date import land_date
from mobility_pipeline.lake.publish import Published
from mobility_pipeline.landing import read
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.lake.jobs import DAY, FEED, Place, make_job, make_pings
from mobility_pipeline_tests.lake.tables import DAY as MOON_DAY
from mobility_pipeline_tests.landing.store import CITIES, MOON, to_parquet

SCHEMA = PING_SCHEMAS[FEED]
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
MOONS = [[MOON.area_id]]
TEXT_MAP = pa.map_(pa.string(), pa.string())


@pytest.fixture(params=["small", "large"], autouse=True)
def size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take every file for a small one, or for a large one that is read in windows."""
    if request.param == "large":
        monkeypatch.setattr(read, "LARGE_FILE_BYTES", 0)
        monkeypatch.setattr(read, "WINDOW_ROWS", 2)
    return request.param


def _file(device: str, count: int = 1, **columns: Any) -> pa.Table:
    """Make pings of the moon, with further columns or other types of those."""
    pings = make_pings(MOONS * count, device=device)
    plain = dict(zip(pings.column_names, pings.columns, strict=True))
    return pa.table(plain | columns)


def _land(place: Place) -> dict[str, Published]:
    """Land the date; return its city-days."""
    landed = land_date(place.make_task(make_job()))
    assert landed.failure is None
    assert [done.manifest.city for done in landed.published] == sorted(CITIES)
    return {done.manifest.city: done for done in landed.published}


@dataclass(frozen=True)
class Case:
    """Files, and what has to become of the moon's rows, by ad_id."""

    files: list[pa.Table | bytes]
    rows: list[dict[str, Any]]
    """In order; only the columns that matter."""
    cast_failures: int = 0
    rejected: int = 0
    added: dict[str, pa.DataType] = field(default_factory=dict)
    """Columns that follow the declared ones."""


def _spark(device: str, at: datetime) -> bytes:
    """Write a time as Spark does by default."""
    pings = _file(device, utc_timestamp=pa.array([at], pa.timestamp("us")))
    buffer = io.BytesIO()
    pq.write_table(pings, buffer, use_deprecated_int96_timestamps=True)
    return buffer.getvalue()


def _seen(cell: Any, *devices: str, name: str) -> list[dict[str, Any]]:
    return [{"ad_id": device, name: cell} for device in devices]


_NESTED = {
    "struct": pa.array([{"year": 2024, "key": "x"}]),
    "list": pa.array([["2024-05-01", None]]),
    "map": pa.array([[("key", "2024-05-01")]], TEXT_MAP),
    "map of structs": pa.array(
        [[("k", {"key": "v"})]], pa.map_(pa.string(), pa.struct([("key", pa.string())]))
    ),
}

CASES = {
    "numbers of other types": Case(
        [
            _file("a", latitude=[1.5]),
            _file("b", latitude=["1.5"]),
            _file("c", latitude=[Decimal("1.50")]),
            _file("d", latitude=pa.array([1.5], pa.float32())),
            _file("e", latitude=pa.array([b" 1.5 "])),
            _file("f", latitude=["north"]),
            _file("g", latitude=[["1.5"]]),
            _file("h", latitude=pa.array([None], pa.null())),
        ],
        [
            *_seen(1.5, "a0", "b0", "c0", "d0", "e0", name="latitude"),
            *_seen(None, "f0", "g0", "h0", name="latitude"),
        ],
        cast_failures=2,
    ),
    "times of other types": Case(
        [
            _file("a"),
            _file("b", utc_timestamp=["2024-05-01 12:00:00"]),
            _file("c", utc_timestamp=["2024-05-01T14:00:00+02:00"]),
            _file("d", utc_timestamp=[1_714_564_800]),
            _file("e", utc_timestamp=[1_714_564_800_000]),
            _file("f", utc_timestamp=["1714564800"]),
            _file("g", utc_timestamp=pa.array([NOON], pa.timestamp("ns"))),
            _spark("h", NOON),
            _file("i", utc_timestamp=["noon"]),
            _file("j", utc_timestamp=pa.array([2**62], pa.timestamp("us", "UTC"))),
        ],
        [
            *_seen(NOON, *(f"{name}0" for name in "abcdefgh"), name="utc_timestamp"),
            *_seen(None, "i0", "j0", name="utc_timestamp"),
        ],
        cast_failures=2,
    ),
    "text of other types": Case(
        [
            _file("a", ad_id=pa.array(["a0"]).dictionary_encode(), id_type=["x"]),
            _file("b", ad_id=pa.array(["b0"], pa.large_string()), id_type=[b"x"]),
            _file("c", ad_id=[b"c0"], id_type=pa.array(["x"]).dictionary_encode()),
            _file("d", ad_id=[4], id_type=[["x"]]),
            _file("e", ad_id=["  "], id_type=pa.nulls(1)),
            _file("f", ad_id=[b"\xff"], id_type=[None]),
        ],
        [
            *_seen(None, "4", name="id_type"),
            *_seen("x", "a0", "b0", "c0", name="id_type"),
            {"ad_id": None, "id_type": None},
            {"ad_id": None, "id_type": None},
        ],
        cast_failures=2,
    ),
    "maps of other types": Case(
        [
            _file("a", quality_fields=pa.array([[("k", "1")]], TEXT_MAP)),
            _file(
                "b", quality_fields=pa.array([[("k", 1)]], pa.map_("string", "int8"))
            ),
            _file("c", quality_fields=[[None]]),
            _file(
                "d",
                quality_fields=pa.array([["x"], None], pa.list_(pa.string(), 1))[:1],
            ),
            _file("e", quality_fields=["{}"]),
            _file("f", quality_fields=pa.array([[]], TEXT_MAP)),
        ],
        [
            *_seen([("k", "1")], "a0", "b0", name="quality_fields"),
            *_seen(None, "c0", "d0", "e0", name="quality_fields"),
            *_seen([], "f0", name="quality_fields"),
        ],
        cast_failures=2,
    ),
    "missing columns": Case(
        [
            pa.table({"poi_ids": MOONS, "caid": ["h"]}),
            _file("a", latitude=[1.5]),
        ],
        [
            {"ad_id": "a0", "caid": None, "latitude": 1.5, "utc_timestamp": NOON},
            {"ad_id": None, "caid": "h", "latitude": None, "utc_timestamp": None},
        ],
    ),
    "extra columns": Case(
        [
            _file("a", zoo=pa.array([1], pa.int32()), bar=[1.5]),
            _file("b", zoo=[2], bar=["x"]),
            _file("c", ape=[{"b": "c"}]),
        ],
        [
            {"ad_id": "a0", "zoo": 1, "bar": "1.5", "ape": None},
            {"ad_id": "b0", "zoo": 2, "bar": "x", "ape": None},
            {"ad_id": "c0", "zoo": None, "bar": None, "ape": {"b": "c"}},
        ],
        added={
            "ape": pa.struct([("b", pa.string())]),
            "bar": pa.string(),
            "zoo": pa.int64(),
        },
    ),
    **{
        f"date is a {name}": Case(
            [_file("a", date=column), _file("b")],
            [
                {"ad_id": "a0", "vendor_date": column[0].as_py()},
                {"ad_id": "b0", "vendor_date": None},
            ],
            added={"vendor_date": column.type},
        )
        for name, column in _NESTED.items()
    },
    "date is nested here and text there": Case(
        [_file("a", date=[{"year": 2024}]), _file("b", date=["2024-05-01"])],
        [
            {"ad_id": "a0", "vendor_date": '{"year": 2024}'},
            {"ad_id": "b0", "vendor_date": "2024-05-01"},
        ],
        added={"vendor_date": pa.string()},
    ),
    "a file of one row": Case([_file("a")], [{"ad_id": "a0"}]),
    "files without rows beside one with": Case(
        [_file("a"), _file("b")[:0], pa.table({"strange": ["x"]})[:0]],
        [{"ad_id": "a0"}],
    ),
    "lists of nothing": Case(
        [
            make_pings([None, [], [None], ["", " "], [None, MOON.area_id]], device="a"),
            pa.table({"ad_id": ["b"], "poi_ids": pa.array([None], pa.null())}),
            pa.table({"ad_id": ["c"], "poi_ids": pa.array([[None]])}),
        ],
        [{"ad_id": "a4", "poi_ids": [MOON.area_id]}],
        rejected=6,
    ),
    "lists of other types": Case(
        [
            _file("a", poi_ids=pa.array(MOONS, pa.large_list(pa.large_string()))),
            _file("b", poi_ids=pa.array(MOONS, pa.list_(pa.string(), 1))),
            _file("c", poi_ids=pa.array([[b"geo_radius_0"]])),
        ],
        [{"ad_id": name, "poi_ids": [MOON.area_id]} for name in ("a0", "b0", "c0")],
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_can_be_read_is_unified_kept_or_counted(place: Place, case: Case) -> None:
    """Rows are in the lake under one schema; what a cell can't become is counted."""
    files = [f if isinstance(f, bytes) else to_parquet(f) for f in case.files]
    place.deliver_day(*files)
    manifest = _land(place)[MOON.city].manifest
    found = place.lake.read(MOON_DAY)
    names = [*case.rows[0]]
    assert found.select(names).to_pylist() == case.rows
    assert found.schema == pa.schema([*SCHEMA, *case.added.items()])
    assert manifest.rows == len(case.rows)
    assert manifest.cast_failures == case.cast_failures
    assert manifest.rejected == {"no_area": case.rejected}


@pytest.mark.parametrize("table", [make_pings([]), pa.table({"strange": ["x"]})[:0]])
def test_a_date_without_rows_is_known_to_be_empty(
    place: Place, table: pa.Table
) -> None:
    """A delivered file says that there is nothing: that is not missing."""
    place.deliver_day(to_parquet(table))
    published = _land(place)
    assert {done.manifest.state for done in published.values()} == {"empty"}
    assert {key.rpartition("/")[2] for key in place.objects()} == {"_manifest.json"}


def test_two_thousand_columns_are_kept(place: Place) -> None:
    """A file may be wider than it is long."""
    wide = {f"column_{number:04d}": [number] for number in range(2_000)}
    place.deliver_day(to_parquet(_file("a", **wide)), to_parquet(_file("b")))
    _land(place)
    found = place.lake.read(MOON_DAY)
    assert found.column_names == [*SCHEMA.names, *wide]
    assert found["column_1999"].to_pylist() == [1999, None]


_GOOD = to_parquet(_file("a", 3))
_NOT_TEXT = pa.array([b"\xff\xfe"]).view(pa.string())
_TWICE = pa.table([MOONS, ["x"], ["y"]], names=["poi_ids", "ip", "ip"])


@pytest.mark.parametrize(
    ("data", "kind", "why"),
    [
        (b"", CorruptFileError, "is empty"),
        (b"<html>503</html>", CorruptFileError, "not readable parquet"),
        (_GOOD[:-20], CorruptFileError, "not readable parquet"),
        (_GOOD[: len(_GOOD) // 2], CorruptFileError, "not readable parquet"),
        (to_parquet(_file("b", x=_NOT_TEXT)), CorruptFileError, "not readable parquet"),
        (to_parquet(_TWICE), CorruptFileError, "a column twice: ip"),
        (
            to_parquet(_file("b").drop_columns(["poi_ids"])),
            DeliveryRejectedError,
            "poi_ids is absent",
        ),
        (
            to_parquet(_file("b", poi_ids=[MOON.area_id])),
            DeliveryRejectedError,
            "poi_ids is .*, not a list of ids",
        ),
    ],
)
def test_a_date_with_an_unusable_file_is_refused_by_name(
    place: Place, data: bytes, kind: type[Exception], why: str
) -> None:
    """The message names file and date; nothing of the date is published."""
    place.deliver_day(_GOOD, data)
    task = place.make_task(make_job())
    name = r"date=2024-05-01/part-00001\.parquet of 2024-05-01"
    with pytest.raises(kind, match=rf"{name}.*{why}"):
        land_date(task)
    assert place.objects() == {}


def test_a_date_that_names_a_strange_area_is_refused(place: Place) -> None:
    """Somebody else's rows, or rows of an area whose city nobody knows."""
    place.deliver_day(_GOOD, to_parquet(make_pings([["geo_radius_99"]])))
    with pytest.raises(UnknownAreaError, match=r"2024-05-01 names .*geo_radius_99"):
        land_date(place.make_task(make_job()))
    assert place.objects() == {}


def test_a_refused_date_leaves_what_stands(place: Place) -> None:
    """An older delivery of the date is better than none."""
    place.deliver_day(_GOOD)
    _land(place)
    before = place.objects()
    place.deliver_day(_GOOD, b"")
    with pytest.raises(CorruptFileError):
        land_date(place.make_task(make_job("job-2")))
    assert place.objects() == before


def test_pings_of_other_days_stay_with_their_date(place: Place) -> None:
    """The folder decides the date; a ping's own time may be off."""
    late = NOON + timedelta(days=3)
    place.deliver_day(
        to_parquet(
            _file("a", utc_timestamp=pa.array([late], pa.timestamp("us", "UTC")))
        )
    )
    manifest = _land(place)[MOON.city].manifest
    assert (manifest.date, manifest.first_ping_at) == (DAY, late)
    assert manifest.date == date(2024, 5, 1)
