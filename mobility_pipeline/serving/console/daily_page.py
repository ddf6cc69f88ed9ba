"""What the daily load goes by, and when the schedules run next; to read only."""

import asyncio

from nicegui import ui

from mobility_pipeline.serving.console.desk import Desk
from mobility_pipeline.serving.console.layout import facts, frame, table
from mobility_pipeline.serving.console.who import page, user_of


def add_daily_page(desk: Desk) -> None:
    """Give the console the page of the daily load."""

    @page("/daily")
    async def show_daily() -> None:
        user = user_of()
        schedules = await asyncio.to_thread(desk.orchestrator.schedules)
        known = await asyncio.to_thread(desk.open_registry(user).load)
        rows = [
            [
                state.name.removesuffix("_schedule").replace("_", " "),
                "on" if state.is_on else "off",
                f"{state.next_at:%Y-%m-%d %H:%M} UTC" if state.next_at else "–",
            ]
            for state in schedules
        ]
        with frame("Daily load", "/daily", user):
            with ui.column().classes("card"):
                ui.label("Schedules").classes("card-title")
                table(["Schedule", "Is", "Next"], rows, "None.")
                ui.label(
                    "“On” means that it runs while a Dagster daemon is up; switch them in "
                    "the Dagster UI."
                ).classes("quiet")
                ui.link(
                    "Open in Dagster", f"{desk.dagster_url}/automation", new_tab=True
                )
            with ui.column().classes("card"):
                ui.label("Settings").classes("card-title")
                facts([("Cities", f"{len(known.active):,} active"), *desk.facts])
                ui.label("They are set in the environment or in .env.").classes("quiet")
