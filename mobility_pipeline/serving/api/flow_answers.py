"""Flows of one region between any two hours."""

from datetime import date, timedelta

import polars as pl

from mobility_pipeline.analytics.flows import flow_between
from mobility_pipeline.analytics.suppression import hide_flows
from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import NoDataError, QuestionRefusedError
from mobility_pipeline.lake.derived_manifest import DerivedManifest
from mobility_pipeline.schemas.derived import DEVICE_HOURS, FLOWS, PRESENCE
from mobility_pipeline.serving.api.answers import NOT_DERIVED, Answers
from mobility_pipeline.serving.api.days import Day
from mobility_pipeline.serving.api.hours import LocalHour, read_hour
from mobility_pipeline.serving.api.places import Place
from mobility_pipeline.serving.api.provenance import Provenance

_HOUR = timedelta(hours=1)
Flows = tuple[pl.DataFrame, Provenance]


def flow_between_hours(
    answers: Answers,
    region_id: str,
    start_time: str,
    end_time: str,
    city: str | None,
    fold: int,
) -> Flows:
    """Return who came, left and stayed, by portrait.

    Returns:
        Portraits 0…6 with the counts of `FLOWS`, or no row where nobody was there in either
        hour; and what they rest on.

    Raises:
        UnknownPlaceError: no such city or region.
        QuestionRefusedError: several cities have it, or the hours are none or out of order.
        NoDataError: one of the hours was not observed; with the reason.
    """
    place = answers.places.find_by_region(region_id, city)
    zone = place.city.time_zone
    start, end = read_hour(start_time, zone), read_hour(end_time, zone, fold)
    if end.hour_at <= start.hour_at:
        raise QuestionRefusedError("end_time must be later than start_time")
    if end.hour_at - start.hour_at == _HOUR:
        # The published table hides more than one region's answer would: it knows the rest.
        return _from_table(answers, place, region_id, start, end)
    return _from_devices(answers, place, region_id, start, end)


def _from_table(
    answers: Answers, place: Place, region_id: str, start: LocalHour, end: LocalHour
) -> Flows:
    answers.require(PRESENCE, place, start)
    day = answers.require(FLOWS, place, end)
    if not _knows(answers, place, day, start):
        raise NoDataError(
            f"flows of {place.city.key} into {end.label} were derived before {start.label} "
            "was there",
            city=place.city.key,
            produce_hour=end.label,
            reason=NOT_DERIVED,
        )
    rows = day.find(end.hour_at, region_id)
    return rows, answers.rest_on(FLOWS, place, day.manifest)


def _knows(answers: Answers, place: Place, day: Day, start: LocalHour) -> bool:
    """Whether flows were derived with the hour they come from, as it is now.

    Asked of the day, not of a region's rows: what is hidden there looks as what is unknown.
    """
    if start.hour_at in day.manifest.observed_hours:
        return True
    city_day = CityDay(place.city.key, start.local_date)
    before = answers.days.manifest(DEVICE_HOURS, city_day)
    used = {found.sha256 for found in day.manifest.inputs}
    return before is not None and before.sha256 in used


def _from_devices(
    answers: Answers, place: Place, region_id: str, start: LocalHour, end: LocalHour
) -> Flows:
    (hours_a, day_a), (hours_b, day_b) = (
        answers.device_hours(place, hour) for hour in (start, end)
    )
    rows = flow_between(
        pl.concat([hours_a, hours_b]),
        region_id,
        start.hour_at,
        end.hour_at,
        answers.profiles(),
    )
    manifests: dict[date, DerivedManifest] = {
        day.manifest.date: day.manifest for day in (day_a, day_b)
    }
    provenance = answers.rest_on(DEVICE_HOURS, place, *manifests.values())
    return hide_flows(rows, answers.min_devices), provenance
