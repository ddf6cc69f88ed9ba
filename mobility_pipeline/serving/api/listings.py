"""Our routes about the data itself: the cities there are, their days, and why not."""

from datetime import date

import polars as pl
from fastapi import APIRouter, Request, Response

from mobility_pipeline.cities.city import City, CityDay
from mobility_pipeline.schemas.derived import DERIVED_TABLES, PRESENCE
from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.documents import (
    CityRow,
    CoverageRow,
    Envelope,
    Items,
    ListingRests,
    answered,
)
from mobility_pipeline.serving.api.formats import (
    JSON,
    TABLE,
    Fields,
    list_rows,
    write_csv,
    write_json,
    write_parquet,
)
from mobility_pipeline.serving.api.places import Place
from mobility_pipeline.serving.api.provenance import HEADER
from mobility_pipeline.serving.api.questions import CityKey
from mobility_pipeline.serving.api.responses import Responder, Written
from mobility_pipeline.serving.api.tables import From, To, days_of

_CITY_COLUMNS = {
    "city": pl.String,
    "name": pl.String,
    "country": pl.String,
    "state_province": pl.String,
    "time_zone": pl.String,
    "first_date": pl.Date,
}
_DAY_COLUMNS = {
    "city": pl.String,
    "local_date": pl.Date,
    "state": pl.String,
    "reason": pl.String,
    "observed_hours_count": pl.Int32,
    "expected_hours_count": pl.Int32,
    "coverage_ratio": pl.Float64,
    "method_version": pl.Int32,
}


def add_listing_routes(
    router: APIRouter, answers: Answers, responder: Responder
) -> None:
    """Add cities and coverage."""

    @router.get(
        "/v1/cities",
        summary="The cities there are",
        responses=answered(Envelope[Items[CityRow], ListingRests], TABLE),
    )
    async def list_cities(request: Request) -> Response:
        def make(media: str) -> Written:
            cities = answers.places.cities().values()
            rows = [_describe_city(city) for city in cities]
            table = pl.DataFrame(rows, _CITY_COLUMNS, orient="row")
            provenance = {"table": "cities", "k": answers.min_devices}
            return _write(media, table, provenance)

        return await responder.give(request, TABLE, make)

    @router.get(
        "/v1/coverage",
        summary="Which days of a city there are, and why not",
        responses=answered(Envelope[Items[CoverageRow], ListingRests], TABLE),
    )
    async def list_coverage(
        request: Request, city: CityKey, start: From, to: To
    ) -> Response:
        def make(media: str) -> Written:
            place = answers.places.find(city)
            rows = [_describe_day(answers, place, day) for day in days_of(start, to)]
            table = pl.DataFrame(rows, _DAY_COLUMNS, orient="row")
            provenance: Fields = {
                "table": PRESENCE.name,
                "method_version": DERIVED_TABLES[PRESENCE.name].version,
                "k": answers.min_devices,
            }
            return _write(media, table, provenance)

        return await responder.give(request, TABLE, make)


def _describe_city(city: City) -> tuple[object, ...]:
    names = (city.city, city.country, city.state_province)
    return (city.key, *names, city.time_zone, city.first_date)


def _describe_day(answers: Answers, place: Place, day: date) -> tuple[object, ...]:
    key = place.city.key
    reason = answers.missing_reason(PRESENCE, place, day)
    found = answers.days.manifest(PRESENCE, CityDay(key, day))
    if reason is not None or found is None:
        return (key, day, "missing", reason, None, None, None, None)
    hours = (len(found.observed_hours), found.expected_hours_count)
    return (
        *(key, day, "derived", None, *hours),
        *(round(found.coverage_ratio, 4), found.method_version),
    )


def _write(media: str, table: pl.DataFrame, provenance: Fields) -> Written:
    if media == JSON:
        document = {
            "msg": "",
            "code": 200,
            "data": {"items": list_rows(table), "next": None},
            "provenance": provenance,
        }
        return Written(write_json(document))
    write = write_parquet if media != "text/csv" else write_csv
    return Written(write(table), {HEADER: write_json(provenance).decode()})
