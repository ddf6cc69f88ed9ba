"""Hours as they are written, around the days on which clocks are put on and back."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobility_pipeline.errors import QuestionRefusedError
from mobility_pipeline.serving.api.hours import read_hour

ZONES = ("Asia/Shanghai", "America/Vancouver", "Asia/Kolkata", "UTC")


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001  # local
    st.sampled_from(ZONES),
    st.sampled_from([0, 1]),
)
def test_hours_are_those_of_zoneinfo(at: datetime, zone: str, fold: int) -> None:
    """Python's own time zones give the same instant, and the same label."""
    start = at.replace(
        minute=0, second=0, microsecond=0, tzinfo=ZoneInfo(zone), fold=fold
    )
    instant = start.astimezone(UTC)
    text = start.strftime("%Y%m%d%H")
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != start.replace(
        tzinfo=None
    ):
        with pytest.raises(QuestionRefusedError, match="there was no hour"):
            read_hour(text, zone, fold)
    else:
        found = read_hour(text, zone, fold)
        assert (found.hour_at, found.label) == (instant, text)


def test_an_hour_that_is_there_twice() -> None:
    """Vancouver's 01:00 of 2025-11-02: the first of the two, unless fold says."""
    first, second = (
        read_hour("2025110201", "America/Vancouver", fold) for fold in (0, 1)
    )
    assert first.hour_at == datetime(2025, 11, 2, 8, tzinfo=UTC)
    assert second.hour_at - first.hour_at == timedelta(hours=1)
    assert first.label == second.label
    assert first.local_date == date(2025, 11, 2)
