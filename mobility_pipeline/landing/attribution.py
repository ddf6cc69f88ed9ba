"""Find the cities of each row by the area ids it carries in `poi_ids`.

The vendor names an area either by the id that was sent or by its place in the request,
`geo_radius_<i>` or `geo_json_<i>`; both forms occur in one delivery.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mobility_pipeline.errors import UnknownAreaError
from mobility_pipeline.landing.casts import TEXT_LIST

if TYPE_CHECKING:
    import numpy.typing as npt

    from mobility_pipeline.vendor.request import Area

    Rows = npt.NDArray[np.int64]

NO_AREA = "no_area"
"""Why a row is rejected: its `poi_ids` is null, empty or only nulls and blanks."""

_AREA_LIKE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_DEVICE_LIKE = re.compile(r"[0-9a-fA-F-]{32,}")
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Attribution:
    """Which rows of a table belong to which city."""

    poi_ids: pa.Array
    """Per row the `area_id` of its areas, sorted, each once; empty where rejected."""
    rows_by_city: "Mapping[str, Rows]"
    """City key -> its rows' numbers, ascending, each once. Every city of the job."""
    attributed: int
    """Rows that belong to at least one city."""
    rejected: Mapping[str, int]
    """Reason -> rows that belong to none."""


def resolve_areas(poi_ids: pa.Array, areas: "Sequence[Area]", day: date) -> Attribution:
    """Attribute every row to the cities whose area it names.

    Args:
        poi_ids: list of text per row; nulls and blanks inside are ignored.
        areas: all areas of the vendor job, with their place in the request.
        day: the UTC date, for the error.

    Raises:
        UnknownAreaError: an id is none of the job's areas.
    """
    known = sorted(areas, key=lambda area: area.area_id)
    rows, names = _named_areas(poi_ids)
    codes = _resolve(names, known, day)
    # One number per (row, area), so that sorting and dropping repeats is one call.
    pairs = _sort_distinct(rows * len(known) + codes)
    pair_rows, pair_codes = pairs // max(len(known), 1), pairs % max(len(known), 1)
    areas_per_row = np.bincount(pair_rows, minlength=len(poi_ids))
    return Attribution(
        poi_ids=_to_lists(areas_per_row, pair_codes, known),
        rows_by_city=_group_by_city(pair_rows, pair_codes, known),
        attributed=int(np.count_nonzero(areas_per_row)),
        rejected={NO_AREA: len(poi_ids) - len(_sort_distinct(rows))},
    )


def _named_areas(poi_ids: pa.Array) -> "tuple[Rows, pa.Array]":
    """Return each id that is not blank, and the number of the row it stands in."""
    lengths = pc.fill_null(pc.list_value_length(poi_ids), 0).to_numpy()
    rows = np.repeat(np.arange(len(poi_ids), dtype=np.int64), lengths)
    names = pc.utf8_trim_whitespace(pc.list_flatten(poi_ids))
    named = pc.fill_null(pc.not_equal(names, ""), fill_value=False)
    return rows[named.to_numpy(zero_copy_only=False)], names.filter(named)


def _resolve(names: pa.Array, areas: "Sequence[Area]", day: date) -> "Rows":
    """Turn ids into positions in `areas`; only distinct ids are looked at in Python."""
    encoded = names.dictionary_encode()
    distinct: list[str] = encoded.dictionary.to_pylist()
    code_by_name: dict[str, int] = {}
    for code, area in enumerate(areas):
        code_by_name[f"{area.kind}_{area.index}"] = code
    for code, area in enumerate(areas):
        code_by_name[area.area_id] = code
    unknown = sorted(name for name in distinct if name not in code_by_name)
    if unknown:
        more = f" and {len(unknown) - _NAMED_AT_MOST} more" * (
            len(unknown) > _NAMED_AT_MOST
        )
        raise UnknownAreaError(
            f"the delivery of {day} names areas that its vendor job did not ask for: "
            f"{', '.join(map(_quote, unknown[:_NAMED_AT_MOST]))}{more}; nothing of {day} is "
            "published, ask the vendor what they are"
        )
    codes = np.array([code_by_name[name] for name in distinct], dtype=np.int64)
    return codes[encoded.indices.to_numpy()]


def _quote(name: str) -> str:
    """Return an id as a message may show it: a shifted column could hold devices."""
    if _AREA_LIKE.fullmatch(name) and not _DEVICE_LIKE.fullmatch(name):
        return name
    return f"a value of {len(name)} characters that is no area id"


def _to_lists(
    areas_per_row: "Rows", codes: "Rows", areas: "Sequence[Area]"
) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(areas_per_row)]).astype(np.int32)
    ids = pa.array([area.area_id for area in areas], pa.string())
    lists = pa.ListArray.from_arrays(pa.array(offsets), ids.take(pa.array(codes)))
    return lists.cast(TEXT_LIST)


def _group_by_city(
    rows: "Rows", codes: "Rows", areas: "Sequence[Area]"
) -> "dict[str, Rows]":
    cities = sorted({area.city for area in areas})
    number = {city: position for position, city in enumerate(cities)}
    city_of_area = np.array([number[area.city] for area in areas], dtype=np.int64)
    city_codes = city_of_area[codes]
    order = np.argsort(city_codes, kind="stable")
    ends = np.searchsorted(city_codes[order], np.arange(1, len(cities)))
    by_city = np.split(rows[order], ends)
    return {
        city: _sort_distinct(mine)
        for city, mine in zip(cities, by_city, strict=bool(cities))
    }


def _sort_distinct(numbers: "Rows") -> "Rows":
    """Do what `np.unique` does, several times faster on numbers that are almost sorted."""
    ordered = np.sort(numbers, kind="stable")
    return ordered[np.diff(ordered, prepend=-1) != 0]
