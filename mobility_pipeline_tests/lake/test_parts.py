import hashlib
import io
import random
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from mobility_pipeline.errors import ConservationError
from mobility_pipeline.lake import parts
from mobility_pipeline.lake.manifest import ManifestFile
from mobility_pipeline.lake.parts import PartsEncoder
from mobility_pipeline.landing.packing import Packer
from mobility_pipeline.schemas.pings import PING_SCHEMAS
from mobility_pipeline_tests.lake.tables import SCHEMA, make_pings
from mobility_pipeline_tests.landing.deliveries import NOON

MOON = "moon-aaaaaaaa"
TEXT_MAP = pa.map_(pa.string(), pa.string())


def _encode(
    chunks: Iterable[pa.Table],
    max_part_bytes: int = parts.MAX_PART_BYTES,
    schema: pa.Schema = SCHEMA,
    folder: Path | None = None,
) -> list[tuple[ManifestFile, bytes]]:
    """Return what each part is called in the manifest, and its bytes."""
    with PartsEncoder(schema, folder, max_part_bytes) as encoder:
        encoded: list[tuple[ManifestFile, bytes]] = []
        for part in encoder.encode(chunks):
            part.data.seek(0)
            encoded.append((part.file, part.data.read()))
        return encoded


def _decode(data: bytes) -> pa.Table:
    return pq.read_table(pa.BufferReader(data))


def _cut(table: pa.Table, rows: int) -> list[pa.Table]:
    return [table[start : start + rows] for start in range(0, len(table), rows)]


def _random_devices(count: int) -> list[str]:
    source = random.Random(7)
    return [f"{source.getrandbits(128):032x}" for _ in range(count)]


def test_a_city_day_is_one_part() -> None:
    """Few files: one part until it is too large, named by its sha256, in snappy."""
    table = make_pings("a", "b", "c")
    ((file, data),) = _encode([table[:2], table[2:]])
    sha256 = hashlib.sha256(data).hexdigest()
    assert file.sha256 == sha256
    assert file.name == f"part-00000-{sha256[:8]}.snappy.parquet"
    assert (file.rows, file.bytes) == (3, len(data))
    assert _decode(data) == table
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    assert metadata.row_group(0).column(0).compression == "SNAPPY"


@pytest.mark.parametrize("chunks", [[], [SCHEMA.empty_table()] * 2])
def test_no_rows_give_no_part(chunks: list[pa.Table]) -> None:
    """An empty city-day is a manifest alone."""
    assert _encode(chunks) == []


def test_a_large_city_day_is_cut_into_parts_of_whole_chunks() -> None:
    """Beyond the limit there are several parts, in the order of rows."""
    table = make_pings(*_random_devices(20_000))
    chunks = _cut(table, 2_000)
    limit = 300_000
    encoded = _encode(chunks, limit)
    assert len(encoded) > 2
    assert max(file.bytes for file, _ in encoded) <= 1.1 * limit
    assert min(file.bytes for file, _ in encoded[:-1]) > 0.7 * limit
    assert {file.rows % 2_000 for file, _ in encoded} == {0}
    assert [file.name[:10] for file, _ in encoded] == [
        f"part-{number:05d}" for number in range(len(encoded))
    ]
    assert pa.concat_tables([_decode(data) for _, data in encoded]) == table


def test_a_chunk_above_the_limit_is_still_a_part() -> None:
    """A limit that a chunk can't meet makes a part of it."""
    chunks = [make_pings("a", "b"), make_pings("c")]
    assert [file.rows for file, _ in _encode(chunks, max_part_bytes=1)] == [2, 1]


def test_each_chunk_is_a_row_group() -> None:
    """Readers skip chunks, by the device or the time."""
    table = make_pings(*sorted(_random_devices(90)))
    ((_, data),) = _encode([*_cut(table, 40), SCHEMA.empty_table()])
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [40, 40, 10]
    for number, group in enumerate(groups):
        chunk = table[40 * number : 40 * number + 40]
        for name in ("ad_id", "utc_timestamp"):
            statistics = group.column(SCHEMA.names.index(name)).statistics
            cells = chunk[name].to_pylist()
            assert (statistics.min, statistics.max) == (min(cells), max(cells))


def test_equal_chunks_give_equal_bytes() -> None:
    """However Arrow holds them in memory, and wherever parts wait."""
    table = make_pings(*_random_devices(5_000))
    pieces = pa.concat_tables([table[:7], table[7:7], table[7:4_000], table[4_000:]])
    assert pieces["ad_id"].num_chunks > 1
    whole = table.combine_chunks()
    assert _encode(_cut(pieces.combine_chunks(), 999)) == _encode(_cut(whole, 999))


def _pack(table: pa.Table) -> pa.Table:
    """Return rows as a splitter gives them, repeated text coded."""
    packer = Packer(table.schema, [MOON])
    ids = table["poi_ids"].to_pylist()
    return packer.unpack(
        packer.pack(table, [len(cell) for cell in ids], [0] * len(ids))
    )


