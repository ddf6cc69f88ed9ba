"""Our own routes: tables of a city and a range of local days, in pages and formats."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import polars as pl
from fastapi import APIRouter, Depends, Query, Request, Response

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.errors import NoDataError, QuestionRefusedError
from mobility_pipeline.lake.derived_manifest import DerivedManifest
from mobility_pipeline.schemas.derived import FLOWS, OD, PRESENCE, DerivedTable
from mobility_pipeline.serving.api.answers import Answers
from mobility_pipeline.serving.api.documents import (
    ROWS,
    Envelope,
    Items,
    Responses,
    Resting,
    answered,
)
from mobility_pipeline.serving.api.formats import (
    CSV,
    GEOJSON,
    JSON,
    PARQUET,
    REGION_TABLE,
    TABLE,
    list_rows,
    write_csv,
    write_geojson,
    write_json,
    write_parquet,
)
from mobility_pipeline.serving.api.hours import check_day
from mobility_pipeline.serving.api.paging import (
    CURSOR_PATTERN,
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Page,
    read_cursor,
    read_page,
)
from mobility_pipeline.serving.api.places import Place
from mobility_pipeline.serving.api.provenance import HEADER, Provenance
from mobility_pipeline.serving.api.questions import (
    CityKey,
    OptionalPortraitId,
    OptionalRegionId,
)
from mobility_pipeline.serving.api.responses import Responder, Written

MAX_DAYS = 31

From = Annotated[date, Query(alias="from", description="First local day.")]
To = Annotated[date, Query(description="Last local day, inclusive; 31 days at most.")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Rows of a page.")]
AfterCursor = Annotated[
    str | None,
    Query(
        pattern=CURSOR_PATTERN,
        description="`next` of the page before; none = the first page.",
    ),
]
Pick = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True)
class TableQuestion:
    """What is asked of a table."""

    table: DerivedTable
    city: str
    start: date
    end: date
    limit: int
    cursor: str | None
    pick: Pick
    """Rows that are asked for, of a day's."""
    region_id: str | None = None
    """The one region that is asked for."""


@dataclass(frozen=True)
class _Hourly:
    """What tables by region and hour are asked by."""

    city: CityKey
    start: From
    to: To
    region_id: OptionalRegionId = None
    portrait_id: OptionalPortraitId = None
    limit: Limit = DEFAULT_LIMIT
    cursor: AfterCursor = None

    def of(self, table: DerivedTable) -> TableQuestion:
        pick = _pick(region_id=self.region_id, portrait_id=self.portrait_id)
        span = (self.city, self.start, self.to)
        return TableQuestion(
            table, *span, self.limit, self.cursor, pick, self.region_id
        )


HourlyQuestion = Annotated[_Hourly, Depends()]


def add_table_routes(router: APIRouter, answers: Answers, responder: Responder) -> None:
    """Add presence, flows and OD."""

    @router.get(
        "/v1/presence",
        summary="People by region and local hour",
        responses=_described(PRESENCE, REGION_TABLE),
    )
    async def list_presence(request: Request, asked: HourlyQuestion) -> Response:
        found = asked.of(PRESENCE)
        return await _answer(request, answers, responder, found, REGION_TABLE)

    @router.get(
        "/v1/flows",
        summary="People who came, left, stayed; hour by hour",
        responses=_described(FLOWS, REGION_TABLE),
    )
    async def list_flows(request: Request, asked: HourlyQuestion) -> Response:
        """From the hour before; where that was not observed, there are no rows.

        With k = 1 there are, and their counts are null.
        """
        found = asked.of(FLOWS)
        return await _answer(request, answers, responder, found, REGION_TABLE)

    @router.get(
        "/v1/od",
        summary="Devices and trips from region to region by day",
        responses=_described(OD, TABLE),
    )
    async def list_od(
        request: Request,
        city: CityKey,
        start: From,
        to: To,
        kind: Annotated[Literal["first_last", "consecutive"] | None, Query()] = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: AfterCursor = None,
    ) -> Response:
        asked = TableQuestion(OD, city, start, to, limit, cursor, _pick(kind=kind))
        return await _answer(request, answers, responder, asked, TABLE)


