"""Nameless files that are written again and again: their pages stay in memory.

A page that no file had a moment ago costs up to ten times as much to write.
"""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO


class ScratchFiles(ExitStack):
    """Lends files, to several threads; what was in one before may still be there."""

    def __init__(self, folder: Path) -> None:
        """Lend none yet.

        Args:
            folder: where they lie; nameless, they go with their process.
        """
        super().__init__()
        self._folder = folder
        self._free: list[IO[bytes]] = []

    @contextmanager
    def borrow(self) -> Generator[IO[bytes]]:
        """Lend a file until the end of the block, opened to write and read."""
        try:
            file = self._free.pop()
        except IndexError:
            self._folder.mkdir(parents=True, exist_ok=True)
            file = TemporaryFile(dir=self._folder)  # noqa: SIM115  # see `close`
            self.enter_context(file)
        yield file
        self._free.append(file)
