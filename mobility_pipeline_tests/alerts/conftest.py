"""A record of alerts on either storage."""

from collections.abc import Iterator

import pytest

from mobility_pipeline.alerts.store import AlertStore, open_alert_store


@pytest.fixture
def store(ledger_url: str) -> Iterator[AlertStore]:
    """An empty record."""
    opened = open_alert_store(ledger_url)
    yield opened
    opened.close()
