"""A job's rows of one date: every place in reach, tagged with the job's areas."""

from collections.abc import Collection, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import shapely

from mobility_pipeline.sandbox.areas import RequestedArea
from mobility_pipeline.sandbox.people import People, settle_people
from mobility_pipeline.sandbox.pings import simulate_day
from mobility_pipeline.sandbox.places import Place, load_world
from mobility_pipeline.sandbox.randomness import make_rng
from mobility_pipeline.sandbox.rows import TaggedArea, make_rows

EMPTY_DAY_RATIO = 0.02
"""Chance that a date holds nothing for an area."""


class Simulator:
    """The simulated world; remembers nothing but the people it has settled."""

    def __init__(
        self,
        *,
        seed: int,
        people: int,
        pings_per_person: float,
        known_places: Path | None = None,
        empty_day_ratio: float = EMPTY_DAY_RATIO,
    ) -> None:
        self._seed = seed
        self._people = people
        self._pings_per_person = pings_per_person
        self._empty_day_ratio = empty_day_ratio
        self._world = load_world(known_places)
        self._settled: dict[str, People] = {}

    def rows_of(
        self,
        areas: Sequence[RequestedArea],
        day: date,
        *,
        empty_poi_ids: Collection[str] = (),
        is_restated: bool = False,
    ) -> pa.Table | None:
        """Simulate what a job for these areas holds of one date.

        Args:
            areas: in the order sent; `area_codes` of the rows are indexes into it.
            day: UTC date.
            empty_poi_ids: areas that get nothing.
            is_restated: the date's second version.

        Returns:
            Rows in no particular order; null where none of the areas has a geometry.
        """
        located = [area.geometry for area in areas if area.geometry is not None]
        tagged = [
            TaggedArea(code, area.geometry)
            for code, area in enumerate(areas)
            if area.geometry is not None
            and area.poi_id not in empty_poi_ids
            and not self._is_empty(area, day)
        ]
        tree = shapely.STRtree([area.geometry for area in tagged])
        tables: list[pa.Table] = []
        for place in self._world.places_of(located):
            near = [tagged[i] for i in sorted(tree.query(place.reach))]
            tables.append(
                self._rows_of_place(place, near, day, is_restated=is_restated)
            )
        return pa.concat_tables(tables) if tables else None

    def _rows_of_place(
        self, place: Place, areas: Sequence[TaggedArea], day: date, *, is_restated: bool
    ) -> pa.Table:
        if place.digest not in self._settled:
            people = settle_people(place, self._people, self._seed)
            self._settled[place.digest] = people
        people = self._settled[place.digest]
        rng = make_rng(self._seed, place.digest, day, is_restated)
        pings = simulate_day(place, people, day, self._pings_per_person, rng)
        return make_rows(place, pings, areas, rng)

    def _is_empty(self, area: RequestedArea, day: date) -> bool:
        rng = make_rng(self._seed, area.digest, day, "empty")
        return bool(rng.random() < self._empty_day_ratio)
