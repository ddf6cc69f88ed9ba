"""Questions before something is changed, and what is said where it was not."""

from collections.abc import Sequence

from nicegui import ui


async def confirm(
    title: str,
    texts: Sequence[str],
    *,
    yes: str,
    no: str = "Cancel",
    is_grave: bool = False,
) -> bool:
    """Ask whether something is meant.

    Args:
        title: the question.
        texts: sentences that say what follows from a yes.
        yes: the button that does it.
        no: the button that does nothing.
        is_grave: it can't be taken back, so its button is red.
    """
    with ui.dialog() as dialog, ui.card().style("max-width: 560px"):
        ui.label(title).classes("card-title")
        for text in texts:
            ui.label(text)
        with ui.row().classes("bar justify-end"):
            ui.button(no, on_click=lambda: dialog.submit(False)).props("flat no-caps")
            ui.button(yes, on_click=lambda: dialog.submit(True)).props(
                f"unelevated no-caps{' color=negative' if is_grave else ''}"
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
