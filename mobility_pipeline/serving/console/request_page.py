"""Ask for the data of some cities and days: what it would take, then how it goes."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from nicegui import ui

from mobility_pipeline.cities.city import CityDay
from mobility_pipeline.cities.known import Cities
from mobility_pipeline.errors import MobilityError
from mobility_pipeline.serving.console.desk import (
    Desk,
    Plan,
    RequestState,
    StartedRequest,
    Wish,
)
from mobility_pipeline.serving.console.layout import frame, say, table
from mobility_pipeline.serving.console.who import attempt, complain, page, user_of
from mobility_pipeline.vendor.records import CityDayRecord, CityDayState, VendorJob
from mobility_pipeline.wording import number_of

ALSO_HELD = "Also days that are there already"
_DAYS = 3
_POLL_S = 2.0
_MOST_CITIES = 50
"""Rows of a request; the coverage page has them all."""


def add_request_page(desk: Desk) -> None:
    """Give the console the page of requests."""

    @page("/request")
    async def request_data(selection: str = "") -> None:
        user = user_of()
        known = await asyncio.to_thread(desk.open_registry(user).load)
        chosen = desk.selections.find(selection) if selection else ()
        with frame("Request data", "/request", user):
            if chosen is None:
                say(["That selection is not kept any more: choose again."], "doubt")
            _Form(desk, user, known, chosen or ())
            for request in desk.orchestrator.started():
                _Progress(desk, request)


class _Form:
    def __init__(
        self, desk: Desk, user: str, known: Cities, chosen: tuple[str, ...]
    ) -> None:
        self._desk, self._user, self._known = desk, user, known
        newest = desk.newest_day()
        start = newest - timedelta(days=_DAYS - 1)
        active = {key: f"{city.city} · {key}" for key, city in known.active.items()}
        retired = [key for key in chosen if key not in active]
        with ui.column().classes("card"):
            if retired:
                say(
                    [f"{key} is retired: nothing is asked for it" for key in retired],
                    "doubt",
                )
            self._cities = ui.select(
                active,
                value=[key for key in chosen if key in active],
                label="Cities (none: every active one)",
                multiple=True,
                with_input=True,
            ).props("outlined dense use-chips")
            self._cities.classes("w-full").style("max-height: 220px; overflow-y: auto")
            with ui.row().classes("bar"):
                names = [feed.name for feed in desk.feeds]
                self._feed = ui.select(names, value=names[0], label="Feed")
                self._start = ui.input("From", value=start.isoformat())
                self._end = ui.input("To", value=newest.isoformat())
                for box in (self._feed, self._start, self._end):
                    box.props("outlined dense").classes("grow")
                for box in (self._start, self._end):
                    box.props("type=date")
            self._refresh = ui.checkbox(ALSO_HELD)
            with ui.row().classes("bar"):
                ui.button("Preview", on_click=self._preview).props("outline no-caps")
                self._start_button = ui.button("Start", on_click=self._begin)
                self._start_button.props("unelevated no-caps")
                self._start_button.set_enabled(False)
                hint = "A preview asks for nothing and costs nothing."
                ui.label(hint).classes("quiet")
            self._answer = ui.column().classes("w-full")
        for box in (self._cities, self._feed, self._start, self._end, self._refresh):
            box.on_value_change(self._forget)
        self._previewed: Wish | None = None

    def _wish(self) -> Wish:
        return Wish(
            feed=self._feed.value,
            cities=tuple(self._cities.value or ()),
            start=self._start.value or "",
            end=self._end.value or "",
            refresh=bool(self._refresh.value),
        )

    def _forget(self) -> None:
        self._previewed = None
        self._start_button.set_enabled(False)
        self._answer.clear()

    async def _preview(self) -> None:
        wish = self._wish()
        plan = await attempt(lambda: self._desk.orchestrator.plan(wish))
        self._forget()
        with self._answer:
            if isinstance(plan, MobilityError):
                say([str(plan)], "problem")
                return
            _show_plan(plan)
        self._previewed = wish
        self._start_button.set_enabled(
            bool(plan.preview.jobs or plan.preview.on_their_way)
        )

    async def _begin(self) -> None:
        wish = self._previewed
        if wish is None:
            return
        self._start_button.set_enabled(False)
        started = await attempt(lambda: self._desk.orchestrator.start(wish, self._user))
        if isinstance(started, MobilityError):
            complain(str(started))
        else:
            ui.navigate.to("/request")


def _show_plan(plan: Plan) -> None:
    preview, use = plan.preview, plan.use
    left = "not limited" if use.jobs_left is None else f"{use.jobs_left} left"
    there = len(plan.expected) - len(preview.wanted) - len(preview.on_their_way)
    lines = [
        f"{number_of(len(preview.jobs), 'vendor job')} for "
        f"{number_of(len(preview.wanted), 'city-day')}; "
        f"{plan.surplus:,} more come besides (surplus).",
        f"Vendor jobs this month: {use.jobs_used} used, {left}.",
    ]
    if there > 0:
        lines.append(f"{there:,} city-days are there already.")
    if preview.on_their_way:
        lines.append(f"{len(preview.on_their_way):,} city-days are on their way.")
    say(lines, "note")
    warning = use.warn_of(len(preview.jobs))
    say([warning] if warning else [], "doubt")
    rows = [
        [str(len(job.cities)), str(job.start), str(job.end), f"{job.city_days:,}"]
        for job in preview.jobs
    ]
    columns = ["Cities", "From", "To", "Area-days"]
    table(columns, rows, "No vendor job is needed.")


class _Progress:
    """One request that was started, looked at again until it has ended."""

    def __init__(self, desk: Desk, request: StartedRequest) -> None:
        self._desk, self._request = desk, request
        wish = request.wish
        cities = f"{len(wish.cities):,} cities" if wish.cities else "every active city"
        cities = wish.cities[0] if len(wish.cities) == 1 else cities
        with ui.column().classes("card request"):
            with ui.row().classes("bar"):
                ui.label(f"{cities}, {wish.start} to {wish.end}").classes("card-title")
                ui.label(
                    f"{wish.feed} · by {request.user} · {request.started_at:%H:%M} UTC"
                ).classes("quiet")
                ui.space()
                self._link = ui.link("Run in Dagster", "", new_tab=True)
                self._link.set_visibility(False)
            self._bar = ui.linear_progress(0, show_value=False, size="8px")
            self._text = ui.label().classes("count")
            self._body = ui.column().classes("w-full")
        self._timer = ui.timer(_POLL_S, self._look)

    async def _look(self) -> None:
        seen = await attempt(lambda: _look_at(self._desk, self._request))
        if isinstance(seen, MobilityError):
            self._text.set_text(str(seen))
            return
        state, total = seen.state, len(self._request.expected)
        there = sum(record.is_in_lake for record in seen.records.values())
        self._bar.set_value(there / total if total else 1)
        ended = f" · {state.message}" if state.message else ""
        running = " · running" if state.is_running else ended
        self._text.set_text(f"{there:,} of {total:,} city-days are there{running}")
        if state.run_url:
            self._link.props(f'href="{state.run_url}"')
            self._link.set_visibility(True)
        self._body.clear()
        with self._body:
            _show_jobs(seen.jobs)
            _show_days(self._request.expected, seen.records)
        if not state.is_running:
            self._timer.deactivate()


@dataclass(frozen=True)
class _Seen:
    state: RequestState
    records: Mapping[CityDay, CityDayRecord]
    jobs: Sequence[VendorJob]


def _look_at(desk: Desk, request: StartedRequest) -> _Seen:
    state = desk.orchestrator.look(request)
    records = desk.ledger.records_of(request.wish.feed, request.expected)
    refs = {record.job_ref for record in records.values()} - {None}
    jobs = [desk.ledger.job(ref) for ref in sorted(ref for ref in refs if ref)]
    return _Seen(state, records, jobs)


def _show_jobs(jobs: Sequence[VendorJob]) -> None:
    rows = [
        [
            job.name,
            job.state.value,
            str(len(job.areas)),
            str(job.start),
            str(job.end),
            job.error or "",
        ]
        for job in jobs
    ]
    columns = ["Vendor job", "State", "Cities", "From", "To", ""]
    table(columns, rows, "No vendor job yet.")


def _show_days(
    expected: Collection[CityDay], records: Mapping[CityDay, CityDayRecord]
) -> None:
    """Show each city's days by state; those with most missing first."""
    counts: dict[str, Counter[str]] = {day.city: Counter() for day in expected}
    for day in expected:
        record = records.get(day)
        state = record.state if record else CityDayState.NOT_REQUESTED
        counts[day.city][state.value] += 1
    ordered = sorted(
        counts.items(), key=lambda item: (item[1][CityDayState.DELIVERED], item[0])
    )
    rows = [
        [key, ", ".join(f"{n} {state}" for state, n in sorted(states.items()))]
        for key, states in ordered[:_MOST_CITIES]
    ]
    table(["City", "Days"], rows, "")
    if len(ordered) > _MOST_CITIES:
        more = len(ordered) - _MOST_CITIES
        ui.label(f"and {more:,} more: see the coverage page").classes("quiet")
