from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, isnan, nan
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.landing.casts import (
    TEXT_LIST,
    TEXT_MAP,
    TIMESTAMP,
    cast_cells,
    to_any_text,
    to_plain,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_S = 1_714_564_800


def _cast(
    values: list[Any], kind: pa.DataType | None, target: pa.DataType
) -> list[Any]:
    column = pa.chunked_array([pa.array(values, kind)])
    result = cast_cells(to_plain(column), target)
    assert result.type == target
    return result.to_pylist()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("52.5", 52.5),
        (" -0.25\t", -0.25),
        ("+1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e-3", 0.001),
        ("-Infinity", -inf),
        ("52,5", None),
        ("0x10", None),
        ("1_0", None),
        ("٣", None),
        ("north", None),
        ("", None),
        ("1 2", None),
    ],
)
def test_text_to_number(text: str, number: float | None) -> None:
    """Text is trimmed and read as a number, or becomes null."""
    assert _cast([text, None], None, pa.float64()) == [number, None]


@pytest.mark.parametrize("text", ["NaN", "nan", " NAN "])
def test_nan_stays_nan(text: str) -> None:
    """NaN is what the vendor delivered, not a failed cast."""
    assert isnan(_cast([text], None, pa.float64())[0])


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, pa.int8()),
        (3, pa.uint64()),
        (3.0, pa.float32()),
        (Decimal("3.00"), pa.decimal128(10, 2)),
        ("3", pa.large_string()),
        ("3", pa.string_view()),
        ("3", pa.dictionary(pa.int32(), pa.string())),
        (b"3", pa.binary()),
    ],
)
def test_any_number_type_to_number(value: object, kind: pa.DataType) -> None:
    """Whatever type holds a number, it is the same number."""
    assert _cast([value, None], kind, pa.float64()) == [3.0, None]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, pa.bool_()),
        (NOON, pa.timestamp("us", "UTC")),
        ([1.0], pa.list_(pa.float64())),
        (b"\xff", pa.binary()),
    ],
)
def test_what_is_no_number_is_null(value: object, kind: pa.DataType) -> None:
    """A cell of a type that can't be a number is null."""
    assert _cast([value], kind, pa.float64()) == [None]


@given(st.floats(allow_nan=False))
def test_a_number_survives_being_text(number: float) -> None:
    """Every finite or infinite double, written by Python, is read back exactly."""
    assert _cast([repr(number)], pa.string(), pa.float64()) == [number]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (NOON, pa.timestamp("s", "UTC")),
        (NOON, pa.timestamp("ms", "Asia/Tokyo")),
        (NOON.replace(tzinfo=None), pa.timestamp("us")),
        (NOON.replace(tzinfo=None), pa.timestamp("ns")),
        (NOON_S, pa.int32()),
        (NOON_S * 1_000, pa.int64()),
        (float(NOON_S), pa.float64()),
        (str(NOON_S), pa.string()),
        (f" {NOON_S}000 ", pa.string()),
        (f"{NOON_S}.0", pa.string()),
        ("2024-05-01 12:00:00", pa.string()),
        ("2024-05-01T12:00:00", pa.string()),
        ("2024-05-01 12:00:00.000000", pa.string()),
        ("2024-05-01T12:00:00Z", pa.string()),
        ("2024-05-01 12:00:00 UTC", pa.string()),
        ("2024-05-01T14:00:00+02:00", pa.string()),
        ("2024-05-01T08:30:00-0330", pa.large_string()),
        ("2024-05-01 12:00:00", pa.dictionary(pa.int8(), pa.string())),
    ],
)
def test_any_instant_to_utc(value: object, kind: pa.DataType) -> None:
    """Every way to write an instant gives the same one; no time zone means UTC."""
    assert _cast([value, None], kind, TIMESTAMP) == [NOON, None]


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("2024-02-30 12:00:00", pa.string()),
        ("2024-05-01", pa.string()),
        ("2024-05-01 25:00:00", pa.string()),
        ("01/05/2024 12:00", pa.string()),
        ("noon", pa.string()),
        ("", pa.string()),
        (nan, pa.float64()),
        (inf, pa.float64()),
        (10**15, pa.int64()),
        (date(2024, 5, 1), pa.date32()),
        (2**62, pa.timestamp("s")),
        (2**62, pa.timestamp("us")),
        (True, pa.bool_()),
    ],
)
def test_what_is_no_instant_is_null(value: object, kind: pa.DataType) -> None:
    """A day, garbage, or a number that is no epoch s or ms is null, never another time."""
    array = (
        pa.array([value], pa.int64()).cast(kind)
        if value == 2**62
        else pa.array([value], kind)
    )
    assert cast_cells(array, TIMESTAMP).to_pylist() == [None]


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [(".5", 500_000), (".123456", 123_456), (".123456999", 123_456)],
)
def test_fractions_of_a_second(text: str, microsecond: int) -> None:
    """Text keeps microseconds; what is finer is cut, not rounded into the next."""
    cast = _cast([f"2024-05-01 12:00:00{text}"], None, TIMESTAMP)
    assert cast == [NOON.replace(microsecond=microsecond)]


