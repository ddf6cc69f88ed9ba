"""Every region of a city in one hour: as numbers and boundaries, and as a picture."""

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from fastapi import APIRouter, Request, Response

from mobility_pipeline.analytics.portrait import count_by_portrait
from mobility_pipeline.analytics.suppression import hide_total
from mobility_pipeline.errors import NoDataError, QuestionRefusedError
from mobility_pipeline.schemas.derived import PRESENCE
from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.classic import envelop, portrait_of
from mobility_pipeline.serving.api.documents import (
    Envelope,
    HeatMap,
    Resting,
    answered,
    answered_as,
)
from mobility_pipeline.serving.api.formats import JSON, PNG
from mobility_pipeline.serving.api.hours import LocalHour
from mobility_pipeline.serving.api.places import Place
from mobility_pipeline.serving.api.provenance import HEADER, Provenance
from mobility_pipeline.serving.api.questions import (
    Fold,
    OptionalCityKey,
    OptionalHour,
    PortraitId,
)
from mobility_pipeline.serving.api.responses import Responder, Written

_PICTURES = 64


@dataclass(frozen=True)
class Heat:
    """Presence in all regions of a city in one hour, as it may be published."""

    place: Place
    hour: LocalHour
    rows: pl.DataFrame
    """Of `PRESENCE`, and `suppressed`; regions with nobody have none."""
    sha256: str
    """Of the city-day they are from."""
    provenance: Provenance


def add_heat_routes(router: APIRouter, answers: Answers, responder: Responder) -> None:
    """Add the heat map as JSON and as a picture."""
    pictures = Pictures(answers.min_devices)

    @router.get(
        "/v1/allRegionsHeatMap",
        summary="People in every region of a city",
        responses=answered(Envelope[HeatMap, Resting]),
    )
    async def list_regions(
        request: Request,
        city: OptionalCityKey = None,
        produce_hour: OptionalHour = None,
        fold: Fold = 0,
    ) -> Response:
        def make(_: str) -> Written:
            heat = find_heat(answers, city, produce_hour, fold)
            data = {
                "city": heat.place.city.key,
                "produceHour": heat.hour.label,
                "statis": _count_city(answers, heat),
                "heatDataList": _list_heat(heat, answers.min_devices),
            }
            return envelop(data, heat.provenance)

        return await responder.give(request, (JSON,), make)

    @router.get(
        "/v1/allRegionsHeatMap.png",
        summary="A map of people in every region of a city",
        response_class=Response,
        responses=answered_as(PNG),
    )
    async def draw_regions(
        request: Request,
        city: OptionalCityKey = None,
        produce_hour: OptionalHour = None,
        portrait_id: PortraitId = 0,
        fold: Fold = 0,
    ) -> Response:
        def make(_: str) -> Written:
            heat = find_heat(answers, city, produce_hour, fold)
            header = {HEADER: heat.provenance.to_header()}
            return Written(pictures.draw(heat, portrait_id), header)

        return await responder.give(request, (PNG,), make)


class Pictures:
    """Draws heat maps, one at a time, and keeps the last ones."""

    def __init__(self, min_devices: int) -> None:
        """Begin with none.

        Args:
            min_devices: counts of fewer devices are hidden.
        """
        self._min_devices = min_devices
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def draw(self, heat: Heat, portrait_id: int) -> bytes:
        """Return a PNG of one portrait."""
        regions = heat.place.regions
        hour_at = heat.hour.hour_at
        key = (heat.sha256, regions.sha256, hour_at, portrait_id)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._draw(heat, portrait_id)
                while len(self._kept) > _PICTURES:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def _draw(self, heat: Heat, portrait_id: int) -> bytes:
        # Takes seconds to load, and most servers are never asked for a picture.
        from mobility_pipeline.analytics.pictures import draw_presence_map, write_hour

        local = heat.hour.hour_at.astimezone(ZoneInfo(heat.hour.time_zone))
        title = write_hour(
            heat.place.city.city, heat.hour.hour_at, local.hour, str(local.date())
        )
        return draw_presence_map(
            heat.place.regions.regions,
            heat.rows.filter(pl.col("portrait_id") == portrait_id),
            title=title,
            k=self._min_devices,
        )


def find_heat(
    answers: Answers, city: str | None, produce_hour: str | None, fold: int
) -> Heat:
    """Return presence of an hour; no hour = the newest, no city = the only one.

    Raises:
        UnknownPlaceError: no such city.
        QuestionRefusedError: there are several cities, or it is no hour.
        NoDataError: the hour was not observed; with the reason.
    """
    place = answers.places.find(city or _only_city(answers.places.cities()))
    hour = answers.hour_of(place, produce_hour, fold)
    day = answers.require(PRESENCE, place, hour)
    rows = day.rows.filter(pl.col("hour_at") == hour.hour_at)
    provenance = answers.rest_on(PRESENCE, place, day.manifest)
    return Heat(place, hour, rows, day.sha256, provenance)


def _only_city(cities: Mapping[str, object]) -> str:
    if not cities:
        raise NoDataError("there is no city", reason="no_city")
    if len(cities) > 1:
        raise QuestionRefusedError(
            f"there are {len(cities)} cities: name one with `city`, see /v1/cities"
        )
    return next(iter(cities))


def _list_heat(heat: Heat, k: int) -> Sequence[dict[str, Any]]:
    totals = heat.rows.filter(pl.col("portrait_id") == 0)
    counts = dict(totals.select("region_id", "devices_count").iter_rows())
    nobody = 0 if k <= 1 else None
    return [
        {
            "regionId": region,
            "regionName": name,
            "center": heat.place.centers[region],
            "pepCnt": counts.get(region, nobody),
            "suppressed": counts.get(region, nobody) is None,
            **_outline(heat.place.geometries[region]),
        }
        for region, name in heat.place.names.items()
    ]


def _outline(geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the largest ring, as the predecessor has one; `geometry` where it is less."""
    parts = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        rings = [parts[0]]
        is_whole = len(parts) == 1
    else:
        rings = sorted((part[0] for part in parts), key=len)
        is_whole = False
    outline: dict[str, Any] = {"boundary": rings[-1]}
    return outline if is_whole else {**outline, "geometry": geometry}


def _count_city(answers: Answers, heat: Heat) -> dict[str, Any]:
    """Return the portrait of everybody in the city in that hour, each once."""
    here, _ = answers.device_hours(heat.place, heat.hour)
    people = here.unique("device_id").with_columns(city=pl.lit(""))
    counted = count_by_portrait(
        people, ["city"], {"devices_count": pl.lit(True)}, answers.profiles()
    ).sort("portrait_id")
    if counted.is_empty():
        return portrait_of(counted, answers.min_devices)
    exact = counted["devices_count"].to_numpy().astype(np.int64)
    k = answers.min_devices
    masked = hide_total(exact, heat.rows, len(heat.place.names), k)
    shown = counted.with_columns(
        devices_count=pl.when(~pl.Series(masked)).then("devices_count")
    )
    return portrait_of(shown, answers.min_devices)
