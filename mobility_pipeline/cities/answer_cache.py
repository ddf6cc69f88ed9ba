"""Answers of public servers, kept on disk for a while: the same question is asked once.

Shape: `<sha256 of the question>.json` in one folder, each with what was asked and answered.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile


@dataclass(frozen=True)
class AnswerCache:
    """A folder of answers; safe for several processes, since files are replaced whole."""

    folder: Path
    max_age_s: float
    now: Callable[[], float]
    """Seconds since 1970."""

    def find(self, question: Mapping[str, str]) -> object | None:
        """Return the answer to a question, or None where there is none young enough."""
        file = self._file(question)
        try:
            if self._is_old(file):
                return None
            stored: object = json.loads(file.read_bytes())
        except (OSError, ValueError):  # not there, or not ours
            return None
        return stored.get("answer") if isinstance(stored, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]

    def keep(self, question: Mapping[str, str], answer: object) -> None:
        """Store an answer, and drop those that are too old."""
        self.folder.mkdir(parents=True, exist_ok=True)
        document = {"question": dict(question), "answer": answer}
        with NamedTemporaryFile("w", dir=self.folder, delete=False) as temporary:
            json.dump(document, temporary)
        now = self.now()
        os.utime(temporary.name, (now, now))
        Path(temporary.name).replace(self._file(question))
        for file in self.folder.iterdir():
            if self._is_old(file):
                file.unlink(missing_ok=True)

    def _is_old(self, file: Path) -> bool:
        try:
            return abs(self.now() - file.stat().st_mtime) > self.max_age_s
        except FileNotFoundError:  # dropped by another process
            return False

    def _file(self, question: Mapping[str, str]) -> Path:
        canonical = json.dumps(dict(question), sort_keys=True)
        return self.folder / f"{hashlib.sha256(canonical.encode()).hexdigest()}.json"
