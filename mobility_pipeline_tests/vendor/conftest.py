"""A ledger on either storage, a vendor on a real socket, and a clock."""

from collections.abc import Iterator

import pytest

from mobility_pipeline.vendor.client import VerasetClient
from mobility_pipeline.vendor.ledger import Ledger, open_ledger
from mobility_pipeline_tests.vendor.fake_vendor import KEY, FakeVendor
from mobility_pipeline_tests.vendor.world import Clock


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


@pytest.fixture
def vendor() -> Iterator[FakeVendor]:
    """A vendor without jobs."""
    with FakeVendor() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    """A clock at the real time, which sleeping moves."""
    return Clock()


@pytest.fixture
def client(vendor: FakeVendor, clock: Clock) -> VerasetClient:
    """The client of that vendor, with a short time-out."""
    return VerasetClient(vendor.url, KEY, sleep=clock.sleep, timeout_s=(1, 1))