def test_bad_cells_do_not_touch_good_ones() -> None:
    """Text of several forms in one column is read cell by cell."""
    cells = ["2024-05-01 12:00:00", "x", str(NOON_S), None, "2024-05-01T12:00:00.5Z"]
    half = NOON.replace(microsecond=500_000)
    assert _cast(cells, None, TIMESTAMP) == [NOON, None, NOON, None, half]


@given(
    st.datetimes(
        min_value=datetime(1974, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.just(UTC),
    )
)
def test_an_instant_survives_every_way_of_writing_it(instant: datetime) -> None:
    """Text, epoch s and epoch ms lead back to the instant, to their resolution."""
    micros = (instant - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)
    text = instant.strftime("%Y-%m-%d %H:%M:%S.%f")
    assert _cast([text], None, TIMESTAMP) == [instant]
    assert _cast([micros // 1_000], None, TIMESTAMP) == [
        instant.replace(microsecond=instant.microsecond // 1_000 * 1_000)
    ]
    assert _cast([micros // 1_000_000], None, TIMESTAMP) == [
        instant.replace(microsecond=0)
    ]


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        ("a", pa.dictionary(pa.int32(), pa.large_string()), "a"),
        (7, pa.int64(), "7"),
        (b"a", pa.binary(), "a"),
        (b"\xff", pa.binary(), None),
        (["a"], pa.list_(pa.string()), None),
    ],
)
def test_any_type_to_text(value: object, kind: pa.DataType, text: str | None) -> None:
    """Flat cells become text; a nested one is null."""
    assert _cast([value, None], kind, pa.string()) == [text, None]


@pytest.mark.parametrize(
    ("kind", "cells", "texts"),
    [
        (pa.map_(pa.string(), pa.float64()), [("a", 1.5)], [("a", "1.5")]),
        (pa.map_(pa.string(), pa.null()), [("a", None)], [("a", None)]),
        (pa.map_(pa.large_string(), pa.large_string()), [("a", "b")], [("a", "b")]),
        (pa.map_(pa.string(), pa.string()), [], []),
        (
            pa.map_(pa.string(), pa.list_(pa.int64())),
            [("a", [1])],
            [("a", "[1]")],
        ),
    ],
)
def test_any_map_to_text_map(
    kind: pa.DataType, cells: list[Any], texts: list[Any]
) -> None:
    """Values of a map become text, nested ones JSON; empty stays empty, null null."""
    assert _cast([cells, None], kind, TEXT_MAP) == [texts, None]


@pytest.mark.parametrize(
    ("kind", "cells", "texts"),
    [
        (pa.large_list(pa.string()), ["a", None], ["a", None]),
        (pa.list_(pa.dictionary(pa.int32(), pa.string())), ["a"], ["a"]),
        (pa.list_(pa.string(), 2), ["a", "b"], ["a", "b"]),
        (pa.list_(pa.null()), [None], [None]),
        (pa.list_(pa.int64()), [1], ["1"]),
        (pa.list_(pa.list_(pa.int64())), [[1]], ["[1]"]),
    ],
)
def test_any_list_to_text_list(
    kind: pa.DataType, cells: list[Any], texts: list[Any]
) -> None:
    """Lists of any kind become lists of text."""
    assert _cast([cells, None], kind, TEXT_LIST) == [texts, None]


def test_no_cell_is_lost_as_any_text() -> None:
    """Columns without a declared type keep everything they say, also bad bytes."""
    kinds: list[tuple[Any, pa.DataType, str]] = [
        (b"\xffa", pa.binary(), "\\xffa"),
        ({"a": [1, None]}, pa.struct([("a", pa.list_(pa.int8()))]), '{"a": [1, null]}'),
        (1.5, pa.float32(), "1.5"),
        (True, pa.bool_(), "true"),
    ]
    for value, kind, text in kinds:
        assert to_any_text(pa.array([value, None], kind)).to_pylist() == [text, None]
