"""What every test of the definitions starts from."""

import gc
from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def forget_earlier_instances() -> Iterator[None]:
    """Start without the instances of earlier tests.

    Dagster remembers the last one that was made in a context variable, asks it whenever
    definitions are built, and fails once it is gone. A context of an earlier test that is
    collected later would bring its instance back.
    """
    gc.collect()
    with set_defs_state_storage(None):
        yield
