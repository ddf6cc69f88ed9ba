"""A shuffle that loses rows, to see who finds out."""

from dataclasses import replace

from mobility_pipeline.landing.shuffle import Shuffle, Window


class LosingShuffle(Shuffle):
    """Forgets the rows of the first city."""

    def add(self, window: Window, expected_bytes: float) -> None:
        """Take the others."""
        kept = window.cities != 0
        super().add(
            replace(window, rows=window.rows[kept], cities=window.cities[kept]),
            expected_bytes,
        )