def days_of(start: date, end: date) -> Sequence[date]:
    """Return a range of days.

    Raises:
        QuestionRefusedError: it is none, or too long.
    """
    check_day(start)
    check_day(end)
    length = (end - start).days + 1
    if not 1 <= length <= MAX_DAYS:
        raise QuestionRefusedError(
            f"from and to must be in order, and {MAX_DAYS} days at most"
        )
    return [start + timedelta(days=number) for number in range(length)]


def _described(table: DerivedTable, offered: tuple[str, ...]) -> Responses:
    row = ROWS[table.name]
    return answered(Envelope[Items[row], Resting], offered)


def _pick(**wanted: object) -> Pick:
    asked = {name: value for name, value in wanted.items() if value is not None}
    return lambda rows: rows.filter(**asked) if asked else rows


async def _answer(
    request: Request,
    answers: Answers,
    responder: Responder,
    asked: TableQuestion,
    offered: tuple[str, ...],
) -> Response:
    def make(media: str) -> Written:
        place = answers.places.find(asked.city)
        if asked.region_id is not None:
            place.check(asked.region_id)
        page, provenance = _read(answers, place, asked)
        return _write(media, place, page, provenance, request)

    return await responder.give(request, offered, make)


def _read(
    answers: Answers, place: Place, asked: TableQuestion
) -> tuple[Page, Provenance]:
    days = days_of(asked.start, asked.end)
    missing = _find_missing(answers, asked.table, place, days)
    if len(missing) == len(days):
        reasons = {day.isoformat(): reason for day, reason in missing.items()}
        raise NoDataError(
            f"no {asked.table.name} of {place.city.key} on these days: "
            + ", ".join(sorted(set(reasons.values()))),
            city=place.city.key,
            reasons=reasons,
        )
    there = [day for day in days if day not in missing]
    page = read_page(
        there,
        lambda day: answers.days.read(asked.table, CityDay(place.city.key, day)),
        lambda day, rows: asked.pick(_leave_out_hidden(rows, asked.table)).select(
            pl.lit(day).alias("local_date"), pl.all()
        ),
        read_cursor(asked.cursor, asked.start, asked.end),
        asked.limit,
    )
    manifests = _manifests(answers, asked.table, place, there)
    return page, answers.rest_on(asked.table, place, *manifests, missing=missing)


def _leave_out_hidden(rows: pl.DataFrame, table: DerivedTable) -> pl.DataFrame:
    """Leave out what is hidden whole: such a row would tell it from where nobody was."""
    hidden = pl.col("suppressed")
    if table != OD:
        hidden = hidden.all().over("hour_at", "region_id")
    return rows.filter(~hidden)


def _find_missing(
    answers: Answers, table: DerivedTable, place: Place, days: Sequence[date]
) -> Mapping[date, str]:
    reasons = {day: answers.missing_reason(table, place, day) for day in days}
    return {day: reason for day, reason in reasons.items() if reason is not None}


def _manifests(
    answers: Answers, table: DerivedTable, place: Place, days: Sequence[date]
) -> Sequence[DerivedManifest]:
    found = (answers.days.manifest(table, CityDay(place.city.key, day)) for day in days)
    return [manifest for manifest in found if manifest is not None]


def _write(
    media: str, place: Place, page: Page, provenance: Provenance, request: Request
) -> Written:
    following = None if page.next is None else str(page.next)
    headers: dict[str, str] = {}
    if following is not None:
        query = [
            pair for pair in request.query_params.multi_items() if pair[0] != "cursor"
        ]
        target = f"{request.url.path}?{urlencode([*query, ('cursor', following)])}"
        headers["Link"] = f'<{target}>; rel="next"'
    if media == JSON:
        data = {"items": list_rows(page.rows), "next": following}
        return Written(write_json(_envelope(data, provenance)), headers)
    if media == GEOJSON:
        more = {"next": following, "provenance": provenance.to_document()}
        return Written(write_geojson(page.rows, place, more), headers)
    write = {CSV: write_csv, PARQUET: write_parquet}[media]
    headers[HEADER] = provenance.to_header()
    return Written(write(page.rows), headers)


def _envelope(data: object, provenance: Provenance) -> dict[str, Any]:
    return {
        "msg": "",
        "code": 200,
        "data": data,
        "provenance": provenance.to_document(),
    }
