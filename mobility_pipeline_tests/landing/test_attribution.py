from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.errors import UnknownAreaError
from mobility_pipeline.landing.attribution import NO_AREA, Attribution, Attributor
from mobility_pipeline.vendor.request import Area
from mobility_pipeline_tests.landing.store import AREAS, CITIES, DEIMOS, MARS, MOON

DAY = date(2024, 5, 1)
Cell = Sequence[str | None] | None


@dataclass(frozen=True)
class Named:
    """What an attribution says, by names instead of numbers."""

    rows: dict[str, list[int]]
    """City key -> row numbers."""
    areas: list[list[str]]
    """Area ids of each row."""
    attributed: int
    rejected: int


def _attribute(
    cells: Sequence[Cell] | pa.Array, areas: Sequence[Area] = AREAS
) -> Named:
    if not isinstance(cells, pa.Array):
        cells = pa.array(cells, pa.list_(pa.string()))
    attributor = Attributor(areas, DAY)
    found = attributor.attribute(cells)
    ids = iter([attributor.area_ids[area] for area in found.areas])
    return Named(
        _rows_by_city(attributor.cities, found),
        [[next(ids) for _ in range(count)] for count in found.areas_per_row],
        found.attributed,
        found.rejected,
    )


def _rows_by_city(cities: Sequence[str], found: Attribution) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = {city: [] for city in cities}
    for row, city in zip(found.rows.tolist(), found.cities.tolist(), strict=True):
        rows[cities[city]].append(row)
    return rows


def test_both_forms_name_the_same_area() -> None:
    """The id that was sent and its place in its own array lead to one city."""
    found = _attribute(
        [[MOON.area_id], ["geo_radius_0"], ["geo_radius_1"], ["geo_json_0"]]
    )
    assert found.rows == {
        MOON.city: [0, 1],
        DEIMOS.city: [2],
        MARS.city: [3],
    }


def test_a_row_of_two_areas_belongs_to_both_cities() -> None:
    """Areas overlap: such a ping is in both cities, and counts as one attributed row."""
    found = _attribute([["geo_json_0", "moon-aaaaaaaa"]])
    assert found.rows[MOON.city] == found.rows[MARS.city] == [0]
    assert found.attributed == 1


def test_a_row_that_names_a_city_twice_counts_once() -> None:
    """Both forms of one id in a row are one attribution and one stored id."""
    found = _attribute([["moon-aaaaaaaa", " geo_radius_0 ", "moon-aaaaaaaa"]])
    assert found.rows[MOON.city] == [0]
    assert found.areas == [["moon-aaaaaaaa"]]


def test_two_areas_of_one_city_are_one_city() -> None:
    """A row in an old and a new boundary of a city is one row of that city."""
    newer = Area("moon-dddddddd", MOON.city, "d" * 64, "geo_json", 0)
    found = _attribute([["moon-aaaaaaaa", "geo_json_0"]], [MOON, newer])
    assert found.rows == {MOON.city: [0]}
    assert found.areas == [["moon-aaaaaaaa", "moon-dddddddd"]]


def test_a_row_without_an_area_is_rejected_by_reason() -> None:
    """Null, empty, `[null]` and blanks name no city."""
    found = _attribute([None, [], [None], ["", "  "], [None, "geo_json_0"]])
    assert (found.rejected, NO_AREA) == (4, "no_area")
    assert found.attributed == 1
    assert found.rows[MARS.city] == [4]


def test_every_city_of_the_job_has_an_entry() -> None:
    """A city without rows is known to be empty."""
    assert _attribute([]).rows == {city: [] for city in CITIES}


@pytest.mark.parametrize(
    "strange", ["geo_radius_2", "geo_json_1", "geo_radius_00", "Moon-aaaaaaaa", "null"]
)
def test_an_unknown_id_is_an_error_that_names_it(strange: str) -> None:
    """An id that no area of the job has is the delivery's error, with id and date."""
    with pytest.raises(UnknownAreaError, match=rf"2024-05-01.*{strange}"):
        _attribute([["moon-aaaaaaaa"], [None, strange]])


def test_many_unknown_ids_are_counted() -> None:
    """An error stays one line however much is wrong."""
    with pytest.raises(UnknownAreaError, match="x0, x1, x2, x3, x4 and 3 more;"):
        _attribute([[f"x{number}" for number in range(8)]])


def test_a_sliced_list_is_read_where_it_starts() -> None:
    """Rows of a slice are numbered from the slice's start."""
    cells = pa.array([["geo_json_0"], None, ["moon-aaaaaaaa"]])[1:]
    assert _attribute(cells).rows[MOON.city] == [1]


_NAMES = {
    "moon-aaaaaaaa": MOON,
    "geo_radius_0": MOON,
    "mars-bbbbbbbb": MARS,
    "geo_json_0": MARS,
    "geo_radius_1": DEIMOS,
    "deimos-cccccccc": DEIMOS,
}
_LISTS = st.lists(st.sampled_from([None, "", *_NAMES]), max_size=5)


_KINDS = (pa.string(), pa.dictionary(pa.int32(), pa.string()))


@pytest.mark.parametrize("kind", _KINDS, ids=["plain", "coded"])
@given(cells=st.lists(st.none() | _LISTS, max_size=12), start=st.integers(0, 3))
def test_agrees_with_a_row_by_row_oracle(
    kind: pa.DataType, cells: list[list[str | None] | None], start: int
) -> None:
    """The vectorised attribution equals a loop over rows, in a slice too."""
    named = [{_NAMES[name] for name in cell or [] if name} for cell in cells[start:]]
    found = _attribute(
        pa.array(cells, pa.list_(pa.string())).cast(pa.list_(kind))[start:]
    )
    assert found.areas == [sorted(area.area_id for area in areas) for areas in named]
    assert found.rows == {
        area.city: [row for row, areas in enumerate(named) if area in areas]
        for area in AREAS
    }
    assert found.attributed == sum(bool(areas) for areas in named)
    assert found.attributed + found.rejected == len(named)


def test_ids_that_no_row_names_are_no_error() -> None:
    """A dictionary may hold more than the rows of a window use."""
    names = pa.DictionaryArray.from_arrays(
        pa.array([1, 1], pa.int32()), pa.array(["strange", "geo_json_0"])
    )
    cells = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), names)
    assert _attribute(cells).rows[MARS.city] == [0, 1]


@pytest.mark.parametrize("device", ["0" * 64, "b0e1d2c3-0001-4000-8000-000000000000"])
def test_a_device_id_is_never_shown(device: str) -> None:
    """Shifted columns put device ids where areas belong: the error keeps them back."""
    with pytest.raises(UnknownAreaError, match=f"{len(device)} characters") as caught:
        _attribute([[device]])
    assert device not in str(caught.value)
