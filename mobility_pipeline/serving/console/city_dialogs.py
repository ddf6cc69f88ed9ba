"""What is asked and told while a city is saved."""

from collections.abc import Sequence

from nicegui import ui

from mobility_pipeline.serving.console.layout import say


async def confirm_new_boundary(left: Sequence[str]) -> bool:
    """Ask whether to save a boundary that leaves stored days behind.

    Args:
        left: sentences that say which.
    """
    with ui.dialog() as dialog, ui.card().style("max-width: 560px"):
        ui.label("Change the boundary?").classes("card-title")
        say([*left], "note")
        with ui.row().classes("bar justify-end"):
            ui.button("Cancel", on_click=lambda: dialog.submit(False)).props(
                "flat no-caps"
            )
            ui.button("Change it", on_click=lambda: dialog.submit(True)).props(
                "unelevated no-caps"
            )
    return bool(await dialog)


def show_conflict() -> None:
    """Say that somebody else saved the city meanwhile."""
    with ui.dialog().props("persistent") as dialog, ui.card():
        ui.label("Somebody else saved this city meanwhile").classes("card-title")
        ui.label(
            "Nothing of yours was saved, and nothing of theirs is lost. Reload to see "
            "the city as it is now; then make your change again."
        )
        with ui.row().classes("bar justify-end"):
            ui.button("Keep looking", on_click=dialog.close).props("flat no-caps")
            ui.button("Reload", on_click=ui.navigate.reload).props("unelevated no-caps")
    dialog.open()
