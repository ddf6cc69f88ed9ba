from collections.abc import Sequence
from datetime import date

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.errors import UnknownAreaError
from mobility_pipeline.landing.attribution import Attribution, resolve_areas
from mobility_pipeline.vendor.request import Area
from mobility_pipeline_tests.landing.store import AREAS, CITIES, DEIMOS, MARS, MOON

DAY = date(2024, 5, 1)
Cell = Sequence[str | None] | None


def _resolve(cells: Sequence[Cell], areas: Sequence[Area] = AREAS) -> Attribution:
    return resolve_areas(pa.array(cells, pa.list_(pa.string())), areas, DAY)


def _rows(attribution: Attribution) -> dict[str, list[int]]:
    return {city: rows.tolist() for city, rows in attribution.rows_by_city.items()}


def test_both_forms_name_the_same_area() -> None:
    """The id that was sent and its place in its own array lead to one city."""
    attribution = _resolve(
        [[MOON.area_id], ["geo_radius_0"], ["geo_radius_1"], ["geo_json_0"]]
    )
    assert _rows(attribution) == {
        MOON.city: [0, 1],
        DEIMOS.city: [2],
        MARS.city: [3],
    }


def test_a_row_of_two_areas_belongs_to_both_cities() -> None:
    """Areas overlap: such a ping is in both cities, and counts as one attributed row."""
    attribution = _resolve([["geo_json_0", "moon-aaaaaaaa"]])
    assert _rows(attribution)[MOON.city] == _rows(attribution)[MARS.city] == [0]
    assert attribution.attributed == 1


def test_a_row_that_names_a_city_twice_counts_once() -> None:
    """Both forms of one id in a row are one attribution and one stored id."""
    attribution = _resolve([["moon-aaaaaaaa", " geo_radius_0 ", "moon-aaaaaaaa"]])
    assert _rows(attribution)[MOON.city] == [0]
    assert attribution.poi_ids.to_pylist() == [["moon-aaaaaaaa"]]


def test_two_areas_of_one_city_are_one_city() -> None:
    """A row in an old and a new boundary of a city is one row of that city."""
    newer = Area("moon-dddddddd", MOON.city, "d" * 64, "geo_json", 0)
    attribution = _resolve([["moon-aaaaaaaa", "geo_json_0"]], [MOON, newer])
    assert _rows(attribution) == {MOON.city: [0]}
    assert attribution.poi_ids.to_pylist() == [["moon-aaaaaaaa", "moon-dddddddd"]]


def test_a_row_without_an_area_is_rejected_by_reason() -> None:
    """Null, empty, `[null]` and blanks name no city."""
    attribution = _resolve([None, [], [None], ["", "  "], [None, "geo_json_0"]])
    assert attribution.rejected == {"no_area": 4}
    assert attribution.attributed == 1
    assert _rows(attribution)[MARS.city] == [4]


def test_every_city_of_the_job_has_an_entry() -> None:
    """A city without rows is known to be empty."""
    assert _rows(_resolve([])) == {city: [] for city in CITIES}


@pytest.mark.parametrize(
    "strange", ["geo_radius_2", "geo_json_1", "geo_radius_00", "Moon-aaaaaaaa", "null"]
)
def test_an_unknown_id_is_an_error_that_names_it(strange: str) -> None:
    """An id that no area of the job has is the delivery's error, with id and date."""
    with pytest.raises(UnknownAreaError, match=rf"2024-05-01.*{strange}"):
        _resolve([["moon-aaaaaaaa"], [None, strange]])


def test_many_unknown_ids_are_counted() -> None:
    """An error stays one line however much is wrong."""
    with pytest.raises(UnknownAreaError, match="x0, x1, x2, x3, x4 and 3 more;"):
        _resolve([[f"x{number}" for number in range(8)]])


def test_a_sliced_list_is_read_where_it_starts() -> None:
    """Rows of a slice are numbered from the slice's start."""
    cells = pa.array([["geo_json_0"], None, ["moon-aaaaaaaa"]])[1:]
    assert _rows(resolve_areas(cells, AREAS, DAY))[MOON.city] == [1]


_NAMES = {
    "moon-aaaaaaaa": MOON,
    "geo_radius_0": MOON,
    "mars-bbbbbbbb": MARS,
    "geo_json_0": MARS,
    "geo_radius_1": DEIMOS,
    "deimos-cccccccc": DEIMOS,
}
_LISTS = st.lists(st.sampled_from([None, "", *_NAMES]), max_size=5)


@given(st.lists(st.none() | _LISTS, max_size=12))
def test_agrees_with_a_row_by_row_oracle(cells: list[list[str | None] | None]) -> None:
    """The vectorised attribution equals a loop over rows."""
    found = [{_NAMES[name] for name in cell or [] if name} for cell in cells]
    attribution = _resolve(cells)
    assert attribution.poi_ids.to_pylist() == [
        sorted(area.area_id for area in areas) for areas in found
    ]
    assert _rows(attribution) == {
        area.city: [row for row, areas in enumerate(found) if area in areas]
        for area in AREAS
    }
    assert attribution.attributed == sum(bool(areas) for areas in found)
    assert attribution.attributed + attribution.rejected["no_area"] == len(cells)