def _make_varied(feed: str) -> pa.Table:
    """Make some rows with something, and some with nothing, in every column."""
    schema = PING_SCHEMAS[feed]
    cells = {
        pa.string(): "é",
        pa.float64(): 0.5,
        pa.timestamp("us", "UTC"): NOON,
        TEXT_MAP: [("k", "v"), ("l", None)],
        pa.list_(pa.string()): [MOON],
    }
    full = {field.name: cells[field.type] for field in schema}
    none = dict.fromkeys(schema.names) | {"poi_ids": [MOON]}
    return pa.Table.from_pylist([full, none, full], schema=schema)


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_readers_find_the_declared_types(feed: str) -> None:
    """Plain text, maps of text and instants in UTC, however text was coded on the way."""
    schema = PING_SCHEMAS[feed]
    rows = _make_varied(feed)
    chunk = _pack(rows)
    assert any(pa.types.is_dictionary(field.type) for field in chunk.schema)
    ((_, data),) = _encode([chunk], schema=schema)
    found = _decode(data)
    assert found.schema.equals(schema)
    assert found.schema.field("utc_timestamp").type == pa.timestamp("us", "UTC")
    assert found.to_pylist() == rows.to_pylist()


@pytest.mark.parametrize("feed", PING_SCHEMAS)
def test_readers_without_arrows_note_find_the_same(feed: str) -> None:
    """Parquet's own types say it all: what Spark, DuckDB or Polars go by."""
    schema = PING_SCHEMAS[feed]
    ((_, data),) = _encode([_pack(_make_varied(feed))], schema=schema)
    columns = pq.ParquetFile(pa.BufferReader(data)).schema
    logical = {
        columns.column(place).path: columns.column(place)
        for place in range(len(columns))
    }
    text = {path for path, c in logical.items() if str(c.logical_type) == "String"}
    assert text == {
        path for path, c in logical.items() if c.physical_type == "BYTE_ARRAY"
    }
    time = logical["utc_timestamp"]
    assert time.physical_type == "INT64"
    assert "isAdjustedToUTC=true, timeUnit=microseconds" in str(time.logical_type)
    assert {
        path for path, column in logical.items() if column.physical_type == "DOUBLE"
    } == {"latitude", "longitude", "horizontal_accuracy"}
    maps = [field.name for field in schema if field.type == TEXT_MAP]
    assert {
        f"{name}.key_value.{part}" for name in maps for part in ("key", "value")
    } == {path for path in logical if ".key_value." in path}


def test_types_that_parquet_has_no_word_for_come_back() -> None:
    """Arrow's note says what the vendor's unknown columns were."""
    lasting = pa.array([5], pa.duration("ms"))
    schema = pa.schema([*SCHEMA, ("lasting", lasting.type)])
    rows = make_pings("a").append_column("lasting", lasting)
    ((_, data),) = _encode([_pack(rows)], schema=schema)
    assert _decode(data).schema == schema
    assert _decode(data) == rows


def test_pandas_reads_parts() -> None:
    """Analysts' own reader sees text, UTC instants and lists of pairs."""
    ((_, data),) = _encode([_pack(_make_varied("pings_full"))])
    frame = pd.read_parquet(io.BytesIO(data))
    assert frame["utc_timestamp"].dtype == "datetime64[us, UTC]"
    assert frame["utc_timestamp"][0] == pd.Timestamp(NOON)
    assert frame["ad_id"].tolist()[0] == "é"
    assert frame["id_type"].dtype != "category"
    assert frame["quality_fields"][0] == [("k", "v"), ("l", None)]
    assert frame["latitude"].isna().tolist() == [False, True, False]


def test_days_of_different_columns_are_one_dataset(tmp_path: Path) -> None:
    """A folder of days is read as one table, also where the vendor added a column."""
    more = pa.schema([*SCHEMA, ("added", pa.int64())])
    rows = make_pings("a")
    for day, schema, table in (
        (date(2024, 5, 1), SCHEMA, rows),
        (date(2024, 5, 2), more, rows.append_column("added", [[5]])),
    ):
        ((file, data),) = _encode([_pack(table)], schema=schema)
        folder = tmp_path / f"date={day}"
        folder.mkdir()
        (folder / file.name).write_bytes(data)
    dataset = ds.dataset(
        tmp_path, more, partitioning="hive", exclude_invalid_files=False
    )
    found = dataset.to_table(columns=["ad_id", "added"])
    assert found.to_pylist() == [
        {"ad_id": "a", "added": None},
        {"ad_id": "a", "added": 5},
    ]


def test_statistics_are_those_of_flat_columns() -> None:
    """The least value of a map says nothing; that of a flat column skips row groups."""
    ((_, data),) = _encode([make_pings("a", "b", None)])
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    columns = [group.column(place) for place in range(group.num_columns)]
    described = {c.path_in_schema for c in columns if c.is_stats_set}
    assert described == {f.name for f in SCHEMA if not pa.types.is_nested(f.type)}
    assert group.column(0).statistics.null_count == 1


def test_large_parts_wait_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a file without a name, that is gone when the encoder is closed."""
    folder = tmp_path / "not" / "there yet"
    table = make_pings(*_random_devices(3_000))
    expected = _encode(_cut(table, 1_000), 60_000)
    monkeypatch.setattr(parts, "_HELD_BYTES", 1)
    before = _open_files()
    with PartsEncoder(SCHEMA, folder, 60_000) as encoder:
        encoded = [*encoder.encode(_cut(table, 1_000))]
        assert [*folder.iterdir()] == []
        assert _open_files() == before + len(encoded)
    assert _open_files() == before
    assert _encode(_cut(table, 1_000), 60_000, folder=folder) == expected


def _open_files() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_an_error_of_the_rows_is_passed_on() -> None:
    """What was encoded by then is let go, without a word."""

    def chunks() -> Iterator[pa.Table]:
        yield make_pings("a")
        raise ConservationError("rows lost")

    with pytest.raises(ConservationError, match="rows lost"):
        _encode(chunks())
