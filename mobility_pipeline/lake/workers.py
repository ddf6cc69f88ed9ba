"""Processes that land dates: they begin together, and end with the one they work for."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Collection, Generator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import forkserver
from types import ModuleType
from typing import Any

from mobility_pipeline.landing.memory import keep_freed_memory

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""Landing makes many objects, and hardly any in cycles."""

_MAIN = threading.Lock()
"""Held while there is another main module."""

Functions = Collection[Callable[..., object]]


def prepare_workers(functions: Functions) -> None:
    """Begin to import what workers will need, while the caller does something else."""
    modules = sorted({_module_of(function) for function in functions})
    multiprocessing.get_context("forkserver").set_forkserver_preload(modules)
    forkserver.ensure_running()


@contextmanager
def open_workers(processes: int, functions: Functions) -> Generator[Executor]:
    """Give processes to land dates in, or a thread of this one.

    When the caller breaks off, the processes are stopped at once: a crash at any point
    leaves each city-day as it was or as it will be.

    Args:
        processes: how many; 0 = a thread.
        functions: what they will call; its modules are imported once for all of them.
    """
    if not processes:
        with ThreadPoolExecutor(1, "land-date") as threads:
            yield threads
        return
    prepare_workers(functions)
    context = multiprocessing.get_context("forkserver")
    # Not an event, whose `set` waits for ever for a process that was killed at waiting.
    there, here = context.Pipe(duplex=False)  # their types differ by system
    pool = ProcessPoolExecutor(processes, context, _begin, (there,))
    try:
        with _without_main():
            for _ in range(processes):
                # All begin now: the death of a later one could show only at the next result.
                pool.submit(os.getpid)
        yield pool
    except BaseException:
        here.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        here.close()
        there.close()


@contextmanager
def _without_main() -> Generator[None]:
    """Let processes begin without importing what this one was started as.

    That is Dagster or the whole command line, which takes half a second, and they call
    nothing of it; multiprocessing knows no way to leave it out.
    """
    with _MAIN:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


def _module_of(function: Callable[..., object]) -> str:
    return (function.func if isinstance(function, partial) else function).__module__


def _begin(parent: Any) -> None:
    """Leave Ctrl-C to the parent, and end when it says so or ends: its lock goes, too."""
    keep_freed_memory()
    gc.freeze()  # what was imported stays: no collection has to look at it
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: Any) -> None:
    parent.poll(None)  # until the other end is closed
    os._exit(1)
