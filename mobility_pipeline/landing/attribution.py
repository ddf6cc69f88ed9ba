"""Find the cities of each row by the area ids it carries in `poi_ids`.

The vendor names an area either by the id that was sent or by its place in the request,
`geo_radius_<i>` or `geo_json_<i>`; both forms occur in one delivery.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from mobility_pipeline.errors import UnknownAreaError

if TYPE_CHECKING:
    import numpy.typing as npt

    from mobility_pipeline.vendor.request import Area

    Rows = npt.NDArray[np.int64]

NO_AREA = "no_area"
"""Why a row is rejected: its `poi_ids` is null, empty or only nulls and blanks."""

_BLANK, _UNKNOWN = -1, -2
_AREA_LIKE = re.compile(r"[A-Za-z0-9_-]{1,32}")
_DEVICE_LIKE = re.compile(r"[0-9a-fA-F-]{32,}")
_NAMED_AT_MOST = 5


@dataclass(frozen=True)
class Attribution:
    """Which rows of a window belong to which city."""

    areas_per_row: "Rows"
    """How many areas each row names, each counted once."""
    areas: "Rows"
    """Their numbers, row by row, ascending."""
    rows: "Rows"
    """Row numbers, ascending; a row of two cities stands twice."""
    cities: "Rows"
    """The number of the city that each of `rows` belongs to."""

    @property
    def attributed(self) -> int:
        """Rows that belong to at least one city."""
        return int(np.count_nonzero(self.areas_per_row))

    @property
    def rejected(self) -> int:
        """Rows that belong to none: `NO_AREA`."""
        return int(np.count_nonzero(self.areas_per_row == 0))


class Attributor:
    """Knows the areas of one vendor job by every name the vendor has for them."""

    def __init__(self, areas: "Sequence[Area]", day: date) -> None:
        """Make one.

        Args:
            areas: all areas of the job, with their place in the request.
            day: the UTC date, for errors.
        """
        known = sorted(areas, key=lambda area: area.area_id)
        self.area_ids = [area.area_id for area in known]
        """What numbers of areas stand for, sorted."""
        self.cities = sorted({area.city for area in known})
        """What numbers of cities stand for, sorted."""
        number = {city: place for place, city in enumerate(self.cities)}
        self._city_of_area = np.array([number[area.city] for area in known], np.int64)
        self._codes: dict[str, int] = {}
        for code, area in enumerate(known):
            self._codes[f"{area.kind}_{area.index}"] = code
        self._codes |= {area_id: code for code, area_id in enumerate(self.area_ids)}
        self._day = day

    def attribute(self, poi_ids: pa.Array) -> Attribution:
        """Attribute every row to the cities whose area it names.

        Args:
            poi_ids: list of text per row, plain or dictionary-coded; nulls and blanks
                inside are ignored.

        Raises:
            UnknownAreaError: an id is none of the job's areas.
        """
        rows, codes = self._named_areas(poi_ids)
        areas_per_row = np.bincount(rows, minlength=len(poi_ids))
        if areas_per_row.max(initial=0) > 1:
            # One number per (row, area): sorting and dropping repeats is one call.
            pairs = _sort_distinct(rows * len(self.area_ids) + codes)
            rows, codes = pairs // len(self.area_ids), pairs % len(self.area_ids)
            areas_per_row = np.bincount(rows, minlength=len(poi_ids))
        cities = self._city_of_area.take(codes)
        city_rows = rows
        if len(self.cities) < len(
            self.area_ids
        ):  # two areas of a row may be one city's
            pairs = _sort_distinct(rows * len(self.cities) + cities)
            city_rows, cities = pairs // len(self.cities), pairs % len(self.cities)
        return Attribution(areas_per_row, codes, city_rows, cities)

    def _named_areas(self, poi_ids: pa.Array) -> "tuple[Rows, Rows]":
        """Return each area that a row names, and the row's number."""
        lengths = pc.fill_null(pc.list_value_length(poi_ids), 0).to_numpy()
        rows = np.repeat(np.arange(len(poi_ids), dtype=np.int64), lengths)
        names = pc.list_flatten(poi_ids)
        if not pt.is_dictionary(names.type):
            names = names.dictionary_encode()
        codes = self._read_names(names)
        named = codes != _BLANK
        return (rows, codes) if named.all() else (rows[named], codes[named])

    def _read_names(self, names: pa.DictionaryArray) -> "Rows":
        """Turn names into areas; only distinct ones are looked at in Python."""
        distinct = [(name or "").strip() for name in names.dictionary.to_pylist()]
        indices = pc.fill_null(names.indices, len(distinct)).to_numpy()
        codes = np.array([self._read_name(name) for name in distinct] + [_BLANK])
        found = codes.take(indices)
        if (found == _UNKNOWN).any():
            used = np.unique(indices[found == _UNKNOWN])
            raise self._unknown_areas(sorted(distinct[index] for index in used))
        return found

    def _read_name(self, name: str) -> int:
        return self._codes.get(name, _UNKNOWN) if name else _BLANK

    def _unknown_areas(self, names: Sequence[str]) -> UnknownAreaError:
        more = len(names) - _NAMED_AT_MOST
        return UnknownAreaError(
            f"the delivery of {self._day} names areas that its vendor job did not ask "
            f"for: {', '.join(map(_quote, names[:_NAMED_AT_MOST]))}"
            + (f" and {more} more" if more > 0 else "")
            + f"; nothing of {self._day} is published, ask the vendor what they are"
        )


def _quote(name: str) -> str:
    """Return an id as a message may show it: a shifted column could hold devices."""
    if _AREA_LIKE.fullmatch(name) and not _DEVICE_LIKE.fullmatch(name):
        return name
    return f"a value of {len(name)} characters that is no area id"


def _sort_distinct(numbers: "Rows") -> "Rows":
    """Do what `np.unique` does, several times faster on numbers that are almost sorted."""
    ordered = np.sort(numbers, kind="stable")
    return ordered[np.diff(ordered, prepend=-1) != 0]
