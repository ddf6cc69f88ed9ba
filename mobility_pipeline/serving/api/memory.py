"""Whether a question can be answered from memory, and so without a thread of its own.

Handing a question to a thread and its answer back costs more than finding it. So quick
questions are tried where requests arrive, with the promise to read nothing; whoever would
have to read says so, and the question is asked again in a thread.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_MAY_READ = ContextVar("may_read", default=True)


class NotInMemoryError(Exception):
    """Something has to be read first."""


@contextmanager
def reading_nothing() -> Generator[None]:
    """Promise that nothing is read inside.

    Raises (inside):
        NotInMemoryError: by `about_to_read`.
    """
    token = _MAY_READ.set(False)
    try:
        yield
    finally:
        _MAY_READ.reset(token)


def about_to_read() -> None:
    """Say that what comes may take a while.

    Raises:
        NotInMemoryError: inside `reading_nothing`.
    """
    if not _MAY_READ.get():
        raise NotInMemoryError
